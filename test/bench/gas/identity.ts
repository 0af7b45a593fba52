// SPDX-License-Identifier: Apache-2.0
/**
 * Gas of the identity contracts. Each row is a whole transaction (base cost, calldata, refunds), direct on the logic's code ("no proxy hop", as the
 * peers' figures are) and through the ERC-1967 proxies that are deployed. Peers: ioID v1, figures of the reference table budgets.md.
 */
import type { Address, Hex, TransactionReceipt } from 'viem'
import { hexToBytes } from 'viem'
import { eighth, publicKeyOf, signPossession } from '../../../agents/crypto/index.ts'
import { bindDataKeyTypes, dataKeyRegistryDomain, ioIDRegistryDomain, permitTypes } from '../../../agents/protocol/eip712/identity.ts'
import { deployIdentity, HASH, type IdentitySuite, key, split, URI } from '../../fixtures/identity.ts'
import type { Row } from '../../../scripts/bench.ts'

/** Gas of ioID v1 and the figure to reach, by case. */
const BUDGETS: Record<string, { peer: number | null; target: number | null }> = {
  'register a project, next': { peer: 114_614, target: 110_000 },
  'register a device with wallet, first': { peer: 630_028, target: null },
  'register a device with wallet, next': { peer: 574_663, target: 480_000 },
  'update a device': { peer: 45_964, target: 46_000 },
  'migrate a device': { peer: 120_150, target: 110_000 },
  'remove a device': { peer: 66_492, target: 66_000 },
  'remove a device, owner and project with ten': { peer: 66_492, target: null },
  'bind a data key, first of a device': { peer: null, target: null },
  'bind a data key, rotation': { peer: null, target: null },
  'create a wallet': { peer: null, target: null },
}

type Measured = Map<string, bigint>

async function measure(suite: IdentitySuite): Promise<Measured> {
  const { owner, stranger, projectOwner, registry, deviceNFT, ioID, dataKeys, projectRegistry, projectId, chainId } = suite
  const gas: Measured = new Map()
  const note = (name: string, receipt: TransactionReceipt): void => void gas.set(name, receipt.gasUsed)

  note('register a project, next', await suite.send(projectOwner, projectRegistry, 'register', ['weather', 0]))

  const permit = async (n: number, account: Address): Promise<readonly [number, Hex, Hex]> => {
    const device = key(n)
    const nonce = await suite.read<bigint>(registry, 'nonces', [device.address])
    const signature = await device.signTypedData({
      domain: ioIDRegistryDomain(chainId, registry.address),
      types: permitTypes,
      primaryType: 'Permit',
      message: { owner: account, nonce },
    })
    const { v, r, s } = split(signature)
    return [v, r, s]
  }
  const register = async (n: number): Promise<TransactionReceipt> => {
    const tokenId = await suite.mintDevice(owner)
    const args = [deviceNFT.address, tokenId, key(n).address, HASH, URI, ...(await permit(n, owner))]
    return suite.send(owner, registry, 'register', args)
  }
  note('register a device with wallet, first', await register(1))
  await register(2)
  note('register a device with wallet, next', await register(3))

  const newHash: Hex = `0x${'22'.repeat(32)}`
  const update = [key(2).address, newHash, 'http://resolver.new', ...(await permit(2, owner))]
  note('update a device', await suite.send(owner, registry, 'update(address,bytes32,string,uint8,bytes32,bytes32)', update))

  for (const [name, secret, fromWindow] of [
    ['bind a data key, first of a device', 'aa', 0],
    ['bind a data key, rotation', 'bb', 1000],
  ] as const) {
    const device = key(1)
    const tokenId = await suite.read<bigint>(ioID, 'tokenIdOf', [device.address])
    const deadline = 2n ** 40n
    const bytes = hexToBytes(`0x${secret.repeat(32)}`)
    const point = publicKeyOf(bytes)
    const message = { projectId, device: device.address, tokenId, keyX: point.x, keyY: point.y, fromWindow, deadline }
    const domain = dataKeyRegistryDomain(chainId, dataKeys.address)
    const deviceSignature = await device.signTypedData({ domain, types: bindDataKeyTypes, primaryType: 'BindDataKey', message })
    const binding = {
      chainId: BigInt(chainId),
      registry: dataKeys.address,
      project: projectId,
      device: device.address,
      tokenId,
      fromWindow,
      deadline,
    }
    const keySignature = signPossession(bytes, binding)
    const args = [projectId, device.address, point, eighth(point), fromWindow, deadline, deviceSignature, keySignature]
    note(name, await suite.send(owner, dataKeys, 'bind', args))
  }

  // To an account that owns none yet: the dearer case.
  const migrate = [key(3).address, stranger, ...(await permit(3, owner))]
  note('migrate a device', await suite.send(owner, registry, 'migrate(address,address,uint8,bytes32,bytes32)', migrate))
  await register(4)
  note(
    'remove a device',
    await suite.send(owner, registry, 'remove(address,uint8,bytes32,bytes32)', [key(2).address, ...(await permit(2, owner))]),
  )
  for (let n = 5; n <= 12; n++) await register(n)
  note(
    'remove a device, owner and project with ten',
    await suite.send(owner, registry, 'remove(address,uint8,bytes32,bytes32)', [key(9).address, ...(await permit(9, owner))]),
  )

  const walletRegistry = await suite.read<Address>(ioID, 'walletRegistry')
  const abi = (await (await import('hardhat')).default.artifacts.readArtifact('IERC6551Registry')).abi
  const createAccount = [suite.accountProxy.address, `0x${'00'.repeat(32)}`, BigInt(chainId), ioID.address, 1000n]
  note('create a wallet', await suite.send(owner, { abi, address: walletRegistry }, 'createAccount', createAccount))
  return gas
}

/** Rows of the gas bench. */
export async function rows(): Promise<Row[]> {
  const proxied = await measure(await deployIdentity())
  const suite = await deployIdentity()
  // The logic's own code at each proxy's address: the same storage without the hop.
  for (const [proxy, logic] of suite.logics) {
    await suite.provider.request({ method: 'hardhat_setCode', params: [proxy, await suite.client.getCode({ address: logic })] })
  }
  const direct = await measure(suite)
  const row = (name: string, ours: bigint, peer: number | null, target: number | null): Row => ({
    case: name,
    unit: 'gas',
    ours: Number(ours),
    peer,
    peerName: peer === null ? null : 'ioID v1',
    ratio: peer === null ? null : peer / Number(ours),
    target,
    ok: target === null || ours <= BigInt(target),
  })
  return Object.entries(BUDGETS).flatMap(([name, { peer, target }]) => [
    row(name, direct.get(name)!, peer, target),
    row(`${name}, behind proxies`, proxied.get(name)!, null, null),
  ])
}
