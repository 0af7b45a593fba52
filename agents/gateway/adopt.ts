// SPDX-License-Identifier: Apache-2.0
/**
 * A local chain that begins anew under the same deployment takes over what the old one's devices had delivered. Readings and windows are signed for
 * chain id, contracts and project, not for a genesis: on the fresh chain they are settled again, once. Never off local networks.
 */
import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { ledgerFolder } from '../kit/store.ts'
import { storeFile } from './ledger.ts'

/** Says that a ledger belongs to a local chain, and to which chain id: the folder's name has only genesis and deployment. */
export const MARK = 'local-chain.json'

export interface AdoptOptions {
  dataFolder: string
  chainId: number
  genesisHash: string
  /** Address of IoIDRegistry, as the ledger is named by. */
  deployment: string
}

/**
 * Where this genesis has no ledger yet, makes one of a copy of the newest that another genesis of the same local chain id and deployment left.
 * All of it is in place and on disk when this returns, or none; what it was copied from stays.
 * @returns the folder copied from, or undefined where there was nothing to adopt
 */
export function adoptLedger({ dataFolder, chainId, genesisHash, deployment }: AdoptOptions): string | undefined {
  const own = storeFile(dataFolder, genesisHash, deployment)
  const folder = dirname(own)
  const from = existsSync(own) ? undefined : newestLedger(dataFolder, chainId, deployment)
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  if (from !== undefined) {
    const draft = `${own}.draft`
    rmSync(draft, { force: true })
    const db = new DatabaseSync(from, { timeout: 5_000 })
    try {
      db.prepare('vacuum into ?').run(draft)
    } finally {
      db.close()
    }
    rename(draft)
    sync(draft)
    renameSync(draft, own)
    sync(folder)
  }
  writeFileSync(join(folder, MARK), `${JSON.stringify({ chainId })}\n`, { mode: 0o600 })
  return from === undefined ? undefined : dirname(from)
}

/** A copy is another store: what a reader had read of the first says nothing of what it has read of this one. */
export const NEW_NAME = 'update identity set store_id = lower(hex(randomblob(16)))'

function rename(file: string): void {
  const db = new DatabaseSync(file)
  try {
    if (db.prepare(`select 1 from sqlite_schema where name = 'identity'`).get() !== undefined) db.exec(NEW_NAME)
  } finally {
    db.close()
  }
}

function newestLedger(dataFolder: string, chainId: number, deployment: string): string | undefined {
  if (!existsSync(dataFolder)) return undefined
  const suffix = ledgerFolder('', '0x', deployment)
  const found = readdirSync(dataFolder)
    .filter((name) => name.endsWith(suffix) && markOf(join(dataFolder, name)) === chainId)
    .map((name) => storeFile(dataFolder, `0x${name.slice(0, -suffix.length)}`, deployment))
    .filter((file) => existsSync(file))
  const writtenAt = (file: string): number =>
    Math.max(...[file, `${file}-wal`].map((path) => statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0))
  return found.sort((a, b) => writtenAt(b) - writtenAt(a))[0]
}

function markOf(folder: string): number | undefined {
  try {
    return (JSON.parse(readFileSync(join(folder, MARK), 'utf8')) as { chainId: number }).chainId
  } catch {
    return undefined
  }
}

function sync(path: string): void {
  const handle = openSync(path, 'r')
  try {
    fsyncSync(handle)
  } finally {
    closeSync(handle)
  }
}
