// SPDX-License-Identifier: Apache-2.0
/** `trellis audit`: accepted = settled + pending + refused after acceptance, over ids from the chain and the store; paid = due per wallet. */
import { formatUnits } from 'viem'
import { connectDeployment } from '../kit/deployment.ts'
import { TrellisError } from '../protocol/errors.ts'
import { check, readBooks } from './local/books.ts'
import { isRunning } from './local/process.ts'
import { stateAt } from './local/state.ts'
import { printer } from './print.ts'

const chainPolicy = { confirmations: 0, pollMs: 150, reorgDepth: 1 }

export async function audit(stateOption: string | undefined, options: { json: boolean }): Promise<void> {
  const state = stateAt(stateOption)
  const record = state.readRun()
  // Until a chain is there with its contracts, books of another one would be read, or none.
  if (record?.phase !== undefined && isRunning(record.supervisor)) {
    throw new TrellisError({
      code: 'RUN_STARTING',
      message: `There is nothing to audit yet: ${record.phase}.`,
      details: { state: state.root },
      next: 'wait until npm run trellis -- status shows the project, then audit again',
      retryable: true,
    })
  }
  if (record?.job === undefined) {
    throw new TrellisError({
      code: 'NOTHING_TO_AUDIT',
      message: 'No local run with a project is known here.',
      details: { state: state.root },
      next: 'npm start',
    })
  }
  // Books of another chain would hold no settlement, and nothing that is wrong.
  const rpcUrl = `http://127.0.0.1:${record.ports.chain}`
  const { deployment, chain } = await connectDeployment({ rpcUrl, addressesFile: state.addressesFile, ...chainPolicy })
  const books = await readBooks({
    client: chain.public,
    deployment,
    gatewayUrl: `http://127.0.0.1:${record.ports.gateway}`,
    project: BigInt(record.job.project),
  })
  const result = check(books)
  const { accepted, settled, pending, open, refusedAfterAccept, problems } = result
  if (options.json) {
    const wallets = books.wallets.map(({ device, wallet, due, paid }) => ({ device, wallet, due: due.toString(), paid: paid.toString() }))
    console.log(
      JSON.stringify({ ...result, wallets, tasks: books.windows.map(({ taskId, settled: done }) => ({ taskId, settled: done })) }),
    )
  } else {
    const print = printer(false)
    for (const { taskId, device, index, firstSequence, count, settled: done } of books.windows) {
      const last = BigInt(firstSequence) + BigInt(count) - 1n
      print.line(`${done ? 'settled' : 'pending'}  ${taskId}  ${device} window ${index}, readings ${firstSequence} to ${last}`)
    }
    print.line()
    print.line(
      `readings: ${accepted} accepted = ${settled} settled + ${pending} pending + ${open} not in a window yet + ${refusedAfterAccept} refused after acceptance`,
    )
    print.line(`tasks: ${books.windows.length} windows in the store, ${books.settled.length} settlements on chain, each once`)
    print.table([
      ['wallet', 'readings', 'due', 'paid'],
      ...books.wallets.map(({ wallet, readings, due, paid }) => [wallet, readings, formatUnits(due, 18), formatUnits(paid, 18)]),
    ])
    for (const problem of problems) print.line(`PROBLEM  ${problem}`)
    print.line(problems.length === 0 ? 'The books are right.' : `${problems.length} problems.`)
  }
  process.exitCode = problems.length === 0 ? 0 : 1
}
