// SPDX-License-Identifier: Apache-2.0
/** What an earlier run left: its record, processes that outlived its supervisor, its chain, its ports, its stores. */
import { readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { Deployment } from '../../kit/deployment.ts'
import type { Printer } from '../print.ts'
import { end, freePort, isRunning, type ProcessRef, requireFree } from './process.ts'
import { DEFAULT_PORTS, type LocalState, type Ports, type RunRecord } from './state.ts'

/** The record of a run that its supervisor still keeps, or undefined. */
export function livingRun(state: LocalState): RunRecord | undefined {
  const record = state.readRun()
  return record !== undefined && isRunning(record.supervisor) ? record : undefined
}

export interface LivingChain {
  ref: ProcessRef
  port: number
}

/** Ends what outlived an earlier supervisor, but for the chain, which is returned: it holds the state. */
export async function makeRoom(state: LocalState, print: Printer): Promise<LivingChain | undefined> {
  const before = state.readRun()
  if (before === undefined) return undefined
  const living = Object.entries(before.children).filter(([, ref]) => isRunning(ref))
  const orphans = living.filter(([name]) => name !== 'chain')
  if (orphans.length > 0) {
    print.step(`ending what outlived the last run: ${orphans.map(([name]) => name).join(', ')}`)
    await Promise.all(orphans.map(([, ref]) => end(ref)))
  }
  const chain = living.find(([name]) => name === 'chain')
  return chain === undefined ? undefined : { ref: chain[1], port: before.ports.chain }
}

/** Ports for a run beside a chain that may live already. @throws TrellisError PORT_BUSY */
export async function choosePorts(free: boolean, chain: LivingChain | undefined): Promise<Ports> {
  const ports: Ports = { ...DEFAULT_PORTS }
  if (free) for (const name of Object.keys(ports) as (keyof Ports)[]) ports[name] = await freePort()
  if (chain !== undefined) ports.chain = chain.port
  const { chain: chainPort, ...others } = ports
  await requireFree(chain === undefined ? { chain: chainPort, ...others } : others)
  return ports
}

/** Stores of this chain and deployment. Those of chains that are gone go too: an in-memory chain never comes back. */
export function chainFolder(state: LocalState, deployment: Deployment): string {
  const own = `${deployment.genesisHash.slice(2, 14)}-${deployment.contracts['Router']!.address.slice(2, 10).toLowerCase()}`
  const all = state.folder('chains')
  for (const name of readdirSync(all)) if (name !== own) rmSync(join(all, name), { recursive: true, force: true })
  return state.folder('chains', own)
}
