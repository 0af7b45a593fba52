// SPDX-License-Identifier: Apache-2.0
/** Five ways to break exactly-once or nothing-lost, and the faults under which each must show. */
import type { Plan, Strike } from './plan.ts'

export interface Edit {
  file: string
  /** Once in the file. */
  from: string
  to: string
}

export interface Mutant {
  name: string
  edits: readonly Edit[]
  plan: Plan
}

const strike = (kind: Strike['kind'], afterMs: number, lastsMs: number, choice = 0): Strike => ({ kind, afterMs, lastsMs, choice })

export const MUTANTS: readonly Mutant[] = [
  {
    name: 'the gateway answers although its commit failed',
    edits: [
      {
        file: 'agents/kit/store.ts',
        from: 'for (const { reject } of batch) reject(error)',
        to: 'void error\n      for (const tell of settle) tell()',
      },
    ],
    plan: { seed: 1, aim: null, strikes: [strike('disk full gateway', 0, 12_000)] },
  },
  {
    name: 'the cursor of the coordinator is saved before the tasks under it',
    edits: [
      {
        file: 'agents/coordinator/pull.ts',
        from: 'const taken = await ledger.take(project, store, await readPage(modules, project, page), page.next)',
        to: [
          'await ledger.take(project, store, [], page.next)',
          'await new Promise((wake) => setTimeout(wake, 2_000))',
          'const taken = await ledger.take(project, store, await readPage(modules, project, page), page.next)',
        ].join('\n  '),
      },
    ],
    plan: { seed: 2, aim: { state: 'stored', who: 'coordinator', how: 'kill', lastsMs: 399 }, strikes: [] },
  },
  {
    name: 'a device forgets its messages on any answer',
    edits: [
      {
        file: 'agents/sdk/drivers/node/loop.ts',
        from: 'judgeRefusal(kind, position, code, detail, expected, retryAfterMs)\n        continue',
        to: 'void [judgeRefusal, detail, expected, retryAfterMs]\n        done.push({ kind, position })\n        continue',
      },
    ],
    plan: { seed: 3, aim: null, strikes: [strike('disk full gateway', 0, 12_000)] },
  },
  {
    name: 'a settlement is final at once, whatever the chain does after',
    edits: [
      {
        file: 'agents/coordinator/reconcile.ts',
        from: '(await view.blockNumber()) - reorgDepth',
        to: '(await view.blockNumber()) - 0 * reorgDepth',
      },
    ],
    plan: { seed: 4, aim: null, strikes: [strike('chain reorganised', 14_000, 0, 7)] },
  },
  {
    name: 'a settled window settles again, in task manager, escrow and provers’ places',
    edits: [
      { file: 'contracts/w3bstream/TaskManager.sol', from: '$.tasks[taskId] = task.withState(TaskState.Settled);', to: '' },
      { file: 'contracts/w3bstream/TaskManager.sol', from: 'if (word & bit != 0) return address(0);', to: '' },
      { file: 'contracts/w3bstream/TaskEscrow.sol', from: 'delete _holds[key];\n            uint256 due', to: 'uint256 due' },
      {
        file: 'contracts/w3bstream/ProverStore.sol',
        from: 'uint16(p.inflight - count)',
        to: 'uint16(p.inflight > count ? p.inflight - count : 0)',
      },
    ],
    plan: { seed: 5, aim: null, strikes: [strike('prover sends a proof twice', 0, 0)] },
  },
]
