// SPDX-License-Identifier: Apache-2.0
/**
 * `trellis device batch FILE.csv`: registers the devices of a file. Every row is checked before anything is sent, and all that is wrong is told at once.
 * What is done is read from the chain, so a run that was killed, or one with more rows, goes on with what is missing and does nothing twice.
 */
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { dirname, isAbsolute, join } from 'node:path'
import { parse } from 'csv-parse/sync'
import type { Hex, TransactionReceipt } from 'viem'
import { isTrellisError, toTrellisError, TrellisError } from '../protocol/errors.ts'
import { projectId } from '../protocol/ids.ts'
import { planTokens } from './chain/collection.ts'
import { openNetwork } from './chain/network.ts'
import {
  type Candidate,
  checkQuota,
  consentTo,
  readCandidate,
  batchSteps,
  type Registered,
  registerStep,
  standingOf,
  walletsMade,
} from './chain/registration.ts'
import { carryOut, jsonOf, openPurse, type Purse, type SpendOptions, spentJson, tell } from './chain/spend.ts'
import { type DocumentOptions, placeDocument, type PlacedDocument } from './did.ts'
import { fromWhereCalled } from './local/state.ts'
import { columns } from './print.ts'
import { type ProjectFacts, readProject } from './project.ts'

export interface BatchOptions extends SpendOptions, Pick<DocumentOptions, 'gateway' | 'ipfsGateway'> {
  project: string
  /** Where the rows' results go; beside the file by default. */
  out?: string
}

/** Columns that a file may have. One of the first two is in each row; paths start at the file's folder. */
const COLUMNS = ['keys', 'offer', 'document', 'uri', 'token'] as const
/** Most rows of a file. */
const MAX_ROWS = 10_000
/** Rows prepared at once. */
const WIDTH = 8

interface Row extends Partial<Record<(typeof COLUMNS)[number], string>> {
  /** In the file, from 1; its header is line 1. */
  line: number
}

interface Ready {
  row: Row
  candidate: Candidate
  /** Null for one that is registered already. */
  document: PlacedDocument | null
  there: Registered | undefined
  token: bigint | undefined
}

/** What became of a row. */
interface Outcome {
  line: number
  did: string
  result: 'registered' | 'there' | 'failed'
  tokenId: string
  wallet: string
  tx: Hex | ''
  reason: string
}

export async function registerBatch(state: string | undefined, csv: string, options: BatchOptions): Promise<void> {
  const file = fromWhereCalled(csv)
  const rows = readRows(file)
  const out = options.out === undefined ? `${file.replace(/\.csv$/i, '')}.result.csv` : fromWhereCalled(options.out)
  checkResult(out)
  const purse = await openPurse(await openNetwork(state, options), options)
  const { network, account } = purse
  const project = await readProject(network, projectId(options.project))
  const ready = await prepare(purse, project, rows, file, options)
  const fresh = ready.filter(({ there }) => there === undefined)
  checkQuota(project, fresh.length)
  const named = fresh.flatMap(({ token }) => (token === undefined ? [] : [token]))
  const plan = await planTokens(purse, project, fresh.length - named.length, named)
  const done = new Map<string, Hex>()
  let next = 0
  const signed = fresh.map((item) => {
    const place = item.token === undefined ? next++ : -1
    const sign = (deadline: bigint) =>
      consentTo(network, item.candidate, {
        ...{ deviceContract: plan.deviceContract, tokenId: item.token ?? plan.tokens[place]!, user: account.address },
        ...{ document: item.document!, deadline },
      })
    return {
      device: item.candidate.device,
      uri: item.document!.uri,
      offered: item.candidate.offer !== undefined,
      mint: plan.mints[place],
      sign,
    }
  })
  const take = (receipt: TransactionReceipt): void => {
    for (const device of walletsMade(receipt).keys()) done.set(device, receipt.transactionHash)
  }
  // One deadline stands over a part of a batch; devices that offered themselves have theirs.
  const alone = signed
    .filter(({ offered }) => offered)
    .map(({ device, uri, sign }) => registerStep(purse, project, device, uri, () => sign(0n), take))
  const steps = [
    ...batchSteps(
      purse,
      project,
      signed.filter(({ offered }) => !offered),
      take,
    ),
    ...alone,
  ]

  const failure: { error?: TrellisError } = {}
  const title = `${fresh.length} of ${rows.length} devices into "${project.name}"`
  const spent = await carryOut(purse, title, fresh.length === 0 ? [] : [...plan.steps, ...steps], options).catch((error: unknown) => {
    // Nothing was sent: there is no result to write.
    if (isTrellisError(error) && ['CONFIRMATION_MISSING', 'NOT_CONFIRMED', 'KEY_WITHOUT_FUNDS'].includes(error.code)) throw error
    failure.error = toTrellisError(error)
    return undefined
  })
  const outcomes = await Promise.all(ready.map((item) => outcomeOf(purse, project, item, done, failure.error)))
  writeResult(out, outcomes)
  const count = (result: Outcome['result']): number => outcomes.filter((outcome) => outcome.result === result).length
  const summary = { project: project.id, registered: count('registered'), there: count('there'), failed: count('failed'), out }
  if (options.json) tell(true, { ...summary, rows: outcomes, ...(spent !== undefined && spentJson(spent)) })
  else {
    const table = outcomes.map(({ line, did, result, wallet, reason }) => [line, did, result, wallet, reason])
    process.stdout.write(`${columns([['line', 'device', 'result', 'wallet', 'reason'], ...table])}\n`)
    tell(false, summary)
  }
  if (failure.error !== undefined) {
    const { code, message, details } = failure.error
    throw new TrellisError({
      code,
      message,
      details,
      next: 'run the same command again: it goes on with the rows that are missing',
      cause: failure.error,
    })
  }
}

/** @throws TrellisError CSV_INVALID with every mistake */
function readRows(file: string): Row[] {
  let records: Record<string, string>[]
  try {
    records = parse(readFileSync(file), { columns: true, bom: true, trim: true, skip_empty_lines: true, relax_column_count: false })
  } catch (cause) {
    throw new TrellisError({
      code: 'CSV_INVALID',
      message: 'The file cannot be read as CSV with a header.',
      details: { file, reason: cause instanceof Error ? cause.message : String(cause) },
      next: `columns are ${COLUMNS.join(', ')}; each row has keys or offer`,
    })
  }
  const unknown = Object.keys(records[0] ?? {}).filter((name) => !COLUMNS.includes(name as (typeof COLUMNS)[number]))
  const wrong = unknown.map((name) => `there is no column ${name.slice(0, 40)}`)
  if (records.length === 0) wrong.push('there is no row')
  if (records.length > MAX_ROWS) wrong.push(`there are more than ${MAX_ROWS} rows: split the file`)
  const rows: Row[] = records.map((record, i) => ({
    ...(Object.fromEntries(Object.entries(record).filter(([, value]) => value !== '')) as Omit<Row, 'line'>),
    line: i + 2,
  }))
  if (wrong.length === 0) return rows
  throw badRows(file, wrong)
}

/** Every row with its device, its consent and its document in place. @throws TrellisError CSV_INVALID with all rows that are wrong */
async function prepare(
  { network, account }: Purse,
  project: ProjectFacts,
  rows: readonly Row[],
  file: string,
  options: BatchOptions,
): Promise<Ready[]> {
  const path = (name: string | undefined): string | undefined => (name === undefined || isAbsolute(name) ? name : join(dirname(file), name))
  const wrong: string[] = []
  const seen = new Map<string, number>()
  const ready: Ready[] = []
  const note = (line: number, error: unknown): void => void wrong.push(`line ${line}: ${reasonOf(error)}`)
  for (const row of rows) {
    try {
      if (row.token !== undefined && !/^[1-9]\d{0,77}$/.test(row.token))
        throw new TrellisError({ code: 'ROW_INVALID', message: `${row.token.slice(0, 40)} is no token id.` })
      const candidate = readCandidate({ keys: path(row.keys), offer: path(row.offer) })
      for (const [what, value] of [
        ['device', candidate.device],
        ['token', row.token],
      ] as const) {
        const before = value === undefined ? undefined : seen.get(`${what} ${value}`)
        if (before !== undefined) throw new TrellisError({ code: 'ROW_TWICE', message: `The ${what} is that of line ${before}.` })
        if (value !== undefined) seen.set(`${what} ${value}`, row.line)
      }
      if (candidate.offer !== undefined && row.token === undefined)
        throw new TrellisError({
          code: 'ROW_INVALID',
          message: 'An offer names the device NFT that the device consented to: token is missing.',
        })
      ready.push({ row, candidate, document: null, there: undefined, token: row.token === undefined ? undefined : BigInt(row.token) })
    } catch (error) {
      note(row.line, error)
    }
  }
  for (let from = 0; from < ready.length; from += WIDTH) {
    await Promise.all(
      ready.slice(from, from + WIDTH).map(async (item) => {
        const { row, candidate } = item
        try {
          item.there = await standingOf(network, candidate.device, project.id, account.address)
          if (item.there !== undefined) return
          const document = path(row.document)
          const places = {
            ...options,
            keysFile: path(row.keys),
            ...(document !== undefined && { document }),
            ...(row.uri !== undefined && { uri: row.uri }),
          }
          item.document =
            candidate.offer === undefined
              ? await placeDocument(network, candidate.device, candidate.keys, places)
              : { text: '', ...candidate.offer }
        } catch (error) {
          note(row.line, error)
        }
      }),
    )
  }
  if (wrong.length > 0) throw badRows(file, wrong)
  return ready
}

/** By the chain, whatever this run saw of it. */
async function outcomeOf(
  { network, account }: Purse,
  project: ProjectFacts,
  { row, candidate, there }: Ready,
  done: ReadonlyMap<string, Hex>,
  failure: TrellisError | undefined,
): Promise<Outcome> {
  const { device, did } = candidate
  const now = there ?? (await standingOf(network, device, project.id, account.address).catch(() => undefined))
  const told = {
    line: row.line,
    did,
    tokenId: now?.tokenId.toString() ?? '',
    wallet: now?.wallet ?? '',
    tx: done.get(device) ?? '',
  } as const
  if (now !== undefined) return { ...told, result: there === undefined ? 'registered' : 'there', reason: '' }
  return { ...told, result: 'failed', reason: failure?.message ?? 'the chain does not have it' }
}

const RESULT = ['line', 'did', 'result', 'tokenId', 'wallet', 'tx', 'reason'] as const

/** A result is written over one of an earlier run, and over nothing else. @throws TrellisError FILE_EXISTS */
function checkResult(file: string): void {
  if (!existsSync(file) || readFileSync(file, 'utf8').startsWith(`${RESULT.join(',')}\n`)) return
  throw new TrellisError({
    code: 'FILE_EXISTS',
    message: 'Nothing was sent: where the result would go lies a file that is no result of this command.',
    details: { file },
    next: 'choose another name: --out FILE',
  })
}

/** In one step: who reads it never sees half. */
function writeResult(file: string, outcomes: readonly Outcome[]): void {
  const quoted = (value: string | number): string =>
    /[",\n]/.test(String(value)) ? `"${String(value).replaceAll('"', '""')}"` : String(value)
  const lines = [RESULT.join(','), ...outcomes.map((outcome) => RESULT.map((name) => quoted(outcome[name])).join(','))]
  writeFileSync(`${file}.${process.pid}`, `${lines.join('\n')}\n`)
  renameSync(`${file}.${process.pid}`, file)
}

function reasonOf(error: unknown): string {
  const { message, details } = toTrellisError(error)
  const facts = Object.entries(details).map(([name, value]) => `${name} ${typeof value === 'string' ? value : jsonOf(value)}`)
  return [message, ...facts].join(' ')
}

function badRows(file: string, wrong: readonly string[]): TrellisError {
  return new TrellisError({
    code: 'CSV_INVALID',
    message: `Nothing was sent: the file has ${wrong.length} mistake${wrong.length === 1 ? '' : 's'}.`,
    details: { file, ...Object.fromEntries(wrong.map((text, i) => [String(i + 1), text])) },
    next: `mend them and run it again; columns are ${COLUMNS.join(', ')}`,
  })
}
