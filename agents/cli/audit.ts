// SPDX-License-Identifier: Apache-2.0
/**
 * `trellis audit`: accepted = settled + pending + refused with reasons, over ids from the chain and the stores; paid = due for devices, provers and
 * sequencers. Of the local run, or of any network that is named.
 */
import { formatUnits } from 'viem'
import { connectDeployment } from '../kit/deployment.ts'
import { isTrellisError, TrellisError } from '../protocol/errors.ts'
import { type Books, check, refusalsOf } from './local/books.ts'
import { type BooksSource, readBooks } from './local/books-chain.ts'
import { isRunning } from './local/process.ts'
import { fromWhereCalled, type LocalState, stateAt } from './local/state.ts'
import { jsonLine, printer } from './print.ts'

export const chainPolicy = { confirmations: 0, pollMs: 150, reorgDepth: 1 }

/** A network by its options; the local run when none is given. */
export interface NetworkOptions {
  addresses?: string
  rpc?: string
  gateway?: string
  project?: string
  coordinator?: string
}

export interface AuditOptions extends NetworkOptions {
  json: boolean
}

/** Where the books are: what to connect to, and who to ask. */
export interface Target extends Pick<BooksSource, 'gatewayUrls' | 'project'> {
  rpcUrl: string
  addressesFile: string
  coordinatorUrls: string[]
  /** A coordinator that is down costs reasons, not the audit. */
  withoutCoordinators: boolean
}

export async function audit(stateOption: string | undefined, options: AuditOptions): Promise<void> {
  const target = targetFor(stateOption, options)
  const { rpcUrl, addressesFile, gatewayUrls, coordinatorUrls, project } = target
  // Books of another chain would hold no settlement, and nothing that is wrong.
  const { deployment, chain } = await connectDeployment({ rpcUrl, addressesFile, ...chainPolicy })
  const read = (coordinators: string[]): Promise<Books> =>
    readBooks({ client: chain.public, deployment, gatewayUrls, coordinatorUrls: coordinators, project })
  const books = await read(coordinatorUrls).catch((error: unknown) => {
    if (target.withoutCoordinators && isTrellisError(error, 'COORDINATOR_SILENT')) return read([])
    throw error
  })
  const problems = options.json ? printJson(books) : printBooks(books)
  process.exitCode = problems === 0 ? 0 : 1
}

export const targetFor = (stateOption: string | undefined, options: NetworkOptions): Target =>
  targetOf(options) ?? localTarget(stateAt(stateOption))

/** A network named by its options; undefined when none is given. @throws TrellisError FLAG_MALFORMED */
function targetOf({ addresses, rpc, gateway, project, coordinator }: NetworkOptions): Target | undefined {
  const given = { '--addresses': addresses, '--rpc': rpc, '--gateway': gateway, '--project': project }
  const missing = Object.entries(given).filter(([, value]) => value === undefined)
  if (missing.length === 4 && coordinator === undefined) return undefined
  const malformed = missing.length > 0 ? `${missing.map(([name]) => name).join(', ')} missing` : undefined
  if (malformed !== undefined || !/^[0-9]{1,20}$/.test(project!)) {
    throw new TrellisError({
      code: 'FLAG_MALFORMED',
      message: `A network to audit takes four options together: ${malformed ?? `--project ${project!.slice(0, 40)} is no decimal id`}.`,
      next: 'npm run trellis -- audit --addresses FILE --rpc URL --gateway URL,URL --project ID',
    })
  }
  const urls = (text: string): string[] => text.split(',').filter((url) => url !== '')
  return {
    rpcUrl: rpc!,
    addressesFile: fromWhereCalled(addresses!),
    gatewayUrls: urls(gateway!),
    coordinatorUrls: urls(coordinator ?? ''),
    project: BigInt(project!),
    withoutCoordinators: false,
  }
}

/** The run that this state records. @throws TrellisError RUN_STARTING | NOTHING_TO_AUDIT */
function localTarget(state: LocalState): Target {
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
      next: 'npm start, or name a network: audit --addresses FILE --rpc URL --gateway URL --project ID',
    })
  }
  const { ports, job } = record
  const url = (port: number): string => `http://127.0.0.1:${port}`
  return {
    rpcUrl: url(ports.chain),
    addressesFile: state.addressesFile,
    gatewayUrls: [url(ports.gateway)],
    coordinatorUrls: [url(ports.coordinator)],
    project: BigInt(job.project),
    withoutCoordinators: true,
  }
}

const stateOf = (settled: boolean, reason: string | undefined): string =>
  settled ? 'settled' : reason === undefined ? 'pending' : 'refused'

function printJson(books: Books): number {
  const [result, refusals] = [check(books), refusalsOf(books)]
  const text = (amounts: Record<string, bigint>): Record<string, string> =>
    Object.fromEntries(Object.entries(amounts).map(([name, amount]) => [name, amount.toString()]))
  console.log(
    jsonLine({
      ...result,
      refusedBefore: books.accounting.refused,
      stores: books.stores,
      wallets: books.wallets.map(({ device, wallet, token, due, paid }) => ({ device, wallet, token, ...text({ due, paid }) })),
      fees: books.fees.map(({ account, role, token, due, paid, tasks }) => ({ account, role, token, ...text({ due, paid }), tasks })),
      purses: books.purses.map(({ token, ...amounts }) => ({ token, ...text(amounts) })),
      tasks: books.windows.map(({ taskId, device, index, firstSequence, count, settled }) => {
        const reason = refusals.get(taskId)
        return { taskId, state: stateOf(settled, reason), settled, reason: reason ?? null, device, window: index, firstSequence, count }
      }),
    }),
  )
  return result.problems.length
}

function printBooks(books: Books): number {
  const { accepted, settled, pending, open, refusedAfterAccept, refusedBy, problems } = check(books)
  const [print, refusals] = [printer(false), refusalsOf(books)]
  for (const { taskId, device, index, firstSequence, count, settled: done } of books.windows) {
    const last = BigInt(firstSequence) + BigInt(count) - 1n
    const reason = refusals.get(taskId)
    const why = reason === undefined ? '' : `: ${reason}`
    print.line(`${stateOf(done, reason)}  ${taskId}  ${device} window ${index}, readings ${firstSequence} to ${last}${why}`)
  }
  print.line()
  const reasons = (counts: Record<string, number>): string => {
    const named = Object.entries(counts).map(([reason, number]) => `${reason} ${number}`)
    return named.length === 0 ? '' : ` (${named.join(', ')})`
  }
  print.line(
    `readings: ${accepted} accepted = ${settled} settled + ${pending} pending + ${open} not in a window yet + ${refusedAfterAccept} refused after acceptance${reasons(refusedBy)}`,
  )
  print.line(`refused at the door${reasons(books.accounting.refused) || ': nothing'}`)
  const where = books.stores.length === 1 ? 'the store' : `${books.stores.length} stores`
  print.line(`tasks: ${books.windows.length} windows in ${where}, ${books.settled.length} settlements on chain`)
  print.table([
    ['wallet', 'readings', 'due', 'paid'],
    ...books.wallets.map(({ wallet, readings, due, paid }) => [wallet, readings, formatUnits(due, 18), formatUnits(paid, 18)]),
    ...books.fees.map(({ account, role, tasks, due, paid }) => [
      account,
      `${role} of ${tasks.length} tasks`,
      formatUnits(due, 18),
      formatUnits(paid, 18),
    ]),
  ])
  for (const problem of problems) print.line(`PROBLEM  ${problem}`)
  print.line(problems.length === 0 ? 'The books are right.' : `${problems.length} problems.`)
  return problems.length
}
