// SPDX-License-Identifier: Apache-2.0
/** `trellis backup`: every store of the local run, or of services by their configurations, into one file while they run. */
import {
  createReadStream,
  createWriteStream,
  existsSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  copyFileSync,
  closeSync,
  openSync,
  writeSync,
} from 'node:fs'
import { createHash } from 'node:crypto'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { backupDamaged, copyStore, dumpLedger, type StorePlace } from '../kit/backup.ts'
import { type Deployment, readDeployment } from '../kit/deployment.ts'
import { createLog } from '../kit/log.ts'
import type { QueuePlace } from '../kit/queue.ts'
import { isTrellisError, TrellisError } from '../protocol/errors.ts'
import { type Entry, FORMAT, hashFile, type Manifest, pack } from './local/archive.ts'
import { signedPost, urlOf } from './local/coordinator-call.ts'
import { isRunning } from './local/process.ts'
import { fromWhereCalled, type LocalState, repository, stateAt } from './local/state.ts'
import { coordinatorConfigOf, inOrder, KINDS, placesOf, type Target, targetsOf } from './local/stores.ts'
import { printer } from './print.ts'

export interface BackupOptions {
  out: string
  service?: string[]
  json: boolean
}

/** Besides stores: what a local run needs to be gone on with. */
const PLAIN = ['run.json', 'addresses/*', 'chains/**', 'keys/*', 'deployments/*/*/*.json']
/** Longest time that a coordinator may take to give its ledger out, milliseconds. */
const DUMP_MS = 300_000

export async function backup(stateOption: string | undefined, options: BackupOptions): Promise<void> {
  const print = printer(options.json)
  const out = fromWhereCalled(options.out)
  if (existsSync(out))
    throw new TrellisError({
      code: 'BACKUP_EXISTS',
      message: 'There is a file of this name already; a backup overwrites nothing.',
      details: { file: out },
      next: 'choose another name',
    })
  const state = options.service === undefined ? stateAt(stateOption) : undefined
  const targets = state === undefined ? targetsOf(options.service!) : targetsIn(state)
  mkdirSync(dirname(out), { recursive: true })
  // On the disk where the file goes: there is room for it, or there is none.
  const folder = mkdtempSync(join(dirname(out), '.trellis-backup-'))
  try {
    const places = await Promise.all(targets.map(placesOf))
    const entries: Entry[] = []
    for (const [i, target] of targets.entries()) {
      for (const [place, found] of places[i]!.entries()) entries.push(...(await copyPlace(folder, target, place, found)))
      // Of a service that somebody named there is something, or its folder is elsewhere than this configuration says.
      if (state === undefined && places[i]!.length > 0 && !entries.some(({ label }) => label === target.label))
        throw new TrellisError({
          code: 'NOTHING_TO_BACK_UP',
          message: `Where ${target.label} should keep its store there is nothing.`,
          details: { configuration: target.config },
          next: 'run it where the service runs, with its environment, or name its data folder in the configuration',
        })
      print.step(`${target.label}: ${entries.filter(({ label }) => label === target.label).length} files`)
    }
    entries.push(...(await (state === undefined ? configurations(folder, targets) : plainFiles(folder, state))))
    const deployment = state === undefined ? await deploymentOf(targets) : existing(state.addressesFile)
    const manifest: Manifest = {
      format: FORMAT,
      program: (JSON.parse(readFileSync(join(repository, 'package.json'), 'utf8')) as { version: string }).version,
      at: new Date().toISOString(),
      of: state === undefined ? 'services' : 'run',
      root: state?.root ?? null,
      deployment: deployment === undefined ? null : nameOf(deployment),
      children: Object.fromEntries(Object.entries(state?.readRun()?.children ?? {}).filter(([, ref]) => isRunning(ref))),
      services: Object.fromEntries(targets.map(({ label, kind }) => [label, kind])),
      entries,
    }
    const { bytes, sha256 } = await pack(folder, manifest, out)
    if (options.json) process.stdout.write(`${JSON.stringify({ file: out, bytes, sha256, at: manifest.at, entries: entries.length })}\n`)
    else {
      print.line(`${out}  ${bytes} bytes, ${entries.length} files, sha256 ${sha256}`)
      print.line('It holds keys: keep it as you keep those. To go back: npm run trellis -- restore FILE')
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Every service that ran in this state folder. @throws TrellisError NOTHING_TO_BACK_UP */
export function targetsIn(state: LocalState): Target[] {
  const name = new RegExp(`/(${KINDS.join('|')})(-\\d+)?\\.json$`)
  const found = existsSync(state.root) ? globSync('deployments/*/*/*.json', { cwd: state.root }) : []
  const targets = found.flatMap((file): Target[] => {
    const kind = KINDS.find((known) => known === name.exec(file.replaceAll('\\', '/'))?.[1])
    return kind === undefined ? [] : [{ kind, label: file.replace(/\.json$/, ''), config: state.path(file) }]
  })
  if (targets.length > 0) return inOrder(targets)
  throw new TrellisError({
    code: 'NOTHING_TO_BACK_UP',
    message: 'There is no local run here.',
    details: { state: state.root },
    next: 'npm start, or name services: npm run trellis -- backup --out FILE --service gateway=gateway.json',
  })
}

async function copyPlace(folder: string, target: Target, place: number, found: StorePlace): Promise<Entry[]> {
  const entries: Entry[] = []
  const add = async (kind: Entry['kind'], path: string, write: (to: string) => Promise<number> | number | undefined): Promise<void> => {
    const at = join(target.label, String(place), path)
    const to = join(folder, 'data', at)
    mkdirSync(dirname(to), { recursive: true, mode: 0o700 })
    const version = await write(to)
    entries.push({ at, kind, label: target.label, place, path, ...(version !== undefined && { version }), ...(await hashFile(to)) })
  }
  if (found.kind === 'tables') {
    const { databaseUrl, schema, folder: root } = found.place
    if (databaseUrl !== undefined) await add('postgres', schema, (to) => dumpTo(to, { ...found.place, log: quiet() }))
    else
      for (const path of inFolder(root, found.pattern ?? '*').filter((name) => existsSync(join(root, name, 'pg'))))
        await add('pglite', path, (to) => dumpPglite(to, target, { ...found.place, folder: join(root, path), log: quiet() }))
    return entries
  }
  for (const path of inFolder(found.folder, found.pattern)) {
    const from = join(found.folder, path)
    if (found.kind === 'sqlite') await add('sqlite', path, (to) => copyStore(from, to))
    else
      await add('file', path, (to) => {
        copyFileSync(from, to)
        return undefined
      })
  }
  return entries
}

const quiet = () => createLog('backup', 'silent')
const inFolder = (cwd: string, pattern: string): string[] => (existsSync(cwd) ? globSync(pattern, { cwd }).sort() : [])

async function dumpTo(file: string, place: QueuePlace): Promise<number> {
  const handle = openSync(file, 'wx', 0o600)
  try {
    return await dumpLedger(place, (line) => writeSync(handle, `${line}\n`))
  } finally {
    closeSync(handle)
  }
}

/** The process that has the folder open is asked; where nobody has, it is opened here. */
async function dumpPglite(file: string, { config }: Target, place: QueuePlace): Promise<number> {
  try {
    return await dumpTo(file, place)
  } catch (error) {
    if (!isTrellisError(error, 'FOLDER_IN_USE')) throw error
    rmSync(file)
  }
  const of = await coordinatorConfigOf(config)
  const { href, request } = await signedPost(of, urlOf(of), '/v1/backup', {})
  const response = await fetch(href, { ...request, redirect: 'error', signal: AbortSignal.timeout(DUMP_MS) }).catch((cause: unknown) => {
    throw new TrellisError({
      code: 'COORDINATOR_SILENT',
      message: 'The coordinator has its ledger open and does not answer.',
      details: { url: href },
      next: 'try again; or stop it first, and its ledger is read from its folder',
      retryable: true,
      cause,
    })
  })
  if (!response.ok || response.body === null)
    throw new TrellisError({
      code: 'COORDINATOR_REFUSED',
      message: 'The coordinator does not give its ledger out.',
      details: { url: href, status: response.status, said: (await response.text()).slice(0, 300) },
      next: 'back up with the configuration that this coordinator runs with, its key above all',
    })
  await pipeline(Readable.fromWeb(response.body as never), createWriteStream(file, { mode: 0o600 }))
  for await (const line of createInterface({ input: createReadStream(file) })) return (JSON.parse(line) as { version: number }).version
  throw backupDamaged({ from: href, reason: 'the coordinator sent nothing' })
}

/** Files of a local run that are no stores. */
const plainFiles = (folder: string, state: LocalState): Promise<Entry[]> =>
  Promise.all(
    PLAIN.flatMap((pattern) => globSync(pattern, { cwd: state.root }))
      .filter((path) => statSync(state.path(path)).isFile())
      .sort()
      .map((path) => plain(folder, join('run', path), state.path(path), path)),
  )

/** Configurations as they were, for a person who lost them; a restore goes by those that are given to it. */
const configurations = (folder: string, targets: readonly Target[]): Promise<Entry[]> =>
  Promise.all(targets.map(({ label, config }) => plain(folder, join('configurations', `${label}.json`), config, `${label}.json`)))

async function plain(folder: string, at: string, from: string, path: string): Promise<Entry> {
  const to = join(folder, 'data', at)
  mkdirSync(dirname(to), { recursive: true, mode: 0o700 })
  copyFileSync(from, to)
  return { at, kind: 'plain', path, ...(await hashFile(to)) }
}

/** The one deployment of these services. @throws TrellisError BACKUP_MIXED */
export async function deploymentOf(targets: readonly Target[]): Promise<Deployment | undefined> {
  let found: Deployment | undefined
  for (const { config } of targets) {
    const { chain, addressesFile } = JSON.parse(readFileSync(config, 'utf8')) as {
      chain?: { addressesFile?: string }
      addressesFile?: string
    }
    const next = readDeployment(chain?.addressesFile ?? addressesFile ?? '.trellis/addresses/31337.json')
    if (found !== undefined && nameOf(found).contracts + found.genesisHash !== nameOf(next).contracts + next.genesisHash)
      throw new TrellisError({
        code: 'BACKUP_MIXED',
        message: 'These services are of different deployments.',
        details: { config },
        next: 'make a backup for each deployment',
      })
    found = next
  }
  return found
}

const existing = (file: string): Deployment | undefined => (existsSync(file) ? readDeployment(file) : undefined)

/** A deployment in few words: its chain, and a digest of its contracts' addresses. */
export function nameOf({ chainId, genesisHash, contracts }: Deployment): NonNullable<Manifest['deployment']> {
  const addresses = Object.entries(contracts).map(([name, { address }]) => `${name} ${address.toLowerCase()}`)
  return { chainId, genesisHash, contracts: createHash('sha256').update(addresses.sort().join()).digest('hex').slice(0, 16) }
}
