// SPDX-License-Identifier: Apache-2.0
/** Services by their configurations, and the stores that each of them names. */
import { basename } from 'node:path'
import type { StorePlace } from '../../kit/backup.ts'
import type { ConfigSources } from '../../kit/config.ts'
import { loadConfig } from '../../kit/config.ts'
import { storesOf, type Service } from '../../kit/service.ts'
import { TrellisError } from '../../protocol/errors.ts'
import { runOnce } from './child.ts'
import { fromWhereCalled, PROGRAM } from './state.ts'

/** In the order in which they are copied: what a device no longer holds, the gateway's later copy does. */
export const KINDS = ['device', 'gateway', 'coordinator', 'prover'] as const
export type Kind = (typeof KINDS)[number]

export interface Target {
  kind: Kind
  /** Names it in a backup; the same when it is restored. */
  label: string
  config: string
}

/** Of `--service gateway=FILE`. @throws TrellisError FLAG_MALFORMED */
export function targetsOf(given: readonly string[]): Target[] {
  const targets = given.map((text): Target => {
    const [name = '', file = ''] = text.split(/=(.*)/s)
    const kind = KINDS.find((known) => known === name)
    if (kind === undefined || file === '')
      throw new TrellisError({
        code: 'FLAG_MALFORMED',
        message: `--service ${text.slice(0, 80)} names no service and its configuration.`,
        details: { known: KINDS.join(', ') },
        next: '--service gateway=FILE, and again for each further one',
      })
    return { kind, label: basename(file).replace(/\.json$/, ''), config: fromWhereCalled(file) }
  })
  const twice = targets.find(({ label }, i) => targets.findIndex((other) => other.label === label) < i)
  if (twice !== undefined)
    throw new TrellisError({
      code: 'FLAG_MALFORMED',
      message: `Two configurations are called ${twice.label}.json.`,
      next: 'give each file a name of its own: a restore finds the stores by it',
    })
  return inOrder(targets)
}

export const inOrder = (targets: readonly Target[]): Target[] =>
  [...targets].sort((a, b) => KINDS.indexOf(a.kind) - KINDS.indexOf(b.kind) || a.label.localeCompare(b.label, 'en', { numeric: true }))

const load = {
  device: async () => (await import('../../sdk/service.ts')).service,
  gateway: async () => (await import('../../gateway/service.ts')).service,
  coordinator: async () => (await import('../../coordinator/service.ts')).service,
}

const sources = (file: string): ConfigSources => ({ file, env: process.env, flags: {} })

/** The places of a service. The prover is under GPL-3.0-or-later and says its own in a process of its own. */
export async function placesOf({ kind, config }: Target): Promise<StorePlace[]> {
  if (kind !== 'prover') return storesOf((await load[kind]()) as Service, sources(config))
  const { code, output } = await runOnce([PROGRAM, 'run', 'prover', '--config', config, '--stores'])
  const line = output.split('\n').find((text) => text.startsWith('['))
  if (code !== 0 || line === undefined)
    throw new TrellisError({
      code: 'CONFIG_INVALID',
      message: 'The prover does not say where its stores are.',
      details: { config, said: output.trim().slice(0, 600) },
      next: 'correct its configuration',
    })
  return JSON.parse(line) as StorePlace[]
}

/** Configuration of a coordinator. */
export const coordinatorConfigOf = async (file: string) => {
  const service = await load.coordinator()
  return loadConfig(service.name, service.config, sources(file))
}
