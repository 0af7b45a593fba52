// SPDX-License-Identifier: Apache-2.0
/** What the gateway believes of the chain, on the real identity contracts: a fork that takes a registration back leaves nothing in its cache. */
import { expect } from 'chai'
import { zeroAddress } from 'viem'
import { createChainView, type FollowingView } from '../../agents/gateway/chain-view.ts'
import { connectChain, readGenesis } from '../../agents/kit/chain.ts'
import type { TrellisError } from '../../agents/kit/errors.ts'
import { permitTypes, ioIDRegistryDomain } from '../../agents/protocol/eip712/identity.ts'
import type { Address, DeviceId } from '../../agents/protocol/ids.ts'
import { deployIdentity, HASH, key, split, URI, type IdentitySuite } from '../fixtures/identity.ts'
import { startAnvil, type Anvil } from './support/anvil.ts'
import { startProxy, type RpcProxy } from './support/rpc-proxy.ts'

describe("gateway's view of a chain that forks", function () {
  this.timeout(60_000)
  let anvil: Anvil
  let suite: IdentitySuite
  let one: RpcProxy
  let two: RpcProxy
  let view: FollowingView

  before(async function () {
    anvil = await startAnvil(this)
    suite = await deployIdentity({ provider: { request: ({ method, params = [] }) => anvil.rpc(method, params) } })
  })
  after(() => anvil?.stop())
  beforeEach(async () => {
    one = await startProxy(anvil.rpcUrl)
    two = await startProxy(anvil.rpcUrl)
    const policy = { confirmations: 0, pollMs: 20, reorgDepth: 8, timeoutMs: 500 }
    const identity = await readGenesis(anvil.rpcUrl)
    const chain = await connectChain({ rpcUrl: one.url, otherRpcUrls: [two.url], ...identity, ...policy })
    const [ioIDRegistry, ioID, dataKeyRegistry, memberships] = [suite.registry, suite.ioID, suite.dataKeys, suite.memberships].map(
      ({ address }) => address as Address,
    )
    view = createChainView(chain, {
      ioIDRegistry: ioIDRegistry!,
      ioID: ioID!,
      memberships: memberships!,
      dataKeyRegistry: dataKeyRegistry!,
      projectStore: zeroAddress,
      credentialRegistry: suite.credentials.address,
    })
    await view.follow()
  })
  afterEach(() => Promise.all([one.die(), two.die()]))

  /** Registers a device; `prepared` blocks come before its own. */
  const register = async (n: number): Promise<DeviceId> => {
    const { owner, registry, deviceNFT, chainId } = suite
    const tokenId = await suite.mintDevice(owner)
    const domain = ioIDRegistryDomain(chainId, registry.address)
    const message = { owner, nonce: await suite.read<bigint>(registry, 'nonces', [key(n).address]) }
    const { v, r, s } = split(await key(n).signTypedData({ domain, types: permitTypes, primaryType: 'Permit', message }))
    await suite.send(owner, registry, 'register', [deviceNFT.address, tokenId, key(n).address, HASH, URI, v, r, s])
    return key(n).address.toLowerCase() as DeviceId
  }
  const statusOf = async (device: DeviceId): Promise<string> => (await view.device(device)).status

  it('forgets a registration that a fork took back, and knows it when it is made again', async () => {
    const device = await register(1)
    await view.follow()
    expect(await statusOf(device)).to.equal('live')
    await anvil.reorg(1)
    await view.follow()
    expect(await statusOf(device)).to.equal('unknown')
    await register(1)
    await view.follow()
    expect(await statusOf(device)).to.equal('live')
  })

  it('forgets it also when the new branch is longer and names the device nowhere', async () => {
    const device = await register(2)
    await view.follow()
    expect(await statusOf(device)).to.equal('live')
    await anvil.reorg(1)
    await anvil.mine(3)
    await view.follow()
    expect(await statusOf(device)).to.equal('unknown')
  })

  it('keeps nothing that an endpoint told which took over and lags', async () => {
    const device = await register(3)
    await view.follow()
    await one.die()
    // The second one has not got the block of the registration yet.
    two.lie = ({ method }, answer) => (method === 'eth_call' ? { ...answer, result: `0x${'0'.repeat(128)}` } : undefined)
    expect(await statusOf(device)).to.equal('unknown')
    two.lie = null
    await view.follow()
    expect(await statusOf(device)).to.equal('live')
  })

  it('says RPC_FAILED when nobody answers, and CHAIN_RESET when the chain is another', async function () {
    await two.die()
    one.mode = 'error'
    const failed = (await view.device(key(9).address as DeviceId).catch((error: unknown) => error)) as TrellisError
    expect(failed).to.deep.include({ code: 'RPC_FAILED', retryable: true })
    const other = await startAnvil(this, { timestamp: 1_000_000 })
    try {
      two.target = other.rpcUrl
      one.target = other.rpcUrl
      one.mode = 'pass'
      await two.revive()
      await new Promise((resolve) => setTimeout(resolve, 1_100))
      const reset = (await view.follow().catch((error: unknown) => error)) as TrellisError
      expect(reset).to.have.property('code', 'CHAIN_RESET')
    } finally {
      await other.stop()
    }
  })
})
