// SPDX-License-Identifier: Apache-2.0
/** What a run came to: counts, pay, alarms against labels, seconds, gas. Everything about money and proofs is read from the chain. */
import { type Address, formatUnits } from 'viem'
import { z } from 'zod'
import { addressOf } from '../../kit/deployment.ts'
import { testTokenAbi } from '../../protocol/generated/abi.ts'
import type { Printer } from '../print.ts'
import { type Audit, type Books, check } from './books.ts'
import { readBooks } from './books-chain.ts'
import { type Source, spanOf, WINDOW } from './dataset.ts'
import type { Job } from './job.ts'

export interface Summary {
  /** Readings in the source, those that the gateway accepted, those whose window is settled, those still to settle. */
  readings: number
  accepted: number
  settled: number
  pending: number
  /** Refusals of the gateway by code. */
  refused: Record<string, number>
  windows: number
  /** Proofs that reached the router, and those that it verified. */
  proofs: number
  verified: number
  wallets: { name: string; device: Address; wallet: Address; readings: number; paid: string; balance: string }[]
  alarms: { name: string; device: Address; window: number; above: number; max: string; labelled: boolean | null }[]
  /** Of alarms per window against labels; null where nothing was alarmed or labelled. */
  precision: number | null
  recall: number | null
  secondsToFirstProof: number | null
  seconds: Record<string, number>
  /** Gas of assignment and settlement per settled window, batches shared out. */
  gasPerWindow: number
  gas: { assign: number; settle: number }
  assignments: number
  recalls: number
  restarts: Record<string, number>
  problems: string[]
}

const statesSchema = z.object({ pending: z.number(), states: z.record(z.string(), z.object({ tasks: z.number() })) })

/** Tasks of the coordinator; `dead` ones are put aside for good. */
export interface Progress {
  pending: number
  settled: number
  dead: number
}

/** How far the coordinator is. Undefined while it does not answer. */
export async function progressOf(job: Pick<Job, 'coordinatorUrl'>): Promise<Progress | undefined> {
  try {
    const response = await fetch(`${job.coordinatorUrl}/v1/accounting`, { signal: AbortSignal.timeout(2000) })
    const { pending, states } = statesSchema.parse(await response.json())
    return { pending, settled: states['settled']?.tasks ?? 0, dead: states['dead']?.tasks ?? 0 }
  } catch {
    return undefined
  }
}

/** Per device, whether each window of 64 readings holds a labelled one; undefined for sources without labels. */
export function labelsOf(source: Source): boolean[][] | undefined {
  if (!source.labelled) return undefined
  return source.series.map(({ readings }) =>
    Array.from({ length: Math.ceil(readings.length / WINDOW) }, (_, i) =>
      readings.slice(i * WINDOW, (i + 1) * WINDOW).some(({ label }) => label),
    ),
  )
}

/** Precision and recall of alarmed windows against labelled ones. */
export function score(
  labels: readonly (readonly boolean[])[],
  alarmed: readonly ReadonlySet<number>[],
): { precision: number | null; recall: number | null } {
  let [right, alarms, events] = [0, 0, 0]
  labels.forEach((windows, device) => {
    windows.forEach((labelled, window) => {
      const alarm = alarmed[device]?.has(window) === true
      if (labelled) events += 1
      if (alarm) alarms += 1
      if (labelled && alarm) right += 1
    })
  })
  return { precision: alarms === 0 ? null : right / alarms, recall: events === 0 ? null : right / events }
}

export async function summarise(job: Job, firstProof: number | undefined): Promise<{ summary: Summary; books: Books; audit: Audit }> {
  const { client, deployment, gatewayUrl, project, source, devices } = job
  const books = await readBooks({
    client,
    deployment,
    gatewayUrls: [gatewayUrl],
    coordinatorUrls: [job.coordinatorUrl],
    project,
    gas: true,
  })
  const audit = check(books)
  const nameOf = new Map(devices.map((device, i) => [device.toLowerCase(), source.series[i]!.name]))
  const labels = labelsOf(source)
  const alarmed = devices.map(
    (device) => new Set(books.alarms.filter((alarm) => alarm.device.toLowerCase() === device.toLowerCase()).map(({ window }) => window)),
  )
  const windows = books.windows.filter(({ settled }) => settled).length
  const token = addressOf(deployment, 'TestToken')
  const wallets = await Promise.all(
    books.wallets.map(async ({ device, wallet, readings, paid }) => {
      const balance = await client.readContract({ address: token, abi: testTokenAbi, functionName: 'balanceOf', args: [wallet] })
      return {
        name: nameOf.get(device.toLowerCase()) ?? device,
        device,
        wallet,
        readings,
        paid: formatUnits(paid, 18),
        balance: formatUnits(balance, 18),
      }
    }),
  )
  const perWindow = (gas: bigint): number => (windows === 0 ? 0 : Math.round(Number(gas) / windows))
  const summary: Summary = {
    readings: spanOf(source).readings,
    accepted: audit.accepted,
    settled: audit.settled,
    pending: audit.pending + audit.open,
    refused: books.accounting.refused,
    windows,
    proofs: books.settled.length + books.refusedItems.length,
    verified: books.settled.length,
    wallets,
    alarms: books.alarms.map(({ device, window, above, max }) => {
      const index = devices.findIndex((known) => known.toLowerCase() === device.toLowerCase())
      return {
        name: nameOf.get(device.toLowerCase()) ?? device,
        device,
        window,
        above,
        max: formatUnits(BigInt(max) + BigInt(source.rangeMin), source.decimals),
        labelled: labels?.[index]?.[window] ?? null,
      }
    }),
    ...(labels === undefined ? { precision: null, recall: null } : score(labels, alarmed)),
    secondsToFirstProof: firstProof ?? null,
    seconds: job.seconds,
    gasPerWindow: perWindow(books.settlementGas + books.assignmentGas),
    gas: { assign: perWindow(books.assignmentGas), settle: perWindow(books.settlementGas) },
    assignments: books.assignments,
    recalls: books.recalls,
    restarts: Object.fromEntries(
      [...job.supervisor.children.keys()].map((name) => [name, job.supervisor.restarts(name)]).filter(([, count]) => count !== 0),
    ) as Record<string, number>,
    problems: audit.problems,
  }
  return { summary, books, audit }
}

export function printSummary(print: Printer, summary: Summary, source: Source): void {
  const percent = (part: number | null): string => (part === null ? '–' : `${Math.round(part * 100)} %`)
  const refusals = Object.entries(summary.refused).map(([code, count]) => `${code} ${count}`)
  const skipped = source.series.reduce((sum, { missing, disordered }) => sum + missing + disordered, 0)
  print.line()
  print.table([
    [
      'readings',
      summary.readings,
      `of ${source.series.length} devices${skipped > 0 ? `; ${skipped} rows without a value or out of order were left out` : ''}`,
    ],
    ['accepted', summary.accepted, refusals.length === 0 ? 'nothing was refused' : `refused: ${refusals.join(', ')}`],
    ['windows', summary.windows, `${summary.assignments} assignments, ${summary.recalls} recalled`],
    ['proofs', summary.proofs, `${summary.verified} verified on chain`],
    ['settled', summary.settled, `readings; ${summary.pending} pending`],
    [
      'alarms',
      summary.alarms.length,
      `threshold ${source.thresholdReason}; precision ${percent(summary.precision)}, recall ${percent(summary.recall)}`,
    ],
    ['gas', summary.gasPerWindow, `per settled window: ${summary.gas.assign} to assign, ${summary.gas.settle} to settle`],
  ])
  print.line()
  print.table([
    ['device', 'wallet', 'readings', 'paid'],
    ...summary.wallets.map(({ name, wallet, readings, paid }) => [name, wallet, readings, `${paid} TEST`]),
  ])
  if (summary.alarms.length > 0) {
    print.line()
    print.table([
      ['alarm', 'window', 'above', 'highest', 'labelled'],
      ...summary.alarms.map(({ name, window, above, max, labelled }) => [
        name,
        window,
        above,
        max,
        labelled === null ? '–' : labelled ? 'yes' : 'no',
      ]),
    ])
  }
  print.line()
  print.line(
    `first verified proof after ${summary.secondsToFirstProof ?? '–'} s; ${Object.entries(summary.seconds)
      .map(([name, seconds]) => `${name} ${seconds.toFixed(1)} s`)
      .join(', ')}`,
  )
  for (const problem of summary.problems) print.line(`PROBLEM  ${problem}`)
}
