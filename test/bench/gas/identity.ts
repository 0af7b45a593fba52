// SPDX-License-Identifier: Apache-2.0
/**
 * Gas of the identity contracts. Each row is a whole transaction (base cost, calldata, refunds), direct on the logic's code ("no proxy hop", as the
 * peers' figures are) and through the ERC-1967 proxies that are deployed. Peers: ioID v1, figures of the reference table budgets.md.
 */
import type { Address, Hex, TransactionReceipt } from 'viem'
import { concat, encodeFunctionData, hashStruct, hexToBytes, keccak256 } from 'viem'
import { eighth, publicKeyOf, signPossession } from '../../../agents/crypto/index.ts'
import {
  bindDataKeyTypes,
  dataKeyRegistryDomain,
  forwarderDomain,
  forwardRequestTypes,
  ioIDRegistryDomain,
  joinTypes,
  membershipsDomain,
  permitTypes,
  registerBatchTypes,
  registerTypes,
} from '../../../agents/protocol/eip712/identity.ts'
import { deployIdentity, HASH, type IdentitySuite, key, PRICE, split, URI } from '../../fixtures/identity.ts'
import type { Row } from '../../../scripts/bench.ts'

/** Gas of ioID v1 and the figure to reach, by case. */
const BUDGETS: Record<string, { peer: number | null; target: number | null }> = {
  'register a project, next': { peer: 114_614, target: 110_000 },
  'register a device with wallet, first': { peer: 630_028, target: null },
  'register a device with wallet, next': { peer: 574_663, target: 480_000 },
  'register a device, typed, next': { peer: 574_663, target: 480_000 },
  'register a device, relayed by the forwarder': { peer: 574_663, target: 480_000 },
  'register in a batch of 1': { peer: null, target: null },
  'register in a batch of 10, each': { peer: 574_663, target: 380_000 },
  'register in a batch of 40, each': { peer: 574_663, target: 380_000 },
  'register 100 in batches of 40, 40 and 20, each': { peer: 574_663, target: 380_000 },
  'join a project, first of a device': { peer: null, target: null },
  'join a project, second of a device': { peer: null, target: null },
  'quit a project': { peer: null, target: null },
  'remove a device with a membership': { peer: null, target: null },
  'recovery: set a policy': { peer: null, target: null },
  'recovery: start for ten': { peer: null, target: null },
  'recovery: finish for ten, each': { peer: null, target: null },
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

  await measureBatches(suite, note)
  await measureMemberships(suite, note, permit)
  await measureRecovery(suite, note)

  const walletRegistry = await suite.read<Address>(ioID, 'walletRegistry')
  const abi = (await (await import('hardhat')).default.artifacts.readArtifact('IERC6551Registry')).abi
  const createAccount = [suite.accountProxy.address, `0x${'00'.repeat(32)}`, BigInt(chainId), ioID.address, 1000n]
  note('create a wallet', await suite.send(owner, { abi, address: walletRegistry }, 'createAccount', createAccount))
  return gas
}

type Note = (name: string, receipt: TransactionReceipt) => void
const deadline = 2n ** 40n

/** Typed registrations: alone, through the forwarder, and in batches; all for an owner with a key. */
async function measureBatches(suite: IdentitySuite, note: Note): Promise<void> {
  const { owner, stranger, admin, registry, deviceNFT, forwarder, chainId } = suite
  const domain = ioIDRegistryDomain(chainId, registry.address)
  const user = key(0)
  await suite.provider.request({ method: 'hardhat_setBalance', params: [user.address, '0x8ac7230489e80000'] })
  await suite.provider.request({ method: 'hardhat_impersonateAccount', params: [user.address] })
  let next = 100
  const offer = async (account: Address) => {
    const device = key(next++)
    const tokenId = await suite.mintDevice(account)
    const registration = { deviceContract: deviceNFT.address, tokenId, user: account, device: device.address, hash: HASH, uri: URI }
    const typed = { domain, types: registerTypes, primaryType: 'Register', message: { ...registration, nonce: 0n, deadline } } as const
    return { registration, typed, signature: await device.signTypedData(typed) }
  }
  const typed = 'register((address,uint256,address,address,bytes32,string),uint256,bytes,bytes)'

  const one = await offer(owner)
  note('register a device, typed, next', await suite.send(owner, registry, typed, [one.registration, deadline, one.signature, '0x']))

  const relayed = await offer(user.address)
  const abi = registry.abi.filter((item) => item.type === 'function' && item.name === 'register' && item.inputs.length === 4)
  const data = encodeFunctionData({ abi, functionName: 'register', args: [relayed.registration, deadline, relayed.signature, '0x'] })
  const request = { from: user.address, to: registry.address, value: 0n, gas: 1_000_000n, deadline: 2 ** 40, data }
  const signature = await user.signTypedData({
    domain: forwarderDomain(chainId, forwarder.address),
    types: forwardRequestTypes,
    primaryType: 'ForwardRequest',
    message: { ...request, nonce: 0n },
  })
  note('register a device, relayed by the forwarder', await suite.send(stranger, forwarder, 'execute', [{ ...request, signature }]))

  const batch = async (size: number): Promise<TransactionReceipt> => {
    const offers = []
    for (let i = 0; i < size; i++) offers.push(await offer(user.address))
    const hashes = offers.map(({ typed: { types, primaryType, message } }) => hashStruct({ types, primaryType, data: message }))
    const message = { registrations: keccak256(concat(hashes)), deadline }
    const consent = await user.signTypedData({ domain, types: registerBatchTypes, primaryType: 'RegisterBatch', message })
    const args = [offers.map(({ registration }) => registration), deadline, offers.map(({ signature: one }) => one), consent]
    return suite.send(admin, registry, 'registerBatch', args)
  }
  const each = (size: number, ...receipts: TransactionReceipt[]): TransactionReceipt => ({
    ...receipts[0]!,
    gasUsed: (receipts.reduce((sum, { gasUsed }) => sum + gasUsed, 0n) + BigInt(size) - 1n) / BigInt(size),
  })
  note('register in a batch of 1', await batch(1))
  note('register in a batch of 10, each', each(10, await batch(10)))
  note('register in a batch of 40, each', each(40, await batch(40)))
  note('register 100 in batches of 40, 40 and 20, each', each(100, await batch(40), await batch(40), await batch(20)))
}

/** The owner's device 1 in two further projects. */
async function measureMemberships(
  suite: IdentitySuite,
  note: Note,
  permit: (n: number, account: Address) => Promise<readonly [number, Hex, Hex]>,
): Promise<void> {
  const { owner, projectOwner, registry, ioID, memberships, project, projectRegistry, store, chainId } = suite
  const device = key(1)
  const tokenId = await suite.read<bigint>(ioID, 'tokenIdOf', [device.address])
  const open = async (name: string): Promise<bigint> => {
    await suite.send(projectOwner, projectRegistry, 'register', [name, 0])
    const projectId = await suite.read<bigint>(project, 'count')
    await suite.send(projectOwner, store, 'applyIoIDs', [projectId, 10n], 10n * PRICE)
    await suite.send(projectOwner, memberships, 'setOpen', [projectId, true])
    return projectId
  }
  const join = async (projectId: bigint): Promise<TransactionReceipt> => {
    const nonce = await suite.read<bigint>(memberships, 'nonces', [device.address])
    const signature = await device.signTypedData({
      domain: membershipsDomain(chainId, memberships.address),
      types: joinTypes,
      primaryType: 'Join',
      message: { projectId, device: device.address, tokenId, nonce, deadline },
    })
    return suite.send(owner, memberships, 'join', [projectId, device.address, deadline, signature, '0x'])
  }
  const [first, second] = [await open('noise'), await open('light')]
  note('join a project, first of a device', await join(first))
  note('join a project, second of a device', await join(second))
  note('quit a project', await suite.send(owner, memberships, 'quit', [second, device.address]))
  const args = [device.address, ...(await permit(1, owner))]
  note('remove a device with a membership', await suite.send(owner, registry, 'remove(address,uint8,bytes32,bytes32)', args))
}

/** Ten ioIDs of the key that measureBatches registered for. */
async function measureRecovery(suite: IdentitySuite, note: Note): Promise<void> {
  const { stranger, projectOwner, ioID, recovery } = suite
  const from = key(0).address
  const ids: bigint[] = []
  for (let i = 0n; i < 10n; i++) ids.push(await suite.read<bigint>(ioID, 'tokenOfOwnerByIndex', [from, i]))
  await suite.send(from, ioID, 'setApprovalForAll', [recovery.address, true])
  note('recovery: set a policy', await suite.send(from, recovery, 'setPolicy', [stranger, 3 * 86_400]))
  note('recovery: start for ten', await suite.send(stranger, recovery, 'start', [ids, from, projectOwner]))
  await suite.provider.request({ method: 'evm_increaseTime', params: [3 * 86_400] })
  const finish = await suite.send(projectOwner, recovery, 'finish', [from])
  note('recovery: finish for ten, each', { ...finish, gasUsed: (finish.gasUsed + 9n) / 10n })
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
