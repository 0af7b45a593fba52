// SPDX-License-Identifier: Apache-2.0
/** The sender where a real chain would need luck: what it says of a transaction that was mined while it looked away. */
import { expect } from 'chai'
import { parseAbi, TransactionReceiptNotFoundError, type Hex } from 'viem'
import { privateKeyToAccount } from 'viem/accounts'
import type { ChainClient } from '../../../agents/kit/chain.ts'
import { createLog } from '../../../agents/kit/log.ts'
import { createSender } from '../../../agents/kit/sender.ts'

const account = privateKeyToAccount(`0x${'4f'.repeat(32)}`)
const abi = parseAbi(['function work()'])
const address: Hex = `0x${'11'.repeat(20)}`

/** A chain whose node forgets to tell the receipt at first, and then says that the nonce is used. */
function chainThatMined(status: 'success' | 'reverted'): ChainClient {
  let sent = 0
  return {
    rpcUrl: 'http://127.0.0.1:1',
    chainId: 31337,
    policy: { confirmations: 0, pollMs: 5, reorgDepth: 1 },
    wallet: () => ({ signTransaction: async () => `0x0${sent + 1}` }),
    public: {
      estimateGas: async () => 21_000n,
      estimateFeesPerGas: async () => ({ maxFeePerGas: 2n, maxPriorityFeePerGas: 1n }),
      getTransactionCount: async () => 0,
      call: async () => ({}),
      async sendRawTransaction() {
        sent += 1
        if (sent > 1) throw new Error('nonce too low')
      },
      async getTransactionReceipt({ hash }: { hash: Hex }) {
        if (sent < 2) throw new TransactionReceiptNotFoundError({ hash })
        return { status, transactionHash: hash, blockNumber: 7n, gasUsed: 21_000n }
      },
    },
  } as unknown as ChainClient
}

describe('createSender', () => {
  const send = (status: 'success' | 'reverted') =>
    createSender({ chain: chainThatMined(status), key: { account }, errors: [], log: createLog('test', 'silent'), resendMs: 20 }).send({
      address,
      abi,
      functionName: 'work',
    })

  it('tells a success that it finds out by its used nonce', async () => {
    expect((await send('success')).status).to.equal('success')
  })

  it('never tells a reverted transaction as a success', async () => {
    const error = await send('reverted').catch((thrown: unknown) => thrown)
    expect(error).to.have.property('code', 'CALL_REVERTED')
  })
})
