// SPDX-License-Identifier: Apache-2.0
/**
 * New logic behind the proxies of a running network. AccessManager keeps what is scheduled, and CREATE2 what is created, so a run that was killed at any
 * point finds both and goes on. All upgrades of a run take effect in one transaction: no block sees half of them.
 */
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { type Address, encodeFunctionData, type Hex, isAddressEqual, parseAbi, toFunctionSelector } from 'viem'
import { TrellisError } from '../agents/protocol/errors.ts'
import type { ArtifactSource } from './artifacts.ts'
import type { Deployer, Upgrade } from './deployer.ts'
import { GOVERNED_PROXIES } from './roles.ts'
import { incompatibilities, layoutsOf, type Layout } from './storage-layout.ts'

export interface UpgradeReport extends Upgrade {
  /** `waiting` for its delay; `not ours`: the deploying key may not, and the holder of the upgrade role makes `call` on the AccessManager. */
  state: 'done' | 'waiting' | 'not ours'
  /** Unix seconds from which it can run, when it is scheduled. */
  due: number | null
  /** Calls of the AccessManager for the holder of the role: `schedule(proxy, data, 0)`, after the delay `execute(proxy, data)`. */
  data: Hex
}

const upgradeAbi = parseAbi(['function upgradeToAndCall(address newImplementation, bytes data) payable'])
const upgradeSelector = toFunctionSelector('upgradeToAndCall(address,bytes)')

/**
 * Schedules what is not scheduled, and runs all of it once all is due.
 * @returns one report per upgrade; the deployer's contracts name the logic that runs now
 */
export async function runUpgrades(deployer: Deployer, upgrades: readonly Upgrade[]): Promise<UpgradeReport[]> {
  if (upgrades.length === 0) return []
  const manager = deployer.contracts.get('AccessManager')!.address
  const read = <T>(name: string, args: readonly unknown[]): Promise<T> => deployer.read<T>('AccessManager', manager, name, args)
  const encode = (functionName: string, args: readonly unknown[]): Hex =>
    encodeFunctionData({ abi: deployer.abi('AccessManager'), functionName, args })
  const together = (calls: Hex[]): Promise<void> => deployer.write('AccessManager', manager, 'multicall', [calls])

  const plan = await Promise.all(
    upgrades.map(async (upgrade) => {
      const data = encodeFunctionData({ abi: upgradeAbi, functionName: 'upgradeToAndCall', args: [upgrade.to, '0x'] })
      const [immediate, delay] = await read<readonly [boolean, number]>('canCall', [deployer.account, upgrade.proxy, upgradeSelector])
      const id = await read<Hex>('hashOperation', [deployer.account, upgrade.proxy, data])
      return { upgrade, data, immediate, ours: immediate || delay > 0, id }
    }),
  )
  const schedules = (): Promise<number[]> =>
    Promise.all(plan.map(async ({ id, immediate, ours }) => (immediate || !ours ? 0 : read<number>('getSchedule', [id]))))
  const names = plan.map(({ upgrade }) => upgrade.name).join(', ')

  if (plan.every(({ ours }) => ours)) {
    const before = await schedules()
    const missing = plan.filter(({ immediate }, i) => !immediate && before[i] === 0)
    if (missing.length > 0) {
      await together(missing.map(({ upgrade, data }) => encode('schedule', [upgrade.proxy, data, 0])))
      deployer.step(`schedule the upgrade of ${missing.map(({ upgrade }) => upgrade.name).join(', ')}`, true)
    }
    const due = Math.max(...(await schedules()))
    const { timestamp } = await deployer.client.getBlock({ blockTag: 'pending' }).catch(() => deployer.client.getBlock())
    if (timestamp >= BigInt(due)) {
      await together(plan.map(({ upgrade, data }) => encode('execute', [upgrade.proxy, data])))
      deployer.step(`upgrade ${names}`, true)
    }
  }

  const at = await schedules()
  return Promise.all(
    plan.map(async ({ upgrade, data, ours }, i): Promise<UpgradeReport> => {
      const now = await deployer.implementationOf(upgrade.proxy)
      const done = isAddressEqual(now, upgrade.to)
      deployer.contracts.get(upgrade.name)!.implementation = now
      return { ...upgrade, data, state: done ? 'done' : ours ? 'waiting' : 'not ours', due: at[i] === 0 ? null : (at[i] ?? null) }
    }),
  )
}

/** Layouts of the contracts behind proxies, as this source compiles them. */
export function compiledLayouts(artifacts: ArtifactSource, folder: string): Record<string, Layout> {
  const compiled = GOVERNED_PROXIES.map((name) => [name, artifacts.read(name).contractName] as const)
  // The package comes without the compiler's own description: its layouts are the ones that were compared when it was made.
  if (!existsSync(join(folder, 'build-info'))) return committedLayouts(dirname(folder))
  const found = layoutsOf(
    join(folder, 'build-info'),
    compiled.map(([, contract]) => contract),
  )
  return Object.fromEntries(compiled.flatMap(([name, contract]) => (found.has(contract) ? [[name, found.get(contract)!]] : [])))
}

/**
 * Compares the storage of what is deployed with what would follow it. Before the first transaction.
 * @param kept  layouts written by the run that deployed, or those of deploy/layouts where that run wrote none
 * @throws TrellisError LAYOUT_INCOMPATIBLE with every difference
 */
export function checkLayouts(kept: Readonly<Record<string, Layout>>, next: Readonly<Record<string, Layout>>): void {
  const wrong = Object.entries(kept).flatMap(([name, before]) => {
    const now = next[name]
    return now === undefined ? [[name, 'was not compiled']] : [[name, incompatibilities(before, now).join('; ')]]
  })
  const findings = wrong.filter(([, text]) => text !== '')
  if (findings.length === 0) return
  throw new TrellisError({
    code: 'LAYOUT_INCOMPATIBLE',
    message: 'New logic would read the storage of the old one wrongly. Nothing was sent.',
    details: Object.fromEntries(findings) as Record<string, string>,
    next: 'append at the end of a namespace, and leave what is there where it is',
  })
}

/** Beside the addresses file: what lies in the storage of the proxies. */
const layoutsFile = (addressesFile: string): string => addressesFile.replace(/\.json$/, '.layouts.json')

export function readLayouts(addressesFile: string, repository: string): Record<string, Layout> {
  const file = layoutsFile(addressesFile)
  if (existsSync(file)) return JSON.parse(readFileSync(file, 'utf8')) as Record<string, Layout>
  return committedLayouts(repository)
}

const committedLayouts = (repository: string): Record<string, Layout> =>
  Object.fromEntries(
    GOVERNED_PROXIES.map((name) => [name, JSON.parse(readFileSync(join(repository, 'deploy/layouts', `${name}.json`), 'utf8')) as Layout]),
  )

export function writeLayouts(addressesFile: string, layouts: Readonly<Record<string, Layout>>): void {
  const file = layoutsFile(addressesFile)
  writeFileSync(`${file}.${process.pid}`, `${JSON.stringify(layouts)}\n`)
  renameSync(`${file}.${process.pid}`, file)
}

/** Logic that ran before, oldest first, after a run found `contracts`; what was backed out is dropped from the end. */
export function formerLogic(
  before: { former?: Record<string, Address[]>; contracts: Record<string, { address: Address }> } | undefined,
  deployer: Deployer,
): Record<string, Address[]> {
  const former: Record<string, Address[]> = structuredClone(before?.former ?? {})
  for (const name of GOVERNED_PROXIES) {
    const was = before?.contracts[`${name}Implementation`]?.address
    const now = deployer.contracts.get(name)?.implementation
    if (was === undefined || now === undefined || isAddressEqual(was, now)) continue
    const list = (former[name] ??= [])
    if (list.at(-1) !== undefined && isAddressEqual(list.at(-1)!, now)) list.pop()
    else list.push(was)
  }
  return Object.fromEntries(Object.entries(former).filter(([, list]) => list.length > 0))
}
