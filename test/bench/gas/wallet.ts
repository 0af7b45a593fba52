// SPDX-License-Identifier: Apache-2.0
/**
 * Gas of device wallets, whole transactions, with the clone, proxy and logic that every wallet has; IoID without its proxy ("no proxy hop") and behind it.
 * Peer: SimpleAccount v0.8 of the EntryPoint's authors, placed from their package and measured beside ours. It has a fixed owner, and no sessions.
 */
import { type Abi, type Address, encodeFunctionData, type Hex, type TransactionReceipt } from 'viem'
import { deviceAccountAbi } from '../../../agents/protocol/generated/abi.ts'
import { ioIDRegistryDomain, permitTypes } from '../../../agents/protocol/eip712/identity.ts'
import { deployIdentity, HASH, type IdentitySuite, key, split, URI } from '../../fixtures/identity.ts'
import { build, entryPoint, handle, packaged, place, signed } from '../../fixtures/user-operation.ts'
import type { Row } from '../../../scripts/bench.ts'

const PEERS: Record<string, string | undefined> = {
  'execute, first': undefined,
  'execute a transfer of value': 'execute',
  'execute a batch of 1': undefined,
  'execute a batch of 10': 'batch',
  'execute a batch of 10, each': undefined,
  'grant a session of two permissions': undefined,
  'session call, transfer of value': undefined,
  'user operation of the owner': 'operation',
  'user operation of a session': undefined,
  'lock, first': undefined,
}

const to = key(700).address
const person = key(701)
const session = key(702)

/** Gas of ours by case, and of the peer by its operation. */
async function measure(suite: IdentitySuite): Promise<Map<string, bigint>> {
  const { chainId, ioID, registry, deviceNFT, owner, stranger } = suite
  const gas = new Map<string, bigint>()
  const note = (name: string, { gasUsed }: TransactionReceipt): void => void gas.set(name, gasUsed)
  const fund = (address: Address) => suite.provider.request({ method: 'hardhat_setBalance', params: [address, '0x56bc75e2d63100000'] })
  const calls = (count: number) => Array.from({ length: count }, () => ({ target: to, value: 1n, data: '0x' as Hex }))

  const device = key(1)
  const tokenId = await suite.mintDevice(owner)
  const domain = ioIDRegistryDomain(chainId, registry.address)
  const message = { owner, nonce: 0n }
  const { v, r, s } = split(await device.signTypedData({ domain, types: permitTypes, primaryType: 'Permit', message }))
  await suite.send(owner, registry, 'register', [deviceNFT.address, tokenId, device.address, HASH, URI, v, r, s])
  const wallet = { abi: deviceAccountAbi as unknown as Abi, address: await suite.read<Address>(ioID, 'walletOf', [1n]) }
  await fund(to)
  await fund(wallet.address)

  const one = [to, 1n, '0x', 0]
  note('execute, first', await suite.send(owner, wallet, 'execute', one))
  note('execute a transfer of value', await suite.send(owner, wallet, 'execute', one))
  note('execute a batch of 1', await suite.send(owner, wallet, 'executeBatch', [calls(1)]))
  note('execute a batch of 10', await suite.send(owner, wallet, 'executeBatch', [calls(10)]))
  gas.set('execute a batch of 10, each', gas.get('execute a batch of 10')! / 10n)

  // The account that calls for the session is one of the network's.
  const limits = {
    ...{ validAfter: 0, validUntil: 2 ** 40, calls: 100, value: 10n ** 18n },
    permissions: [to, key(703).address].map((target) => ({ target, selector: '0x00000000', tokenLimit: 0n })),
  }
  note('grant a session of two permissions', await suite.send(owner, wallet, 'grantSession', [stranger, limits]))
  await suite.send(stranger, wallet, 'executeSession', [stranger, calls(1)])
  note('session call, transfer of value', await suite.send(stranger, wallet, 'executeSession', [stranger, calls(1)]))

  await suite.send(owner, wallet, 'grantSession', [session.address, limits])
  await suite.send(owner, ioID, 'transferFrom', [owner, person.address, 1n])
  const operate = async (signer: typeof person, sender: Address, data: Hex) =>
    handle(suite, suite.admin, await signed(suite, signer, await build(suite, sender, data)))
  const ours = (name: string, args: readonly unknown[]): Hex => encodeFunctionData({ abi: wallet.abi, functionName: name, args })
  // The first of each pays for slots that are new: nonces and deposits.
  for (const name of ['first', 'user operation of the owner']) note(name, await operate(person, wallet.address, ours('execute', one)))
  await operate(person, wallet.address, ours('grantSession', [session.address, limits]))
  const bySession = ours('executeSession', [session.address, calls(1)])
  for (const name of ['first', 'user operation of a session']) note(name, await operate(session, wallet.address, bySession))

  const factory = await place(suite, 'SimpleAccountFactory', [entryPoint.address])
  const simple = { abi: packaged('SimpleAccount').abi, address: await suite.read<Address>(factory, 'getAddress', [person.address, 0n]) }
  await fund(simple.address)
  await fund(person.address)
  const factoryData = encodeFunctionData({ abi: factory.abi, functionName: 'createAccount', args: [person.address, 0n] })
  const theirs = encodeFunctionData({ abi: simple.abi, functionName: 'execute', args: [to, 1n, '0x'] })
  const creation = await build(suite, simple.address, theirs, { factory: factory.address, factoryData })
  await handle(suite, suite.admin, await signed(suite, person, creation))
  note('peer operation', await operate(person, simple.address, theirs))
  await suite.provider.request({ method: 'hardhat_impersonateAccount', params: [person.address] })
  note('peer execute', await suite.send(person.address, simple, 'execute', [to, 1n, '0x']))
  note('peer batch', await suite.send(person.address, simple, 'executeBatch', [calls(10)]))

  // A fixed time, since each zero byte of a date makes call data cheaper.
  const now = 2_000_000_000
  await suite.provider.request({ method: 'evm_setNextBlockTimestamp', params: [now] })
  note('lock, first', await suite.send(person.address, wallet, 'lock', [now + 86_400]))
  return gas
}

/** Rows of the gas bench. */
export async function rows(): Promise<Row[]> {
  const proxied = await measure(await deployIdentity())
  const suite = await deployIdentity()
  for (const [proxy, logic] of suite.logics) {
    await suite.provider.request({ method: 'hardhat_setCode', params: [proxy, await suite.client.getCode({ address: logic })] })
  }
  const direct = await measure(suite)
  const row = (name: string, ours: bigint, peer: bigint | undefined): Row => ({
    ...{ case: name, unit: 'gas', ours: Number(ours), target: null, ok: true },
    peer: peer === undefined ? null : Number(peer),
    peerName: peer === undefined ? null : 'SimpleAccount v0.8',
    ratio: peer === undefined ? null : Number(peer) / Number(ours),
  })
  return Object.entries(PEERS).flatMap(([name, peer]) => [
    row(`wallet: ${name}`, direct.get(name)!, peer === undefined ? undefined : direct.get(`peer ${peer}`)!),
    row(`wallet: ${name}, behind proxies`, proxied.get(name)!, undefined),
  ])
}
