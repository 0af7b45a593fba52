// SPDX-License-Identifier: Apache-2.0
/** Who may configure what: roles of the one AccessManager, and the selectors that are not left to the administrator. */
import { type Address, type Hex, toFunctionSelector } from 'viem'
import type { Deployer } from './deployer.ts'
import type { Network } from './network.ts'

/** Role ids. 0 is AccessManager's own administrator role, which every restricted selector belongs to unless it is listed here. */
export const ROLES = { ADMINISTRATOR: 0n, UPGRADER: 1n } as const

/** Contracts behind UUPS proxies whose upgrade is governed. Wallets of devices are not: only their owner changes their logic. */
export const GOVERNED_PROXIES = [
  'DataKeyRegistry',
  'IoID',
  'IoIDRegistry',
  'IoIDStore',
  'Project',
  'ProjectRegistry',
  'ProjectStore',
  'ProverStore',
  'Router',
  'TaskManager',
] as const

const upgradeSelector: Hex = toFunctionSelector('upgradeToAndCall(address,bytes)')

/** The account that a network file means. */
export const holder = (deployer: Deployer, value: string): Address => (value === 'deployer' ? deployer.account : (value as Address))

/** Gives upgrades to the upgrade role with its delay. Runs while the deploying key is still administrator. */
export async function grantUpgradeRole(deployer: Deployer, network: Network): Promise<void> {
  const manager = deployer.contracts.get('AccessManager')!.address
  const read = <T>(name: string, args: readonly unknown[]): Promise<T> => deployer.read<T>('AccessManager', manager, name, args)
  for (const name of GOVERNED_PROXIES) {
    const target = deployer.contracts.get(name)!.address
    await deployer.ensure(
      `${name}: upgrades belong to the upgrade role`,
      () => read<bigint>('getTargetFunctionRole', [target, upgradeSelector]),
      ROLES.UPGRADER,
      () => deployer.write('AccessManager', manager, 'setTargetFunctionRole', [target, [upgradeSelector], ROLES.UPGRADER]),
    )
  }
  const upgrader = holder(deployer, network.upgrader)
  await deployer.ensure(
    `upgrade role: ${network.upgradeDelaySeconds} s of delay`,
    async () => {
      const [member, delay] = await read<readonly [boolean, number]>('hasRole', [ROLES.UPGRADER, upgrader])
      return member ? delay : -1
    },
    network.upgradeDelaySeconds,
    () => deployer.write('AccessManager', manager, 'grantRole', [ROLES.UPGRADER, upgrader, network.upgradeDelaySeconds]),
  )
}

/** Hands administration over, as the last step: the deploying key keeps nothing on a public network. */
export async function handOver(deployer: Deployer, network: Network): Promise<void> {
  const administrator = holder(deployer, network.administrator)
  if (administrator.toLowerCase() === deployer.account.toLowerCase()) return
  const manager = deployer.contracts.get('AccessManager')!.address
  const isAdministrator = async (account: Address): Promise<boolean> => {
    const [member] = await deployer.read<readonly [boolean, number]>('AccessManager', manager, 'hasRole', [ROLES.ADMINISTRATOR, account])
    return member
  }
  await deployer.ensure(
    `administrator is ${administrator}`,
    () => isAdministrator(administrator),
    true,
    () => deployer.write('AccessManager', manager, 'grantRole', [ROLES.ADMINISTRATOR, administrator, 0]),
  )
  await deployer.ensure(
    'the deploying key is no administrator',
    () => isAdministrator(deployer.account),
    false,
    () => deployer.write('AccessManager', manager, 'renounceRole', [ROLES.ADMINISTRATOR, deployer.account]),
  )
}
