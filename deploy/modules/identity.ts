// SPDX-License-Identifier: Apache-2.0
/** ioID: projects, device registry, store, the ioIDs themselves, data keys, and how they know each other. */
import { type Address, zeroAddress } from 'viem'
import { ERC6551_REGISTRY } from '../canonical/erc6551.ts'
import type { Deployer } from '../deployer.ts'
import type { Network } from '../network.ts'
import { holder } from '../roles.ts'

export async function deployIdentity(deployer: Deployer, network: Network): Promise<void> {
  const at = (name: string): Address => deployer.contracts.get(name)!.address
  const manager = at('AccessManager')
  const init = (...args: readonly unknown[]): { functionName: string; args: readonly unknown[] } => ({ functionName: 'initialize', args })

  await deployer.proxy('Project', 'Project', init('Trellis Projects', 'PROJECT'), [manager])
  await deployer.proxy('ProjectRegistry', 'ProjectRegistry', init(at('Project')), [manager, at('Project')])
  const burner = await deployer.create('Burner', 'Burner')
  await deployer.proxy('IoIDStore', 'IoIDStore', init(at('Project'), BigInt(network.ioIDPrice)), [manager, burner.address])
  const wallets = [ERC6551_REGISTRY, at('DeviceAccountProxy')]
  // The registry, which mints ioIDs, needs their address in its code: it becomes the minter below.
  await deployer.proxy('IoID', 'IoID', init(zeroAddress, ...wallets, 'Trellis ioID', 'IOID'), [manager, ...wallets])
  await deployer.create('ERC2771Forwarder', 'ERC2771Forwarder', ['TrellisForwarder'])
  const registryArgs = [manager, at('IoID'), true, at('ERC2771Forwarder')]
  await deployer.proxy('IoIDRegistry', 'IoIDRegistry', init(at('IoIDStore'), at('IoID')), registryArgs)
  await deployer.proxy('Memberships', 'Memberships', init(), [manager, at('IoIDRegistry'), at('Project')])
  await deployer.create('IoIDRecovery', 'IoIDRecovery', [at('IoID')])
  await deployer.proxy('DataKeyRegistry', 'DataKeyRegistry', init(), [manager, at('IoIDRegistry'), at('Memberships')])
  // Logic of the collections that projects make for their devices.
  await deployer.create('DeviceNFTImplementation', 'DeviceNFT')

  const settings = [
    ['Project', 'minter', 'setMinter', at('ProjectRegistry')],
    ['IoID', 'minter', 'setMinter', at('IoIDRegistry')],
    ['IoIDStore', 'ioIDRegistry', 'setIoIDRegistry', at('IoIDRegistry')],
    ['IoIDStore', 'memberships', 'setMemberships', at('Memberships')],
    ['IoIDRegistry', 'memberships', 'setMemberships', at('Memberships')],
    ['IoIDStore', 'feeReceiver', 'changeFeeReceiver', holder(deployer, network.feeReceiver)],
    ['IoIDStore', 'burnShare', 'setBurnShare', BigInt(network.burnShareBps)],
  ] as const
  for (const [contract, getter, setter, want] of settings) {
    await deployer.ensure(
      `${contract}.${getter} is ${want}`,
      () => deployer.read<Address | bigint>(contract, at(contract), getter),
      want,
      () => deployer.write(contract, at(contract), setter, [want]),
    )
  }
  await setPrice(deployer, network)
}

type Point = { devices: bigint; price: bigint }

/** The price of an ioID: the same for any number of devices, or by the steps of the network file. */
async function setPrice(deployer: Deployer, network: Network): Promise<void> {
  const { address } = deployer.contracts.get('IoIDStore')!
  const flat = BigInt(network.ioIDPrice)
  const steps = (network.ioIDPriceCurve ?? []).map(({ devices, price }): Point => ({ devices: BigInt(devices), price: BigInt(price) }))
  await deployer.ensure(
    steps.length === 0 ? `IoIDStore.price is ${flat}` : `IoIDStore.priceCurve has ${steps.length} steps`,
    async () => {
      const curve = await deployer.read<Point[]>('IoIDStore', address, 'priceCurve')
      return curve.length === 0
        ? await deployer.read<bigint>('IoIDStore', address, 'price')
        : curve.map(({ devices, price }) => ({ devices, price }))
    },
    steps.length === 0 ? flat : steps,
    () =>
      steps.length === 0
        ? deployer.write('IoIDStore', address, 'changePrice', [flat])
        : deployer.write('IoIDStore', address, 'setPriceCurve', [steps]),
  )
}
