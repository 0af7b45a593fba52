// SPDX-License-Identifier: Apache-2.0
/** The sender on a real chain whose pool, fees, blocks and RPC fail: every call is on chain once, or is refused with its reason. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import { createWalletClient, http, parseAbi, parseAbiItem, type Hex } from 'viem'
import { connectChain, readGenesis, type ChainClient, type ChainOptions } from '../../agents/kit/chain.ts'
import type { TrellisError } from '../../agents/kit/errors.ts'
import { createLog } from '../../agents/kit/log.ts'
import { errorsOf } from '../../agents/kit/reverts.ts'
import { createSender, type Sender, type SenderOptions } from '../../agents/kit/sender.ts'
import { startAnvil, type Anvil } from './support/anvil.ts'
import { account } from './support/market.ts'
import { startProxy, type RpcProxy } from './support/rpc-proxy.ts'

const log = createLog('test', 'silent')
const abi = parseAbi([
  'function mint(address to, uint256 amount)',
  'function transfer(address to, uint256 amount) returns (bool)',
  'error ERC20InsufficientBalance(address sender, uint256 balance, uint256 needed)',
])
const transferred = parseAbiItem('event Transfer(address indexed from, address indexed to, uint256 value)')
const gwei = 1_000_000_000n
const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

describe('sender under faults of the chain', function () {
  this.timeout(60_000)
  let anvil: Anvil
  let identity: { chainId: number; genesisHash: Hex }
  let token: Hex
  let proxies: RpcProxy[] = []
  let amount = 0n

  before(async function () {
    anvil = await startAnvil(this)
    identity = await readGenesis(anvil.rpcUrl)
    const chain = await connect()
    const wallet = createWalletClient({ account: account(0), transport: http(anvil.rpcUrl), chain: chain.public.chain })
    const file = join(import.meta.dirname, '../../artifacts/contracts/mocks/TestToken.sol/TestToken.json')
    const { bytecode } = JSON.parse(readFileSync(file, 'utf8')) as { bytecode: Hex }
    const hash = await wallet.deployContract({ abi: [], bytecode })
    token = (await chain.public.waitForTransactionReceipt({ hash, pollingInterval: 20 })).contractAddress!
  })
  after(() => anvil?.stop())
  beforeEach(() => (amount += 1n))
  afterEach(async () => {
    await anvil.automine(true)
    await anvil.rpc('anvil_dropAllTransactions')
    await anvil.baseFee(gwei)
    await anvil.mine(2)
    await Promise.all(proxies.map((proxy) => proxy.die()))
    proxies = []
  })

  const connect = (options: Partial<ChainOptions> = {}): Promise<ChainClient> =>
    connectChain({ rpcUrl: anvil.rpcUrl, ...identity, confirmations: 0, pollMs: 20, reorgDepth: 8, timeoutMs: 500, ...options })
  const proxied = async (): Promise<RpcProxy> => {
    const proxy = await startProxy(anvil.rpcUrl)
    proxies.push(proxy)
    return proxy
  }
  const open = (chain: ChainClient, options: Partial<SenderOptions> = {}): Sender =>
    createSender({ chain, key: { account: account(1) }, errors: errorsOf(abi), log, resendMs: 250, ...options })
  /** Each test mints an amount of its own, so that its events are told apart. */
  const mint = (by: Sender, value = amount) => by.send({ address: token, abi, functionName: 'mint', args: [account(9).address, value] })
  const mints = async (value = amount): Promise<number> => {
    const chain = await connect()
    const logs = await chain.public.getLogs({ address: token, event: transferred, fromBlock: 0n })
    return logs.filter(({ args }) => args.value === value).length
  }
  const until = async (what: string, so: () => Promise<boolean>): Promise<void> => {
    const limit = Date.now() + 20_000
    while (!(await so())) {
      if (Date.now() > limit) throw new Error(`${what}: not in time`)
      await sleep(20)
    }
  }
  const failure = (failing: Promise<unknown>): Promise<Pick<TrellisError, 'code' | 'details' | 'retryable'>> =>
    failing.then(
      () => ({ code: 'nothing', details: {}, retryable: false }),
      (error: unknown) => error as TrellisError,
    )
  const pooled = () => until('in the pool', async () => (await anvil.pool()).length === 1)

  describe('fees', () => {
    it('follows a base fee that leaps far beyond a quarter while the transaction waits', async () => {
      await anvil.automine(false)
      const sending = mint(open(await connect()))
      await pooled()
      await anvil.baseFee(50n * gwei)
      await until(
        'replaced',
        async () =>
          (await anvil.rpc<{ transactions: { maxFeePerGas: Hex }[] }>('eth_getBlockByNumber', ['pending', true])).transactions.length === 1,
      )
      await anvil.mine()
      const receipt = await sending
      expect(receipt.effectiveGasPrice >= 50n * gwei).to.equal(true)
      expect(await mints()).to.equal(1)
    })

    it('offers nothing over its limit, says so, and goes on when the fee has fallen', async () => {
      await anvil.automine(false)
      await anvil.baseFee(50n * gwei)
      const sender = open(await connect({ maxFeePerGas: 20n * gwei }), { maxSends: 2 })
      const error = await failure(mint(sender))
      expect(error).to.deep.include({ code: 'FEE_TOO_HIGH', retryable: true })
      expect(error.details).to.deep.include({ maxFeePerGas: 20n * gwei, baseFee: 50n * gwei })
      expect(await anvil.pool()).to.deep.equal([])
      await anvil.baseFee(gwei)
      await anvil.automine(true)
      expect((await mint(sender)).status).to.equal('success')
    })

    it('tells the limit, and leaves the transaction in the pool, when the leap comes while it waits', async () => {
      await anvil.automine(false)
      const sender = open(await connect({ maxFeePerGas: 20n * gwei }), { maxSends: 2 })
      const sending = failure(mint(sender))
      await pooled()
      await anvil.baseFee(50n * gwei)
      expect((await sending).code).to.equal('FEE_TOO_HIGH')
      expect(await anvil.pool()).to.have.length(1)
      await anvil.baseFee(gwei)
      const again = mint(sender)
      await sleep(150)
      await anvil.mine()
      await again
      expect(await mints()).to.equal(1)
    })

    it('says that the key has no coins', async () => {
      const poor = { account: account(7) }
      await anvil.rpc('anvil_setBalance', [poor.account.address, '0x1'])
      const error = await failure(mint(open(await connect(), { key: poor })))
      expect(error).to.deep.include({ code: 'KEY_WITHOUT_FUNDS', retryable: true })
    })
  })

  describe('nonces', () => {
    const raw = async (nonce: number, { fee = 2n * gwei, tip = 1n, value = amount + 1_000_000n } = {}): Promise<Hex> => {
      const chain = await connect()
      const wallet = createWalletClient({ account: account(1), transport: http(anvil.rpcUrl), chain: chain.public.chain })
      return wallet.writeContract({
        address: token,
        abi,
        functionName: 'mint',
        args: [account(9).address, value],
        nonce,
        gas: 100_000n,
        maxFeePerGas: fee,
        maxPriorityFeePerGas: tip,
      })
    }
    const next = async () => (await connect()).public.getTransactionCount({ address: account(1).address })

    it('beats an underpriced transaction that an earlier process left', async () => {
      await anvil.automine(false)
      await raw(await next(), { fee: 2n * gwei })
      await anvil.baseFee(10n * gwei)
      const sending = mint(open(await connect()))
      await until(
        'replaced',
        async () => (await anvil.rpc<{ transactions: Hex[] }>('eth_getBlockByNumber', ['pending', false])).transactions.length === 1,
      )
      await anvil.mine()
      await sending
      expect([await mints(), await mints(amount + 1_000_000n)]).to.deep.equal([1, 0])
    })

    it('beats one that already offers much more than the market', async () => {
      await anvil.automine(false)
      const left = await raw(await next(), { fee: 8n * gwei, tip: 4n * gwei })
      const sending = mint(open(await connect()))
      await until('replaced', async () => !(await anvil.pool()).includes(left))
      await anvil.mine()
      await sending
      expect([await mints(), await mints(amount + 1_000_000n)]).to.deep.equal([1, 0])
    })

    it('works through a gap that an earlier process left', async () => {
      await anvil.automine(false)
      const nonce = await next()
      await raw(nonce + 1)
      await anvil.automine(true)
      const sender = open(await connect())
      await mint(sender)
      await mint(sender, amount + 2_000_000n)
      expect([await mints(), await mints(amount + 1_000_000n), await mints(amount + 2_000_000n)]).to.deep.equal([1, 1, 1])
    })

    it('waits for what a killed process sent before it decides anything', async () => {
      const holder = { account: account(5) }
      const chain = await connect()
      await open(chain).send({ address: token, abi, functionName: 'mint', args: [holder.account.address, 5n] })
      await anvil.automine(false)
      const wallet = createWalletClient({ account: holder.account, transport: http(anvil.rpcUrl), chain: chain.public.chain })
      const transfer = { address: token, abi, functionName: 'transfer' } as const
      const left = await wallet.writeContract({ ...transfer, args: [account(8).address, 5n], gas: 100_000n })
      const sending = failure(open(chain, { key: holder, resendMs: 20_000 }).send({ ...transfer, args: [account(6).address, 5n] }))
      await sleep(150)
      await anvil.mine()
      // What it sent took all there was: a sender that looked before would have replaced it.
      expect((await sending).details['error']).to.equal('ERC20InsufficientBalance')
      expect((await chain.public.getTransactionReceipt({ hash: left })).status).to.equal('success')
    })

    it('lets two processes with one key send, each call once', async () => {
      const [one, two] = [open(await connect()), open(await connect())]
      const values = Array.from({ length: 4 }, (_, i) => amount + BigInt(i + 3) * 1_000_000n)
      await Promise.all(values.map((value, i) => mint(i % 2 === 0 ? one : two, value)))
      expect(await Promise.all(values.map((value) => mints(value)))).to.deep.equal([1, 1, 1, 1])
    })
  })

  describe('blocks', () => {
    it('sends a transaction again that the pool dropped', async () => {
      await anvil.automine(false)
      const sending = mint(open(await connect()))
      await pooled()
      await anvil.drop((await anvil.pool())[0]!)
      await pooled()
      await anvil.mine()
      await sending
      expect(await mints()).to.equal(1)
    })

    it('names the revert of a transaction that only its block made fail', async () => {
      await mint(open(await connect()), 5n)
      const holder = { account: account(3) }
      const filler = open(await connect())
      await filler.send({ address: token, abi, functionName: 'mint', args: [holder.account.address, 5n] })
      await anvil.automine(false)
      const [chainA, chainB] = [await connect(), await connect()]
      // Both are simulated on a state where there is enough for one.
      const first = open(chainA, { key: holder, resendMs: 120_000 }).send({
        address: token,
        abi,
        functionName: 'transfer',
        args: [account(8).address, 5n],
      })
      await pooled()
      const wallet = createWalletClient({ account: account(3), transport: http(anvil.rpcUrl), chain: chainB.public.chain })
      const nonce = await chainB.public.getTransactionCount({ address: holder.account.address })
      const rival = { address: token, abi, functionName: 'transfer', args: [account(6).address, 5n], gas: 100_000n } as const
      // The rival replaces it at its nonce; the sender looks again, and sees that there is nothing left.
      await wallet.writeContract({ ...rival, nonce, maxFeePerGas: 9n * gwei, maxPriorityFeePerGas: 5n * gwei })
      await anvil.mine()
      const error = await failure(first)
      expect([error.code, error.details['error']]).to.deep.equal(['CALL_REVERTED', 'ERC20InsufficientBalance'])
    })

    it('names the revert that is in a block', async () => {
      const holder = { account: account(4) }
      await open(await connect()).send({ address: token, abi, functionName: 'mint', args: [holder.account.address, 5n] })
      await anvil.automine(false)
      const chain = await connect()
      const wallet = createWalletClient({ account: holder.account, transport: http(anvil.rpcUrl), chain: chain.public.chain })
      const nonce = await chain.public.getTransactionCount({ address: holder.account.address })
      const sender = open(chain, { key: holder, resendMs: 10_000, maxSends: 1 })
      const proxy = await proxied()
      // This one is signed for the next nonce: the answer to how many there are is one too many.
      proxy.lie = ({ method }, answer) =>
        method === 'eth_getTransactionCount' ? { ...answer, result: `0x${(nonce + 1).toString(16)}` } : undefined
      const late = open(await connect({ rpcUrl: proxy.url }), { key: holder, resendMs: 10_000 })
      const failing = failure(late.send({ address: token, abi, functionName: 'transfer', args: [account(8).address, 5n] }))
      await until('queued', async () => (await anvil.pool()).length === 1)
      await wallet.writeContract({
        address: token,
        abi,
        functionName: 'transfer',
        args: [account(6).address, 5n],
        gas: 100_000n,
        nonce,
        maxFeePerGas: 9n * gwei,
        maxPriorityFeePerGas: 5n * gwei,
      })
      await anvil.mine()
      const error = await failing
      expect([error.code, error.details['error']]).to.deep.equal(['CALL_REVERTED', 'ERC20InsufficientBalance'])
      expect(error.details['tx']).to.be.a('string')
      await sender.close()
    })

    it('resolves when the receipt is as deep as the policy wants, and not before', async () => {
      const sender = open(await connect({ confirmations: 3 }))
      let resolved = false
      const sending = mint(sender).then((receipt) => {
        resolved = true
        return receipt
      })
      await until('mined', async () => (await mints()) === 1)
      await anvil.mine(2)
      await sleep(150)
      expect(resolved).to.equal(false)
      await anvil.mine()
      expect((await sending).status).to.equal('success')
    })

    it('sends the next call while one waits for its confirmations', async () => {
      const sender = open(await connect({ confirmations: 2 }))
      const both = Promise.all([mint(sender), mint(sender, amount + 3_000_000n)])
      await until('both mined', async () => (await mints()) + (await mints(amount + 3_000_000n)) === 2)
      await anvil.mine(2)
      await both
    })

    it('brings a transaction back that a reorganisation took, and counts it once', async () => {
      const sender = open(await connect({ confirmations: 3 }))
      let resolved = false
      const sending = mint(sender).finally(() => (resolved = true))
      await until('mined', async () => (await mints()) === 1)
      await anvil.mine()
      await anvil.automine(false)
      await anvil.reorg(2)
      await anvil.rpc('anvil_dropAllTransactions')
      expect(await mints()).to.equal(0)
      await pooled()
      expect(resolved).to.equal(false)
      await anvil.mine(4)
      expect((await sending).status).to.equal('success')
      expect(await mints()).to.equal(1)
    })

    it('gives the nonce of a transaction that was taken back to nobody else', async () => {
      const sender = open(await connect({ confirmations: 3 }))
      const first = mint(sender)
      await until('mined', async () => (await mints()) === 1)
      await anvil.automine(false)
      await anvil.reorg(1)
      await anvil.rpc('anvil_dropAllTransactions')
      const second = mint(sender, amount + 4_000_000n)
      await until('both in the pool', async () => (await anvil.pool()).length === 2)
      await anvil.mine(4)
      await Promise.all([first, second])
      expect([await mints(), await mints(amount + 4_000_000n)]).to.deep.equal([1, 1])
    })
  })

  describe('RPC', () => {
    it('finds its transaction when the answer to its first sending was lost', async () => {
      const proxy = await proxied()
      let lost = 0
      proxy.lie = ({ method }) => {
        if (method === 'eth_sendRawTransaction' && lost++ === 0) throw new Error('the connection breaks')
        return undefined
      }
      expect((await mint(open(await connect({ rpcUrl: proxy.url })))).status).to.equal('success')
      expect(lost).to.be.at.least(1)
      expect(await mints()).to.equal(1)
    })

    it('finds its transaction when the node counts it before it tells its receipt', async () => {
      const proxy = await proxied()
      let looks = 0
      proxy.lie = ({ method }, answer) =>
        method === 'eth_getTransactionReceipt' && answer.result !== null && looks++ < 4 ? { ...answer, result: null } : undefined
      const before = proxy.calls.length
      expect((await mint(open(await connect({ rpcUrl: proxy.url }), { resendMs: 20_000 }))).status).to.equal('success')
      expect(looks).to.be.above(4)
      expect(proxy.calls.slice(before).filter((method) => method === 'eth_estimateGas')).to.have.length(1)
      expect(await mints()).to.equal(1)
    })

    it('finds its transaction when the node forgot to tell and then says that the nonce is used', async () => {
      const proxy = await proxied()
      let hidden = true
      proxy.lie = ({ method }, answer) => {
        if (method === 'eth_sendRawTransaction' && answer.error !== undefined) hidden = false
        return hidden && (method === 'eth_getTransactionReceipt' || method === 'eth_getTransactionCount') ? hide(method, answer) : undefined
      }
      const nonce = (await (await connect()).public.getTransactionCount({ address: account(1).address })).toString(16)
      const hide = (method: string, answer: { id: number }) => ({
        ...answer,
        result: method === 'eth_getTransactionReceipt' ? null : `0x${nonce}`,
      })
      expect((await mint(open(await connect({ rpcUrl: proxy.url })))).status).to.equal('success')
      expect(await mints()).to.equal(1)
    })

    for (const [name, break_, mend] of [
      ['refuses connections', (proxy: RpcProxy) => proxy.die(), (proxy: RpcProxy) => proxy.revive()],
      ['never answers', (proxy: RpcProxy) => void (proxy.mode = 'hang'), (proxy: RpcProxy) => void (proxy.mode = 'pass')],
      ['answers a byte a second', (proxy: RpcProxy) => void (proxy.mode = 'drip'), (proxy: RpcProxy) => void (proxy.mode = 'pass')],
      ['answers with a web page', (proxy: RpcProxy) => void (proxy.mode = 'garbage'), (proxy: RpcProxy) => void (proxy.mode = 'pass')],
    ] as const) {
      it(`survives an RPC that ${name} between send and receipt`, async () => {
        await anvil.automine(false)
        const proxy = await proxied()
        const sender = open(await connect({ rpcUrl: proxy.url }), { resendMs: 10_000 })
        const sending = mint(sender)
        await pooled()
        await break_(proxy)
        await anvil.mine()
        await sleep(300)
        await mend(proxy)
        expect((await sending).status).to.equal('success')
        expect(await mints()).to.equal(1)
      })
    }

    it('says RPC_FAILED of a dead one, and the same call goes through when it is back, once', async () => {
      const proxy = await proxied()
      const sender = open(await connect({ rpcUrl: proxy.url }))
      await anvil.automine(false)
      const sending = failure(mint(sender))
      await pooled()
      await proxy.die()
      expect(await sending).to.deep.include({ code: 'RPC_FAILED', retryable: true })
      await proxy.revive()
      const again = mint(sender)
      await sleep(100)
      await anvil.mine()
      await again
      expect(await mints()).to.equal(1)
    })

    it('sends nothing to another chain that answers at the same address', async function () {
      const other = await startAnvil(this, { chainId: 4242 })
      try {
        const proxy = await proxied()
        const sender = open(await connect({ rpcUrl: proxy.url }))
        proxy.target = other.rpcUrl
        expect((await failure(mint(sender))).code).to.equal('WRONG_CHAIN')
        expect(proxy.calls).to.not.include('eth_sendRawTransaction')
      } finally {
        await other.stop()
      }
    })
  })
})
