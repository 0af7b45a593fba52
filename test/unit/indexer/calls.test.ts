// SPDX-License-Identifier: Apache-2.0
/** What the indexer reads out of calls, and what it must not believe. */
import { expect } from 'chai'
import { concat, encodeAbiParameters, encodeErrorResult, encodeFunctionData, numberToHex } from 'viem'
import { job } from '../../../agents/indexer/ponder/job.ts'
import { assignedBy, provenBy, reasonOf, refusalOf } from '../../../agents/indexer/ponder/src/calls.ts'
import { routerAbi, taskManagerAbi } from '../../../agents/protocol/generated/abi.ts'
import type { Hex } from '../../../agents/protocol/ids.ts'
import { routeItemsType } from '../../../agents/protocol/task-record.ts'

const manager: Hex = `0x${'a1'.repeat(20)}`
const router: Hex = `0x${'b2'.repeat(20)}`
const device: Hex = `0x${'d4'.repeat(20)}`
const prover: Hex = `0x${'e5'.repeat(20)}`
const word = (n: number): Hex => numberToHex(n, { size: 32 })

describe('indexer: calls', () => {
  let calls = 0
  const call = (to: Hex | null, input: Hex) => ({ to, input, hash: word(++calls) })
  const assignment = (n: number, signature: Hex = concat([device, numberToHex(n, { size: 4 })])) => ({
    ...{ projectId: 1n, taskId: word(n), hash: word(n + 100), signature, prover },
  })
  const assign = (...items: ReturnType<typeof assignment>[]): Hex =>
    encodeFunctionData({ abi: taskManagerAbi, functionName: 'assign', args: [items, prover, 9n] })
  const item = (n: number, statistics: bigint) => ({
    ...{ device, window: n, root: word(n), statistics, proof: [1n, 2n, 3n, 4n, 5n, 6n, 7n, 8n] as const },
  })
  const route = (ids: readonly number[], items: readonly ReturnType<typeof item>[]): Hex => {
    const data = encodeAbiParameters(routeItemsType, [items])
    return encodeFunctionData({ abi: routerAbi, functionName: 'route', args: [prover, 1n, ids.map(word), data] })
  }

  before(() => {
    job.contracts = {
      TaskManager: { address: manager.toUpperCase().replace('0X', '0x') as Hex, block: 0 },
      Router: { address: router, block: 0 },
    }
  })

  it('opens assignments, alone and many, at the task manager only', () => {
    const both = assignedBy(call(manager, assign(assignment(1), assignment(2))))
    expect([...both.keys()]).to.deep.equal([word(1), word(2)])
    expect(both.get(word(2))).to.deep.equal({ device, window: 2, root: word(102), sequencer: prover })
    const alone = encodeFunctionData({ abi: taskManagerAbi, functionName: 'assign', args: [assignment(7), prover, 9n] })
    expect([...assignedBy(call(manager, alone)).keys()]).to.deep.equal([word(7)])
    for (const to of [router, null]) expect(assignedBy(call(to, alone)).size).to.equal(0)
    for (const input of ['0x', '0x12345678', alone.slice(0, 60)] as Hex[]) expect(assignedBy(call(manager, input)).size).to.equal(0)
  })

  it('takes the first of two assignments of one task: the second is refused on chain', () => {
    const twice = assignedBy(call(manager, assign(assignment(1), assignment(1, concat([prover, '0x00000009'])))))
    expect(twice.get(word(1))).to.include({ device, window: 1 })
    expect(assignedBy(call(manager, assign(assignment(1, '0x12')))).size).to.equal(0)
  })

  it('opens proofs, and says nothing of a task that a call names twice: one of the two may be a lie', () => {
    const proven = provenBy(call(router, route([1, 2, 1], [item(1, 666n), item(2, 20n), item(1, 10n)])))
    expect([...proven].map(([id, { statistics }]) => [id, statistics])).to.deep.equal([[word(2), 20n]])
    expect(provenBy(call(manager, route([1], [item(1, 1n)]))).size).to.equal(0)
    expect(provenBy(call(router, route([1, 2], [item(1, 1n)]))).size).to.equal(1)
  })

  it('names reasons of refusals, known or not', () => {
    expect(reasonOf(encodeErrorResult({ abi: routerAbi, errorName: 'Router_BadProof' }))).to.equal('BadProof')
    expect(reasonOf('0x12345678')).to.equal('Unknown')
    expect([refusalOf(7), refusalOf(200)]).to.deep.equal(['WindowSettled', 'Refusal200'])
  })
})
