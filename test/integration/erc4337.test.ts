// SPDX-License-Identifier: Apache-2.0
/** ERC-4337 with the canonical EntryPoint v0.8: a smart account registers a device, device wallets pay for themselves, sessions stay in their limits. */
import { expect } from 'chai'
import { type Abi, type Address, encodeFunctionData, type Hex, parseEther, zeroAddress } from 'viem'
import type { PrivateKeyAccount } from 'viem/accounts'
import { accountMessageTypes, deviceAccountDomain, ioIDRegistryDomain, permitTypes } from '../../agents/protocol/eip712/identity.ts'
import { deviceAccountAbi } from '../../agents/protocol/generated/abi.ts'
import { CREATE2_FACTORY } from '../../deploy/canonical/erc6551.ts'
import { ENTRY_POINT, entryPointCreation } from '../../deploy/canonical/erc4337.ts'
import { deployIdentity, HASH, type IdentitySuite, key, split, URI } from '../fixtures/identity.ts'
import { build, entryPoint, handle, hashOf, MOST, outcomes, packaged, place, refusal, signed } from '../fixtures/user-operation.ts'

const person = key(500)
const session = key(501)
const encode = (abi: Abi, functionName: string, args: readonly unknown[]): Hex => encodeFunctionData({ abi, functionName, args })
const accountAbi = deviceAccountAbi as unknown as Abi

describe('ERC-4337', function () {
  this.timeout(120_000)
  let suite: IdentitySuite
  let wallet: Address
  let bundler: Address
  const account = (address: Address): { abi: Abi; address: Address } => ({ abi: accountAbi, address })
  const call = (name: string, args: readonly unknown[]): Hex => encode(accountAbi, name, args)

  const permit = async (device: PrivateKeyAccount, owner: Address): Promise<readonly [number, Hex, Hex]> => {
    const nonce = await suite.read<bigint>(suite.registry, 'nonces', [device.address])
    const domain = ioIDRegistryDomain(suite.chainId, suite.registry.address)
    const { v, r, s } = split(await device.signTypedData({ domain, types: permitTypes, primaryType: 'Permit', message: { owner, nonce } }))
    return [v, r, s]
  }
  /** The wallet of a device of `owner`, an account that needs no key here. */
  const register = async (n: number, owner: Address): Promise<{ id: bigint; wallet: Address }> => {
    const device = key(n)
    const tokenId = await suite.mintDevice(suite.owner)
    const args = [suite.deviceNFT.address, tokenId, device.address, HASH, URI, ...(await permit(device, suite.owner))]
    await suite.send(suite.owner, suite.registry, 'register', args)
    const id = await suite.read<bigint>(suite.ioID, 'tokenIdOf', [device.address])
    await suite.send(suite.owner, suite.ioID, 'transferFrom', [suite.owner, owner, id])
    return { id, wallet: await suite.read<Address>(suite.ioID, 'walletOf', [id]) }
  }

  before(async () => {
    suite = await deployIdentity()
    bundler = suite.stranger
    wallet = (await register(1, person.address)).wallet
  })

  beforeEach(async () => {
    await suite.provider.request({ method: 'hardhat_setBalance', params: [wallet, '0xde0b6b3a7640000'] })
  })

  it('has the EntryPoint at its canonical address, from the published creation code', async () => {
    expect(await suite.client.getCode({ address: ENTRY_POINT })).to.have.length.above(40_000)
    const { data } = await suite.client.call({ to: CREATE2_FACTORY, data: entryPointCreation() }).catch(() => ({ data: undefined }))
    expect(data).to.equal(undefined)
    expect(await suite.read(account(wallet), 'entryPoint')).to.equal(ENTRY_POINT)
  })

  it('a smart account that is not there yet registers a device in its first operation', async () => {
    const factory = await place(suite, 'SimpleAccountFactory', [ENTRY_POINT])
    const smart = await suite.read<Address>(factory, 'getAddress', [person.address, 7n])
    expect(await suite.client.getCode({ address: smart })).to.equal(undefined)
    await suite.send(suite.admin, entryPoint, 'depositTo', [smart], parseEther('1'))
    const tokenId = await suite.mintDevice(suite.owner)
    await suite.send(suite.owner, suite.deviceNFT, 'transferFrom', [suite.owner, smart, tokenId])
    const device = key(2)
    const registration = [suite.deviceNFT.address, tokenId, device.address, HASH, URI, ...(await permit(device, smart))]
    const calls = [
      [suite.deviceNFT, 'approve', [suite.registry.address, tokenId]],
      [suite.registry, 'register', registration],
    ] as const
    const batch = calls.map(([{ abi, address }, name, args]) => ({ target: address, value: 0n, data: encode(abi, name, args) }))
    const callData = encode(packaged('SimpleAccount').abi, 'executeBatch', [batch])
    const factoryData = encode(factory.abi, 'createAccount', [person.address, 7n])
    const operation = await signed(suite, person, await build(suite, smart, callData, { factory: factory.address, factoryData }))
    const receipt = await handle(suite, bundler, operation)
    expect(outcomes(receipt).map(({ success }) => success)).to.deep.equal([true])
    const id = await suite.read<bigint>(suite.ioID, 'tokenIdOf', [device.address])
    expect(await suite.read(suite.ioID, 'ownerOf', [id])).to.equal(smart)
    const made = await suite.read<Address>(suite.ioID, 'walletOf', [id])
    expect(await suite.read(suite.deviceNFT, 'ownerOf', [tokenId])).to.equal(made)
    expect(await suite.read(account(made), 'owner')).to.equal(smart)
  })

  it('a wallet sends what its owner signed, and pays for it', async () => {
    const to = key(600).address
    const calls = [1n, 2n].map((value) => ({ target: to, value, data: '0x' }))
    const operation = await signed(suite, person, await build(suite, wallet, call('executeBatch', [calls])))
    const before = await suite.client.getBalance({ address: wallet })
    const [{ success, cost } = { success: false, cost: 0n }] = outcomes(await handle(suite, bundler, operation))
    expect(success).to.equal(true)
    expect(await suite.client.getBalance({ address: to })).to.equal(3n)
    const deposit = await suite.read<bigint>(entryPoint, 'balanceOf', [wallet])
    expect((await suite.client.getBalance({ address: wallet })) + deposit).to.equal(before - 3n - cost)
    // What lies at the EntryPoint is the wallet's, and comes back by the owner's word.
    await suite.send(suite.admin, entryPoint, 'depositTo', [wallet], MOST)
    const withdrawal = encode(entryPoint.abi, 'withdrawTo', [to, deposit])
    const back = await build(suite, wallet, call('execute', [ENTRY_POINT, 0n, withdrawal, 0]))
    expect(outcomes(await handle(suite, bundler, await signed(suite, person, back)))[0]?.success).to.equal(true)
    expect(await suite.client.getBalance({ address: to })).to.equal(3n + deposit)
    // Once.
    expect(await refusal(suite, bundler, operation)).to.include('AA25')
  })

  it('takes no operation that the owner did not sign for this wallet', async () => {
    await suite.send(suite.admin, entryPoint, 'depositTo', [wallet], 2n * MOST)
    const drain = call('execute', [bundler, parseEther('0.5'), '0x', 0])
    const operation = await build(suite, wallet, drain)
    for (const stranger of [key(1), session, key(999)])
      expect(await refusal(suite, bundler, await signed(suite, stranger, operation))).to.include('AA24')
    // Of two wallets of one owner, and of two operations.
    const other = (await register(3, person.address)).wallet
    const forOther = await signed(suite, person, await build(suite, other, drain))
    expect(await refusal(suite, bundler, { ...forOther, sender: wallet, nonce: operation.nonce })).to.include('AA24')
    const right = await signed(suite, person, operation)
    expect(await refusal(suite, bundler, { ...right, preVerificationGas: right.preVerificationGas + 1n })).to.include('AA24')
    expect(await refusal(suite, bundler, right)).to.equal('taken')
  })

  it('what a wallet owns is commanded through the nested signature of its owner, and not after the sale in the same bundle', async () => {
    // `inner` belongs to `wallet`, and `wallet` to the person.
    const { id, wallet: inner } = await register(4, wallet)
    await suite.provider.request({ method: 'hardhat_setBalance', params: [inner, '0xde0b6b3a7640000'] })
    const nested = async (callData: Hex) => {
      const operation = await build(suite, inner, callData)
      const hash = hashOf(suite, operation)
      const domain = deviceAccountDomain(suite.chainId, wallet)
      const data = { domain, types: accountMessageTypes, primaryType: 'AccountMessage', message: { hash } } as const
      return { ...operation, signature: await person.signTypedData(data) }
    }
    const [first] = outcomes(await handle(suite, bundler, await nested(call('execute', [bundler, 1n, '0x', 0]))))
    expect(first?.success).to.equal(true)

    // The seller has his drain validated, and the sale before it executed.
    const buyer = key(601).address
    const sale = encode(suite.ioID.abi, 'transferFrom', [wallet, buyer, id])
    const sell = await signed(suite, person, await build(suite, wallet, call('execute', [suite.ioID.address, 0n, sale, 0])))
    const thief = key(602).address
    const drain = await nested(call('execute', [thief, parseEther('0.5'), '0x', 0]))
    const results = outcomes(await handle(suite, bundler, sell, drain))
    expect(results.map(({ success }) => success)).to.deep.equal([true, false])
    expect(await suite.read(account(inner), 'owner')).to.equal(buyer)
    expect(await suite.client.getBalance({ address: thief })).to.equal(0n)
  })

  it('a session key acts by operations within its limits, gas included', async () => {
    const { timestamp } = await suite.client.getBlock()
    const target = key(603).address
    const limits = {
      ...{ validAfter: Number(timestamp) - 1, validUntil: Number(timestamp) + 3600, calls: 3, value: 2n * MOST + 10n },
      permissions: [{ target, selector: '0x00000000', tokenLimit: 0n }],
    }
    await suite.send(suite.admin, entryPoint, 'depositTo', [wallet], 4n * MOST)
    const grant = await build(suite, wallet, call('grantSession', [session.address, limits]))
    expect(outcomes(await handle(suite, bundler, await signed(suite, person, grant)))[0]?.success).to.equal(true)
    const send = (value: bigint, to = target): Hex => call('executeSession', [session.address, [{ target: to, value, data: '0x' }]])
    const operate = async (callData: Hex, by = session) => signed(suite, by, await build(suite, wallet, callData))

    expect(outcomes(await handle(suite, bundler, await operate(send(10n))))[0]?.success).to.equal(true)
    expect(await suite.client.getBalance({ address: target })).to.equal(10n)
    // Its own key, its own function, its own target.
    expect(await refusal(suite, bundler, await operate(send(0n), key(999)))).to.include('AA24')
    expect(await refusal(suite, bundler, await operate(call('execute', [target, 1n, '0x', 0])))).to.include('AA24')
    // Value is spent: a call with one more wei fails, and costs of the session what it may have cost.
    expect(outcomes(await handle(suite, bundler, await operate(send(1n))))[0]?.success).to.equal(false)
    expect(await suite.client.getBalance({ address: target })).to.equal(10n)
    // No gas is left for a third, at whatever price the bundler likes.
    expect(await refusal(suite, bundler, await operate(send(0n)))).to.include('AA23')
    const left = await suite.read<{ calls: number; value: bigint }>(account(wallet), 'sessionOf', [session.address])
    expect([left.calls, left.value]).to.deep.equal([2, 0n])
  })

  it('an operation out of a session’s time, or of a locked wallet, is not taken', async () => {
    const { timestamp } = await suite.client.getBlock()
    const limits = {
      ...{ validAfter: Number(timestamp) + 1000, validUntil: Number(timestamp) + 2000, calls: 3, value: 2n * MOST },
      permissions: [{ target: zeroAddress.replace(/0$/, '9'), selector: '0x12345678', tokenLimit: 0n }],
    }
    const act = async (callData: Hex, by = person) => signed(suite, by, await build(suite, wallet, callData))
    await handle(suite, bundler, await act(call('grantSession', [session.address, limits])))
    const nothing = call('executeSession', [session.address, []])
    expect(await refusal(suite, bundler, await act(nothing, session))).to.include('AA22')
    await suite.provider.request({ method: 'evm_increaseTime', params: [1100] })
    await suite.provider.request({ method: 'evm_mine', params: [] })
    expect(await refusal(suite, bundler, await act(nothing, session))).to.equal('taken')
    await handle(suite, bundler, await act(call('lock', [timestamp + 10_000n])))
    expect(await refusal(suite, bundler, await act(nothing, session))).to.include('AA22')
    expect(await refusal(suite, bundler, await act(call('execute', [bundler, 1n, '0x', 0])))).to.include('AA22')
    await suite.provider.request({ method: 'evm_increaseTime', params: [10_000] })
    await suite.provider.request({ method: 'evm_mine', params: [] })
    expect(await refusal(suite, bundler, await act(nothing, session))).to.include('AA22')
    expect(await refusal(suite, bundler, await act(call('execute', [bundler, 1n, '0x', 0])))).to.equal('taken')
  })
})
