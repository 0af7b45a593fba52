// SPDX-License-Identifier: Apache-2.0
/** Who may configure what: roles of the one AccessManager, and the selectors that are not left to the administrator. */
import { type Address, type Hex, isAddressEqual, toFunctionSelector } from 'viem'
import { TrellisError } from '../agents/protocol/errors.ts'
import type { Deployer } from './deployer.ts'
import type { Network } from './network.ts'

/** Role ids. 0 is AccessManager's own administrator role, which every restricted selector belongs to unless it is listed here. */
export const ROLES = { ADMINISTRATOR: 0n, UPGRADER: 1n, GUARDIAN: 2n } as const

/** Contracts behind UUPS proxies whose upgrade is governed. Wallets of devices are not: only their owner changes their logic. */
export const GOVERNED_PROXIES = [
  'Attributes',
  'CertificateRegistry',
  'CredentialRegistry',
  'DataKeyRegistry',
  'IoID',
  'IoIDRegistry',
  'IoIDRegistryV2',
  'IoIDStore',
  'Memberships',
  'PersonRegistry',
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

/** Lets the guardian cancel what the upgrade role has scheduled. Runs while the deploying key is still administrator. */
export async function nameGuardian(deployer: Deployer, network: Network): Promise<void> {
  const { guardian } = network
  if (guardian === undefined) return
  const manager = deployer.contracts.get('AccessManager')!.address
  const read = <T>(name: string, args: readonly unknown[]): Promise<T> => deployer.read<T>('AccessManager', manager, name, args)
  await deployer.ensure(
    'upgrades have a guardian',
    () => read<bigint>('getRoleGuardian', [ROLES.UPGRADER]),
    ROLES.GUARDIAN,
    () => deployer.write('AccessManager', manager, 'setRoleGuardian', [ROLES.UPGRADER, ROLES.GUARDIAN]),
  )
  await deployer.ensure(
    `guardian is ${guardian}`,
    async () => (await read<readonly [boolean, number]>('hasRole', [ROLES.GUARDIAN, guardian]))[0],
    true,
    () => deployer.write('AccessManager', manager, 'grantRole', [ROLES.GUARDIAN, guardian, 0]),
  )
}

/**
 * Hands administration over, as the last step: the deploying key keeps nothing on a public network. The administrator's own calls wait too, for it can
 * grant itself the upgrade role: without that wait the delay of upgrades would be a promise that one key can break in one moment. AccessManager's delays
 * per target and per grant would bind it no further, and take effect five days after they are set.
 * @throws TrellisError ROLES_DIFFER when the chain has other roles and the deploying key is no administrator any more
 */
export async function handOver(deployer: Deployer, network: Network): Promise<void> {
  const administrator = holder(deployer, network.administrator)
  const manager = deployer.contracts.get('AccessManager')!.address
  const own = isAddressEqual(administrator, deployer.account)
  const delay = network.administratorDelaySeconds
  const access = (account: Address): Promise<readonly [boolean, number]> =>
    deployer.read('AccessManager', manager, 'hasRole', [ROLES.ADMINISTRATOR, account])
  await deployer.ensure(
    `administrator is ${administrator}, with ${delay} s of delay`,
    () => access(administrator),
    [true, delay],
    async () => {
      const [mayWrite, wait] = await access(deployer.account)
      if (mayWrite && wait === 0) return deployer.write('AccessManager', manager, 'grantRole', [ROLES.ADMINISTRATOR, administrator, delay])
      throw new TrellisError({
        code: 'ROLES_DIFFER',
        message: 'The administrator on the chain has another delay than the network file says.',
        details: { manager, administrator, want: delay, have: (await access(administrator))[1] },
        next: `the administrator calls AccessManager.grantRole(0, ${administrator}, ${delay}), or the network file is mended`,
      })
    },
  )
  if (own) return
  await deployer.ensure(
    'the deploying key is no administrator',
    async () => (await access(deployer.account))[0],
    false,
    () => deployer.write('AccessManager', manager, 'renounceRole', [ROLES.ADMINISTRATOR, deployer.account]),
  )
}

/**
 * Reads the roles again, as the last thing before the addresses are written: that nobody upgrades, or changes who may, without the waits of the network file.
 * @throws TrellisError ROLES_DIFFER with every difference
 */
export async function verifyRoles(deployer: Deployer, network: Network): Promise<void> {
  const manager = deployer.contracts.get('AccessManager')!.address
  const read = <T>(name: string, args: readonly unknown[]): Promise<T> => deployer.read<T>('AccessManager', manager, name, args)
  const wrong: Record<string, string> = {}
  const expectRole = async (what: string, role: bigint, account: Address, delay: number): Promise<void> => {
    const [member, have] = await read<readonly [boolean, number]>('hasRole', [role, account])
    if (!member || have !== delay) wrong[what] = member ? `${account} waits ${have} s, not ${delay}` : `${account} does not have the role`
  }
  await expectRole('administrator', ROLES.ADMINISTRATOR, holder(deployer, network.administrator), network.administratorDelaySeconds)
  await expectRole('upgrader', ROLES.UPGRADER, holder(deployer, network.upgrader), network.upgradeDelaySeconds)
  if (network.guardian !== undefined) await expectRole('guardian', ROLES.GUARDIAN, network.guardian as Address, 0)
  if ((await read<bigint>('getRoleAdmin', [ROLES.UPGRADER])) !== ROLES.ADMINISTRATOR) wrong['upgrade role'] = 'another role grants it'
  for (const name of GOVERNED_PROXIES) {
    const role = await read<bigint>('getTargetFunctionRole', [deployer.contracts.get(name)!.address, upgradeSelector])
    if (role !== ROLES.UPGRADER) wrong[name] = `upgrades belong to role ${role}`
  }
  if (Object.keys(wrong).length === 0) return
  throw new TrellisError({
    code: 'ROLES_DIFFER',
    message: 'The roles on the chain are not those of the network file.',
    details: wrong,
    next: 'find out who changed them (RoleGranted events of the AccessManager) before anything is upgraded',
  })
}
