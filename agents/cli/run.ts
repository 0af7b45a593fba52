// SPDX-License-Identifier: Apache-2.0
/** `trellis run <service>`: one service in this process. Only this file knows every service; each is loaded when it is asked for. */
import { backOutService, runService, storesOf, type Service } from '../kit/service.ts'
import { TrellisError } from '../protocol/errors.ts'
import { fromWhereCalled } from './local/state.ts'

/** The prover is under GPL-3.0-or-later: it is loaded into its own process and nowhere else. */
const services = {
  gateway: async () => (await import('../gateway/service.ts')).service,
  coordinator: async () => (await import('../coordinator/service.ts')).service,
  prover: async () => (await import('../prover/service.ts')).service,
  device: async () => (await import('../sdk/service.ts')).service,
  portal: async () => (await import('../portal/server/service.ts')).service,
  indexer: async () => (await import('../indexer/service.ts')).service,
}

export interface RunOptions {
  config?: string
  set?: string[]
  offer: boolean
  /** `true`, or the version of the stores to go back to. */
  backOut?: true | number
  /** Print where the stores are, for a backup. */
  stores?: boolean
}

export async function run(name: string, options: RunOptions): Promise<void> {
  if (!Object.hasOwn(services, name)) {
    throw new TrellisError({
      code: 'SERVICE_UNKNOWN',
      message: `There is no service "${name}".`,
      details: { known: Object.keys(services).join(', ') },
      next: 'npm run trellis -- run gateway --config gateway.json',
    })
  }
  const flags: Record<string, unknown> = {}
  for (const pair of options.set ?? []) {
    const cut = pair.indexOf('=')
    if (cut < 1) throw new TrellisError({ code: 'FLAG_MALFORMED', message: `--set ${pair} has no value.`, next: 'write --set field=value' })
    flags[pair.slice(0, cut)] = pair.slice(cut + 1)
  }
  const file = options.config === undefined ? undefined : fromWhereCalled(options.config)
  if (options.offer) {
    if (name !== 'device')
      throw new TrellisError({
        code: 'FLAG_MALFORMED',
        message: '--offer is for devices.',
        next: 'npm run trellis -- run device --config FILE --offer',
      })
    flags['offer'] = true
  }
  const service = (await services[name as keyof typeof services]()) as Service
  if (options.stores === true) {
    console.log(JSON.stringify(storesOf(service, { file, env: process.env, flags })))
    return
  }
  if (options.backOut !== undefined) {
    const to = options.backOut === true ? undefined : options.backOut
    const done = await backOutService(service, { file, env: process.env, flags }, to)
    for (const { file, from, to } of done)
      console.log(from === to ? `${file}  version ${to}, as it was` : `${file}  version ${from} → ${to}`)
    if (done.length === 0) console.log(`the ${name} has no store here`)
    return
  }
  process.exitCode = await runService(service, { file, env: process.env, flags })
  // Worker threads of provers and curves would keep the process.
  process.exit()
}
