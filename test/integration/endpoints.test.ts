// SPDX-License-Identifier: Apache-2.0
/** Several RPC endpoints of one chain: who is asked, who is believed, and a liar about receipts of whom nothing is concluded. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import { createWalletClient, http, parseAbi, parseAbiItem, type Hex } from 'viem'
import { connectChain, readGenesis, type ChainClient, type ChainOptions } from '../../agents/kit/chain.ts'
import type { TrellisError } from '../../agents/kit/errors.ts'
import { createLog } from '../../agents/kit/log.ts'
import { errorsOf } from '../../agents/kit/reverts.ts'
import { createSender } from '../../agents/kit/sender.ts'
import { startAnvil, type Anvil } from './support/anvil.ts'
import { account } from './support/market.ts'
import { startProxy, type RpcProxy } from './support/rpc-proxy.ts'

const log = createLog('test', 'silent')
const abi = parseAbi(['function mint(address to, uint256 amount)'])
const transferred = parseAbiItem('event Transfer(address indexed from, address indexed to, uint256 value)')
const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

describe('RPC endpoints', function () {
  this.timeout(60_000)
  let anvil: Anvil
  let identity: { chainId: number; genesisHash: Hex }
  let token: Hex
  let one: RpcProxy
  let two: RpcProxy
  let amount = 0n

  before(async function () {
    anvil = await startAnvil(this)
    identity = await readGenesis(anvil.rpcUrl)
    const file = join(import.meta.dirname, '../../artifacts/contracts/mocks/TestToken.sol/TestToken.json')
    const { bytecode } = JSON.parse(readFileSync(file, 'utf8')) as { bytecode: Hex }
    const chain = await connectChain({ rpcUrl: anvil.rpcUrl, ...identity, confirmations: 0, pollMs: 20, reorgDepth: 8 })
    const wallet = createWalletClient({ account: account(0), transport: http(anvil.rpcUrl), chain: chain.public.chain })
    const hash = await wallet.deployContract({ abi: [], bytecode })
    token = (await chain.public.waitForTransactionReceipt({ hash, pollingInterval: 20 })).contractAddress!
  })
  after(() => anvil?.stop())
  beforeEach(async () => {
    amount += 1n
    one = await startProxy(anvil.rpcUrl)
    two = await startProxy(anvil.rpcUrl)
  })
  afterEach(() => Promise.all([one.die(), two.die()]))

  const connect = (options: Partial<ChainOptions> = {}): Promise<ChainClient> => {
    const policy = { confirmations: 0, pollMs: 20, reorgDepth: 8, timeoutMs: 300 }
    return connectChain({ rpcUrl: one.url, otherRpcUrls: [two.url], ...identity, ...policy, ...options })
  }
  const codeOf = (failing: Promise<unknown>): Promise<string> =>
    failing.then(
      () => 'nothing',
      (error: unknown) => (error as TrellisError).code,
    )
  const mint = (chain: ChainClient, resendMs = 10_000) =>
    createSender({ chain, key: { account: account(1) }, errors: errorsOf(abi), log, resendMs }).send({
      address: token,
      abi,
      functionName: 'mint',
      args: [account(9).address, amount],
    })
  const mints = async (): Promise<number> => {
    const chain = await connect({ rpcUrl: anvil.rpcUrl, otherRpcUrls: [] })
    const logs = await chain.public.getLogs({ address: token, event: transferred, fromBlock: 0n })
    return logs.filter(({ args }) => args.value === amount).length
  }

  const mined = async (): Promise<void> => {
    const limit = Date.now() + 20_000
    while ((await mints()) === 0 && Date.now() < limit) await sleep(20)
  }

  it('asks the next one when the first is dead, and the first again when it is back', async () => {
    const chain = await connect()
    await chain.public.getBlockNumber()
    const { turns } = chain
    await one.die()
    await chain.public.getBlockNumber()
    expect(chain.turns).to.equal(turns + 1)
    await one.revive()
    for (let tries = 0; chain.turns === turns + 1 && tries < 200; tries++) {
      await sleep(20)
      await chain.public.getBlockNumber()
    }
    expect(chain.turns).to.equal(turns + 2)
    await chain.check()
  })

  it('waits for a silent one once, not with every request', async () => {
    const chain = await connect()
    one.mode = 'hang'
    await chain.public.getBlockNumber()
    const asked = one.calls.length
    for (let i = 0; i < 20; i++) await chain.public.getBlockNumber()
    expect(one.calls.length - asked).to.be.at.most(4)
  })

  it('never takes an answer of another chain, whichever place it has', async function () {
    const other = await startAnvil(this, { timestamp: 1_000_000 })
    try {
      await other.mine(500)
      one.target = other.rpcUrl
      const chain = await connect()
      expect(Number(await chain.public.getBlockNumber())).to.be.below(500)
      two.target = other.rpcUrl
      expect(await codeOf(connect())).to.equal('CHAIN_RESET')
      // The endpoint that is silent may be the right one: there is something to wait for.
      await two.die()
      expect(await codeOf(connect())).to.equal('RPC_FAILED')
    } finally {
      await other.stop()
    }
  })

  it('notices when the chain behind an address became another one while it was away', async function () {
    const other = await startAnvil(this, { timestamp: 2_000_000 })
    try {
      const chain = await connect({ otherRpcUrls: [] })
      one.mode = 'error'
      expect(await codeOf(chain.confirmedBlock())).to.equal('RPC_FAILED')
      one.target = other.rpcUrl
      one.mode = 'pass'
      expect(await codeOf(chain.confirmedBlock())).to.equal('CHAIN_RESET')
    } finally {
      await other.stop()
    }
  })

  it('shows no path of an endpoint, where providers keep their keys', async () => {
    const error = (await connect({ rpcUrl: 'http://user:word@127.0.0.1:9/v3/secret?key=secret', otherRpcUrls: [] }).catch(
      (thrown: unknown) => thrown,
    )) as TrellisError
    expect(error.code).to.equal('RPC_FAILED')
    expect(JSON.stringify(error.toJSON())).to.not.match(/secret|word/)
  })

  type Receipt = { status: Hex; blockHash: Hex; logs: { data: Hex; topics: Hex[] }[] }
  const lies: [string, (receipt: Receipt) => Receipt | null][] = [
    ['status', (receipt) => ({ ...receipt, status: '0x0' })],
    ['block', (receipt) => ({ ...receipt, blockHash: `0x${'ab'.repeat(32)}` })],
    ['logs', (receipt) => ({ ...receipt, logs: receipt.logs.map((entry) => ({ ...entry, data: `0x${'00'.repeat(32)}` as Hex })) })],
    ['missing logs', (receipt) => ({ ...receipt, logs: [] })],
    ['existence', () => null],
  ]
  const lying = (proxy: RpcProxy, lie: (receipt: Receipt) => Receipt | null): void => {
    proxy.lie = ({ method }, answer) =>
      method === 'eth_getTransactionReceipt' && answer.result !== null ? { ...answer, result: lie(answer.result as Receipt) } : undefined
  }

  for (const [i, [what, lie]] of lies.entries()) {
    it(`concludes nothing while one of two lies about a receipt: ${what}`, async () => {
      const liar = i % 2 === 0 ? one : two
      lying(liar, lie)
      let resolved = false
      const sending = mint(await connect()).finally(() => (resolved = true))
      await mined()
      await sleep(150)
      expect([resolved, await mints()]).to.deep.equal([false, 1])
      // The liar is gone, or has come to its senses.
      if (i % 2 === 0) await liar.die()
      else liar.lie = null
      expect((await sending).status).to.equal('success')
      expect(await mints()).to.equal(1)
    })
  }

  it('says RPC_DISAGREES, and who says what, when the liar stays', async () => {
    lying(one, (receipt) => ({ ...receipt, status: '0x0' }))
    const error = (await mint(await connect(), 200).catch((thrown: unknown) => thrown)) as TrellisError
    expect(error).to.deep.include({ code: 'RPC_DISAGREES', retryable: true })
    expect(error.details[one.url]).to.match(/^reverted in block/)
    expect(error.details[two.url]).to.match(/^success in block/)
    expect(await mints()).to.equal(1)
  })

  it('counts confirmations by the endpoint that has the fewest blocks', async () => {
    const chain = await connect({ confirmations: 2 })
    one.lie = ({ method }, answer) => (method === 'eth_blockNumber' ? { ...answer, result: '0xffffff' } : undefined)
    let resolved = false
    const sending = mint(chain).finally(() => (resolved = true))
    await mined()
    await sleep(150)
    expect(resolved).to.equal(false)
    await anvil.mine(2)
    await sending
  })
})
