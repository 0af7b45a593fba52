// SPDX-License-Identifier: Apache-2.0
/** The kit's chain parts on a real local chain: nonces, reverts by name, hung and lost transactions, events over reorganisations, another chain. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { createWalletClient, http, parseAbi, parseAbiItem, type Hex } from 'viem'
import { connectChain, readGenesis, type ChainClient } from '../../agents/kit/chain.ts'
import { createScanner } from '../../agents/kit/cursor.ts'
import { createLog } from '../../agents/kit/log.ts'
import { errorsOf } from '../../agents/kit/reverts.ts'
import { createSender, type Sender } from '../../agents/kit/sender.ts'
import { openLedger } from '../../agents/coordinator/ledger.ts'
import { startAnvil, type Anvil } from './support/anvil.ts'
import { startProxy } from './support/rpc-proxy.ts'
import { account } from './support/market.ts'

const log = createLog('test', 'silent')
const abi = parseAbi([
  'function mint(address to, uint256 amount)',
  'function transfer(address to, uint256 amount) returns (bool)',
  'function balanceOf(address) view returns (uint256)',
  'error ERC20InsufficientBalance(address sender, uint256 balance, uint256 needed)',
])
const transferred = parseAbiItem('event Transfer(address indexed from, address indexed to, uint256 value)')
const policy = { confirmations: 0, pollMs: 20, reorgDepth: 8 }

describe('chain client, sender and scanner', function () {
  this.timeout(120_000)
  let local: Anvil
  let chain: ChainClient
  let token: Hex
  let sender: Sender
  const to = account(9).address

  before(async function () {
    local = await startAnvil(this)
    chain = await connectChain({ rpcUrl: local.rpcUrl, ...(await readGenesis(local.rpcUrl)), ...policy })
    const wallet = createWalletClient({ account: account(1), transport: http(local.rpcUrl), chain: chain.public.chain })
    const file = join(import.meta.dirname, '../../artifacts/contracts/mocks/TestToken.sol/TestToken.json')
    const artifact = JSON.parse(readFileSync(file, 'utf8')) as { abi: typeof abi; bytecode: Hex }
    const hash = await wallet.deployContract({ abi: artifact.abi, bytecode: artifact.bytecode })
    token = (await chain.public.waitForTransactionReceipt({ hash, pollingInterval: 20 })).contractAddress!
    sender = createSender({ chain, key: { account: account(1) }, errors: errorsOf(abi), log })
  })
  after(() => local?.stop())

  const mint = (amount: bigint, by = sender) => by.send({ address: token, abi, functionName: 'mint', args: [to, amount] })
  const balance = () => chain.public.readContract({ address: token, abi, functionName: 'balanceOf', args: [to] })
  const codeOf = (failing: Promise<unknown>): Promise<{ code: string; details: Record<string, unknown> }> =>
    failing.then(
      () => ({ code: 'nothing', details: {} }),
      (error: unknown) => error as { code: string; details: Record<string, unknown> },
    )

  it('sends calls made at once one after the other, each once', async () => {
    const receipts = await Promise.all([1n, 2n, 3n, 4n].map((amount) => mint(amount)))
    expect(new Set(receipts.map((receipt) => receipt.transactionHash)).size).to.equal(4)
    expect(await balance()).to.equal(10n)
  })

  it('names the error of a revert and sends nothing then', async () => {
    const before_ = await chain.public.getTransactionCount({ address: sender.address })
    const error = await codeOf(sender.send({ address: token, abi, functionName: 'transfer', args: [to, 5n] }))
    expect(error.code).to.equal('CALL_REVERTED')
    expect(error.details['error']).to.equal('ERC20InsufficientBalance')
    expect(error.details['args']).to.deep.equal([sender.address, 0n, 5n])
    expect(await chain.public.getTransactionCount({ address: sender.address })).to.equal(before_)
  })

  it('sends a hanging transaction again with a higher fee, and it counts once', async () => {
    await local.rpc('evm_setAutomine', [false])
    const eager = createSender({ chain, key: { account: account(1) }, errors: errorsOf(abi), log, resendMs: 300 })
    const had = await balance()
    const sending = mint(100n, eager)
    await new Promise((resolve) => setTimeout(resolve, 800))
    await local.rpc('evm_mine')
    await local.rpc('evm_setAutomine', [true])
    expect((await sending).status).to.equal('success')
    expect(await balance()).to.equal(had + 100n)
  })

  it('goes on after a sender that died with its transaction in the pool', async () => {
    await local.rpc('evm_setAutomine', [false])
    const had = await balance()
    const dead = mint(7n, createSender({ chain, key: { account: account(1) }, errors: errorsOf(abi), log }))
    dead.catch(() => undefined)
    await new Promise((resolve) => setTimeout(resolve, 200))
    const next = mint(11n, createSender({ chain, key: { account: account(1) }, errors: errorsOf(abi), log }))
    await new Promise((resolve) => setTimeout(resolve, 200))
    await local.rpc('evm_mine')
    await local.rpc('evm_setAutomine', [true])
    await next
    expect(await balance()).to.equal(had + 18n)
  })

  it('refuses more calls than may wait', async () => {
    const small = createSender({ chain, key: { account: account(1) }, errors: [], log, maxWaiting: 1 })
    const [first, second] = await Promise.all([codeOf(mint(1n, small)), codeOf(mint(1n, small))])
    expect([first.code, second.code]).to.deep.equal(['nothing', 'OVERLOADED'])
    await small.close()
    expect((await codeOf(mint(1n, small))).code).to.equal('STOPPED')
  })

  it('gives each event once, over restarts, and takes back what a reorganisation dropped', async () => {
    let position: string | null = null
    let seen: { block: bigint; value: bigint }[] = []
    const scan = async (): Promise<void> => {
      const scanner = createScanner({
        name: 'transfers',
        chain,
        addresses: [token],
        events: [transferred],
        fromBlock: 0n,
        maxRange: 3,
        load: () => position,
        apply: (batch) => {
          if (batch.rollbackTo !== null) seen = seen.filter(({ block }) => block <= batch.rollbackTo!)
          seen.push(...batch.logs.map(({ blockNumber, args }) => ({ block: blockNumber, value: args.value })))
          position = batch.position
        },
      })
      while ((await scanner.pass()) === 'again');
    }
    await scan()
    const known = seen.length
    expect(known).to.be.greaterThan(4)
    const snapshot = await local.rpc<string>('evm_snapshot')
    await mint(1_001n)
    await scan()
    await scan()
    expect(seen.map(({ value }) => value).slice(known)).to.deep.equal([1_001n])
    await local.rpc('evm_revert', [snapshot])
    await mint(1_002n)
    await mint(1_003n)
    await scan()
    expect(seen.map(({ value }) => value).slice(known)).to.deep.equal([1_002n, 1_003n])
  })

  /** A scanner that starts at the first block and keeps what it was given in memory. */
  const memory = (reorgDepth: number, at: ChainClient = chain) => {
    const kept = { position: null as string | null, values: [] as { block: bigint; value: bigint }[], rollbacks: [] as bigint[] }
    const scanner = createScanner({
      name: 'transfers',
      chain: { ...at, policy: { ...policy, reorgDepth } },
      addresses: [token],
      events: [transferred],
      fromBlock: 0n,
      load: () => kept.position,
      apply: ({ logs, rollbackTo, position }) => {
        if (rollbackTo !== null) {
          kept.rollbacks.push(rollbackTo)
          kept.values = kept.values.filter(({ block }) => block <= rollbackTo)
        }
        kept.values.push(...logs.map(({ blockNumber, args }) => ({ block: blockNumber, value: args.value })))
        kept.position = position
      },
    })
    const scan = async (): Promise<void> => {
      while ((await scanner.pass()) === 'again');
    }
    return { kept, scan, has: (value: bigint) => kept.values.filter((seen) => seen.value === value).length }
  }

  it('survives a fork right after its first look, however long the chain is', async () => {
    await local.mine(100)
    await mint(2_001n)
    const { scan, has, kept } = memory(8)
    await scan()
    expect(has(2_001n)).to.equal(1)
    await local.reorg(3)
    await mint(2_002n)
    await scan()
    expect([has(2_001n), has(2_002n)]).to.deep.equal([0, 1])
    // What a fork of the allowed depth cannot reach was not read again.
    expect(kept.rollbacks).to.deep.equal([(await chain.confirmedBlock()) - 1n - 8n])
  })

  it('survives one fork after the other at the depth of the policy, and stops at one deeper', async () => {
    const { scan, has } = memory(8)
    await scan()
    for (let round = 0n; round < 3n; round++) {
      await local.mine(3)
      await scan()
      await mint(3_000n + round)
      await scan()
      await local.reorg(8)
      await scan()
      expect(has(3_000n + round)).to.equal(0)
    }
    await local.mine(3)
    await scan()
    await local.reorg(12)
    expect((await codeOf(scan())).code).to.equal('REORG_TOO_DEEP')
  })

  it('takes a node that lags for what it is, and rolls nothing back', async () => {
    const proxy = await startProxy(local.rpcUrl)
    try {
      const at = await connectChain({ rpcUrl: proxy.url, ...(await readGenesis(local.rpcUrl)), ...policy })
      await mint(4_001n)
      const { scan, has, kept } = memory(8, at)
      await scan()
      const behind = (await chain.confirmedBlock()) - 20n
      proxy.lie = ({ method, params }, answer) => {
        if (method === 'eth_blockNumber') return { ...answer, result: `0x${behind.toString(16)}` }
        return method === 'eth_getBlockByNumber' && BigInt(params![0] as string) > behind ? { ...answer, result: null } : undefined
      }
      await scan()
      proxy.lie = null
      await mint(4_002n)
      await scan()
      expect([has(4_001n), has(4_002n), kept.rollbacks.length]).to.deep.equal([1, 1, 0])
    } finally {
      await proxy.die()
    }
  })

  it('takes a prover off the roster of the ledger whose registration a fork took back', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'trellis-roster-'))
    const ledger = await openLedger({ folder, schema: 'coordinator', service: 'coordinator', databaseUrl: undefined, leaseSeconds: 1, log })
    try {
      const roster = createScanner({
        name: 'provers',
        chain,
        addresses: [token],
        events: [transferred],
        fromBlock: 0n,
        load: () => ledger.scanned('provers'),
        apply: ({ logs, rollbackTo, position }) => {
          const found = logs.map(({ args, blockNumber }) => ({
            address: `0x${args.value.toString(16).padStart(40, '0')}` as Hex,
            block: blockNumber,
          }))
          return ledger.rostered('provers', found, rollbackTo, position)
        },
      })
      const knows = async (value: bigint): Promise<boolean> => {
        while ((await roster.pass()) === 'again');
        return (await ledger.provers()).includes(`0x${value.toString(16).padStart(40, '0')}`)
      }
      await mint(5_001n)
      expect(await knows(5_001n)).to.equal(true)
      await local.reorg(1)
      await mint(5_002n)
      expect([await knows(5_001n), await knows(5_002n)]).to.deep.equal([false, true])
      await mint(5_001n)
      expect(await knows(5_001n)).to.equal(true)
    } finally {
      await ledger.close()
      rmSync(folder, { recursive: true, force: true })
    }
  })

  it('says CHAIN_RESET when block 0 is another, and RPC_FAILED when nobody answers', async () => {
    const { chainId } = await readGenesis(local.rpcUrl)
    const genesisHash: Hex = `0x${'22'.repeat(32)}`
    expect((await codeOf(connectChain({ rpcUrl: local.rpcUrl, chainId, genesisHash, ...policy }))).code).to.equal('CHAIN_RESET')
    expect((await codeOf(connectChain({ rpcUrl: 'http://127.0.0.1:9', chainId, genesisHash, ...policy }))).code).to.equal('RPC_FAILED')
  })
})
