// SPDX-License-Identifier: Apache-2.0
/**
 * `trellis restore`: puts a backup where nothing is. A restored store is behind the chain, so it gets a new name and forgets who worked on what:
 * services ask the chain, and each other from the beginning, before they send anything.
 */
import {
  copyFileSync,
  createReadStream,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { requireEmpty, restoreLedger, reviveStore, syncFile, type StorePlace } from '../kit/backup.ts'
import { createLog } from '../kit/log.ts'
import type { QueuePlace } from '../kit/queue.ts'
import { storeTooNew } from '../kit/migrations.ts'
import { TrellisError } from '../protocol/errors.ts'
import { deploymentOf, nameOf } from './backup.ts'
import { type Entry, type Manifest, unpack } from './local/archive.ts'
import { isRunning } from './local/process.ts'
import { fromWhereCalled, type LocalState, stateAt } from './local/state.ts'
import { inOrder, type Kind, placesOf, type Target, targetsOf } from './local/stores.ts'
import { printer } from './print.ts'

export interface RestoreOptions {
  service?: string[]
}

export async function restore(stateOption: string | undefined, given: string, options: RestoreOptions): Promise<void> {
  const print = printer(false)
  const file = fromWhereCalled(given)
  if (!existsSync(file))
    throw new TrellisError({
      code: 'BACKUP_UNKNOWN',
      message: 'There is no such file.',
      details: { file },
      next: 'npm run trellis -- backup --out FILE makes one',
    })
  const state = options.service === undefined ? stateAt(stateOption) : undefined
  const home = dirname(state?.root ?? fromWhereCalled('x'))
  mkdirSync(home, { recursive: true })
  const folder = mkdtempSync(join(home, '.trellis-restore-'))
  try {
    const manifest = await unpack(file, folder)
    if ((manifest.of === 'run') !== (state !== undefined))
      throw new TrellisError({
        code: 'FLAG_MALFORMED',
        message: manifest.of === 'run' ? 'This is the backup of a local run.' : 'This is a backup of services.',
        details: { services: Object.keys(manifest.services).join(', ') },
        next:
          manifest.of === 'run'
            ? 'leave --service out; --state says where it goes'
            : `name the configuration of each: ${Object.entries(manifest.services)
                .map(([label, kind]) => `--service ${kind}=${label}.json`)
                .join(' ')}`,
      })
    if (state === undefined) await restoreServices(manifest, join(folder, 'data'), targetsOf(options.service!))
    else await restoreRun(manifest, join(folder, 'data'), state, join(folder, 'state'))
    print.line(`${manifest.entries.filter(({ kind }) => kind !== 'plain').length} stores and keys of ${manifest.at} are back.`)
    print.line(
      state === undefined
        ? 'Start the services: each asks the chain before it acts.'
        : 'npm start goes on from there; then npm run trellis -- audit',
    )
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** All of it, or nothing: made beside and renamed. */
async function restoreRun(manifest: Manifest, data: string, state: LocalState, draft: string): Promise<void> {
  const { root } = state
  if (existsSync(root) && readdirSync(root).length > 0)
    throw new TrellisError({
      code: 'STATE_NOT_EMPTY',
      message: 'There is state already where the backup would go; a restore overwrites nothing.',
      details: { state: root },
      next: `npm run trellis -- stop, then move it away: mv ${root} ${root}.before`,
    })
  // The chain may live on: it is what the restored run goes on with.
  const running = Object.entries(manifest.children).filter(([name, ref]) => name !== 'chain' && isRunning(ref))
  if (running.length > 0)
    throw new TrellisError({
      code: 'SERVICES_RUNNING',
      message: 'Services of this run are running, over files that are gone.',
      details: Object.fromEntries(running.map(([name, { pid }]) => [name, `process ${pid}`])),
      next: 'end these processes, and the supervisor that starts them again; then restore',
    })
  for (const { at, path } of manifest.entries.filter(({ kind }) => kind === 'plain')) {
    put(join(data, at), join(draft, path))
    if (manifest.root !== null) moveRoot(join(draft, path), manifest.root, draft)
  }
  const targets = Object.entries(manifest.services).map(([label, kind]): Target => ({
    label,
    kind: kind as Kind,
    config: join(draft, `${label}.json`),
  }))
  await putBack(manifest, data, inOrder(targets))
  for (const { path } of manifest.entries.filter(({ kind }) => kind === 'plain')) moveRoot(join(draft, path), draft, root)
  if (existsSync(root)) rmdirSync(root)
  renameSync(draft, root)
  syncFile(dirname(root))
}

/** Paths in configurations and in the record of the run. */
function moveRoot(file: string, from: string, to: string): void {
  if (!file.endsWith('.json')) return
  const inJson = (path: string): string => JSON.stringify(path).slice(1, -1)
  const text = readFileSync(file, 'utf8')
  const moved = text.replaceAll(`"${inJson(from)}/`, `"${inJson(to)}/`)
  if (moved !== text) writeFileSync(file, moved, { mode: 0o600 })
}

async function restoreServices(manifest: Manifest, data: string, targets: readonly Target[]): Promise<void> {
  const labels = targets.map(({ label, kind }) => `${kind} ${label}`).sort()
  const wanted = Object.entries(manifest.services).map(([label, kind]) => `${kind} ${label}`)
  const missing = labels.filter((name) => !wanted.includes(name))
  if (missing.length > 0)
    throw new TrellisError({
      code: 'SERVICE_UNKNOWN',
      message: `The backup has no ${missing.join(', ')}.`,
      details: { has: wanted.join(', ') },
      next: 'name the same files as when it was made',
    })
  const deployment = await deploymentOf(targets)
  const have = deployment === undefined ? null : nameOf(deployment)
  if (JSON.stringify(have) !== JSON.stringify(manifest.deployment))
    throw new TrellisError({
      code: 'BACKUP_OF_ANOTHER',
      message: 'The backup is of another deployment than these configurations name.',
      details: { backup: manifest.deployment, configurations: have },
      next: 'name the addresses file of that deployment in each configuration',
    })
  for (const { label, config } of targets) {
    const { http } = JSON.parse(readFileSync(config, 'utf8')) as { http?: { hostname?: string; port?: number } }
    const url = `http://${http?.hostname ?? '127.0.0.1'}:${http?.port ?? 0}/health`
    const answers =
      http?.port !== undefined &&
      (await fetch(url, { signal: AbortSignal.timeout(2_000) }).then(
        () => true,
        () => false,
      ))
    if (answers)
      throw new TrellisError({ code: 'SERVICES_RUNNING', message: `${label} runs.`, details: { url }, next: 'stop it, then restore' })
  }
  await putBack(manifest, data, targets)
}

interface Step {
  entry: Entry
  place: StorePlace
  /** As `trellis run` calls the service. */
  service: Kind
}

/** First every reason against it, then all of it. */
async function putBack(manifest: Manifest, data: string, targets: readonly Target[]): Promise<void> {
  const places = new Map(await Promise.all(targets.map(async (target) => [target.label, await placesOf(target)] as const)))
  const kinds = new Map(targets.map(({ label, kind }) => [label, kind]))
  const steps = manifest.entries.flatMap((entry): Step[] => {
    const place = places.get(entry.label ?? '')?.[entry.place ?? -1]
    return place === undefined ? [] : [{ entry, place, service: kinds.get(entry.label!)! }]
  })
  for (const step of steps) await judge(step, data)
  for (const step of steps) await apply(step, data)
}

const quiet = () => createLog('restore', 'silent')

/** Where the tables of a ledger go. @throws TrellisError ENGINE_CHANGED */
function ledgerOf({ entry, place }: Step): QueuePlace {
  const engine = place.kind === 'tables' ? (place.place.databaseUrl === undefined ? 'pglite' : 'postgres') : place.kind
  if (place.kind !== 'tables' || engine !== entry.kind)
    throw new TrellisError({
      code: 'ENGINE_CHANGED',
      message: `The backup of ${entry.label ?? ''} is of ${entry.kind}, and its configuration names ${engine}.`,
      next: entry.kind === 'postgres' ? 'set databaseUrl, or DATABASE_URL' : 'leave databaseUrl and DATABASE_URL out',
    })
  return { ...place.place, ...(engine === 'pglite' && { folder: join(place.place.folder, entry.path) }), log: quiet() }
}

async function judge(step: Step, data: string): Promise<void> {
  const { entry, place, service } = step
  const know = place.kind === 'sqlite' ? place.version : place.kind === 'tables' ? place.migrations.length : undefined
  if (entry.kind === 'pglite' || entry.kind === 'postgres') await requireEmpty(ledgerOf(step))
  else if (place.kind !== 'tables') {
    const target = join(place.folder, entry.path)
    const same = existsSync(target) && entry.kind === 'file' && readFileSync(target).equals(readFileSync(join(data, entry.at)))
    if (existsSync(target) && !same)
      throw new TrellisError({
        code: 'STORE_NOT_EMPTY',
        message: 'There is a file already where the backup would go; a restore overwrites nothing.',
        details: { file: target },
        next: 'move it away first',
      })
  } else ledgerOf(step)
  if (know !== undefined && (entry.version ?? 0) > know)
    throw storeTooNew({ store: entry.path, have: entry.version ?? 0, know, service, way: false })
}

async function apply(step: Step, data: string): Promise<void> {
  const { entry, place, service } = step
  const from = join(data, entry.at)
  if (place.kind === 'tables') {
    const to = ledgerOf(step)
    const draft = entry.kind === 'pglite' ? { ...to, folder: `${to.folder}.part` } : to
    if (entry.kind === 'pglite') {
      rmSync(draft.folder, { recursive: true, force: true })
      mkdirSync(dirname(draft.folder), { recursive: true, mode: 0o700 })
    }
    await restoreLedger(draft, place, linesOf(from))
    if (entry.kind === 'pglite') renameSync(draft.folder, to.folder)
    return
  }
  const to = join(place.folder, entry.path)
  if (existsSync(to)) return
  put(from, `${to}.part`)
  if (place.kind === 'sqlite') reviveStore(`${to}.part`, place, service)
  renameSync(`${to}.part`, to)
  syncFile(dirname(to))
}

/** The reading begins with the first line that is asked for. */
async function* linesOf(file: string): AsyncGenerator<string> {
  yield* createInterface({ input: createReadStream(file), crlfDelay: Infinity })
}

function put(from: string, to: string): void {
  mkdirSync(dirname(to), { recursive: true, mode: 0o700 })
  copyFileSync(from, to)
}
