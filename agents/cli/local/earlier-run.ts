// SPDX-License-Identifier: Apache-2.0
/** What an earlier run left: its record, processes that outlived its supervisor, its chain, its ports, its stores. */
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { Deployment } from '../../kit/deployment.ts'
import { ledgerFolder } from '../../kit/store.ts'
import { TrellisError } from '../../protocol/errors.ts'
import type { Printer } from '../print.ts'
import { PROVERS } from './onboard.ts'
import { end, freePort, isRunning, type ProcessRef, requireFree } from './process.ts'
import { DEFAULT_PORTS, type LocalState, type Ports, type RunRecord, type SourceName } from './state.ts'

/** The record of a run that its supervisor still keeps, or undefined. */
export function livingRun(state: LocalState): RunRecord | undefined {
  const record = state.readRun()
  return record !== undefined && isRunning(record.supervisor) ? record : undefined
}

/** A chain that outlived its supervisor, and what is replayed on it. */
export interface LivingChain {
  ref: ProcessRef
  port: number
}

/**
 * Ends what outlived an earlier supervisor, but for the chain, which is returned: it holds the state.
 * @throws TrellisError SOURCE_CHANGED when that chain serves another source: its terms and devices are not ours
 */
export async function makeRoom(state: LocalState, source: SourceName, print: Printer): Promise<LivingChain | undefined> {
  const before = state.readRun()
  if (before === undefined) return undefined
  const living = Object.entries(before.children).filter(([, ref]) => isRunning(ref))
  const chain = living.find(([name]) => name === 'chain')
  if (chain !== undefined && before.source !== undefined && before.source.id !== source.id) {
    throw new TrellisError({
      code: 'SOURCE_CHANGED',
      message: 'The chain that the last run left serves other readings.',
      details: { there: before.source.title, wanted: source.title },
      next: 'npm run trellis -- stop, then start again: each source keeps its devices and what they delivered',
    })
  }
  const orphans = living.filter(([name]) => name !== 'chain')
  if (orphans.length > 0) {
    print.step(`ending what outlived the last run: ${orphans.map(([name]) => name).join(', ')}`)
    await Promise.all(orphans.map(([, ref]) => end(ref)))
  }
  return chain === undefined ? undefined : { ref: chain[1], port: before.ports.chain }
}

/** Ports for a run beside a chain that may live already; `same` are those of the round before. @throws TrellisError PORT_BUSY */
export async function choosePorts(free: boolean, chain: LivingChain | undefined, same?: Ports): Promise<Ports> {
  const ports: Ports = { ...(same ?? DEFAULT_PORTS) }
  if (free && same === undefined) for (const name of Object.keys(ports) as (keyof Ports)[]) ports[name] = await freePort()
  if (chain !== undefined) ports.chain = chain.port
  const { chain: chainPort, ...others } = ports
  await requireFree(chain === undefined ? { chain: chainPort, ...others } : others)
  return ports
}

/**
 * Keys, stores and configurations of one source under one deployment, whatever chain it is on: its devices are the same on a fresh chain, and what
 * they delivered is settled again there. Another source, or other contracts, never meets them.
 */
export function jobFolder(state: LocalState, deployment: Deployment, source: SourceName, empty: boolean): string {
  const addresses = Object.values(deployment.contracts).map(({ address }) => address.toLowerCase())
  const contracts = createHash('sha256').update(addresses.sort().join()).digest('hex').slice(0, 12)
  const place = ['deployments', `${deployment.chainId}-${contracts}`, source.id]
  if (empty) rmSync(state.path(...place), { recursive: true, force: true })
  return state.folder(...place)
}

/** Removes the ledgers of chains that are gone: an in-memory chain never comes back, and the gateway has copied what it held. */
export function forgetOtherChains(folder: string, { genesisHash }: Deployment): void {
  const own = ledgerFolder('', genesisHash, '0x')
  for (const service of ['gateway', 'coordinator', 'indexer', ...PROVERS]) {
    const data = join(folder, service)
    if (!existsSync(data)) continue
    for (const name of readdirSync(data)) {
      if (/^[0-9a-f]{12}-[0-9a-f]{12}$/.test(name) && !name.startsWith(own)) rmSync(join(data, name), { recursive: true, force: true })
    }
  }
}
