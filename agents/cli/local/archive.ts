// SPDX-License-Identifier: Apache-2.0
/** A backup as a file: a compressed tar of a manifest and what it lists, written beside and renamed when all of it is on disk. */
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import {
  createReadStream,
  createWriteStream,
  existsSync,
  lstatSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { createGzip } from 'node:zlib'
import { z } from 'zod'
import { backupDamaged, syncFile } from '../../kit/backup.ts'
import { TrellisError } from '../../protocol/errors.ts'

/** Names only: nothing of an archive is ever written outside of where it belongs. */
const safePath = z.string().regex(/^(?!\.{1,2}(\/|$))[\w.-]+(\/(?!\.{1,2}(\/|$))[\w.-]+)*$/, 'a relative path was expected')
const refSchema = z.object({ pid: z.number(), started: z.string() })

const entrySchema = z.object({
  /** In the archive. */
  at: safePath,
  /** `plain`: relative to the state folder of a local run, or kept for the reader only. */
  kind: z.enum(['plain', 'file', 'sqlite', 'pglite', 'postgres']),
  /** Whose: the configuration, and which of the places that its service names. */
  label: safePath.optional(),
  place: z.number().int().optional(),
  /** Relative to that place; of PostgreSQL, the schema. */
  path: safePath,
  version: z.number().int().optional(),
  bytes: z.number().int(),
  sha256: z.string(),
})
export type Entry = z.output<typeof entrySchema>

export const FORMAT = 1
const manifestSchema = z.object({
  format: z.literal(FORMAT),
  program: z.string(),
  at: z.string(),
  /** The state folder of a local run, or services by their configurations. */
  of: z.enum(['run', 'services']),
  root: z.string().nullable(),
  deployment: z.object({ chainId: z.number(), genesisHash: z.string(), contracts: z.string() }).nullable(),
  children: z.record(z.string(), refSchema),
  services: z.record(safePath, z.string()),
  entries: z.array(entrySchema),
})
export type Manifest = z.output<typeof manifestSchema>

export async function hashFile(file: string): Promise<{ bytes: number; sha256: string }> {
  const hash = createHash('sha256')
  await pipeline(createReadStream(file), hash)
  return { bytes: statSync(file).size, sha256: hash.digest('hex') }
}

const TAR = ['--no-same-owner', '--no-same-permissions']

/** Packs a folder with its manifest into `out`, readable by its owner only. @returns its size and hash */
export async function pack(folder: string, manifest: Manifest, out: string): Promise<{ bytes: number; sha256: string }> {
  // What could not be read again is refused now, not on the day when it is needed.
  const parsed = manifestSchema.safeParse(manifest)
  if (!parsed.success)
    throw new TrellisError({
      code: 'BACKUP_NAME',
      message: 'A file that belongs into the backup has a name that a backup cannot carry.',
      details: { reason: z.prettifyError(parsed.error) },
      next: 'give it a name of letters, digits, dots, dashes and underscores',
    })
  writeFileSync(join(folder, 'manifest.json'), `${JSON.stringify(manifest, undefined, 2)}\n`, { mode: 0o600 })
  const part = `${out}.part`
  rmSync(part, { force: true })
  try {
    const tar = spawn('tar', ['-cf', '-', '-C', folder, 'manifest.json', ...(existsSync(join(folder, 'data')) ? ['data'] : [])], {
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const [said, closed] = endOf(tar)
    const hash = createHash('sha256')
    const gzip = createGzip()
    gzip.on('data', (chunk: Buffer) => hash.update(chunk))
    await pipeline(tar.stdout, gzip, createWriteStream(part, { mode: 0o600, flags: 'wx' }))
    if ((await closed) !== 0) throw new Error(`tar failed: ${said()}`)
    syncFile(part)
    renameSync(part, out)
    syncFile(dirname(out))
    return { bytes: statSync(out).size, sha256: hash.digest('hex') }
  } catch (error) {
    rmSync(part, { force: true })
    throw error
  }
}

/** Unpacks a backup into an empty folder and checks every file of it. @throws TrellisError BACKUP_DAMAGED | BACKUP_TOO_NEW */
export async function unpack(file: string, folder: string): Promise<Manifest> {
  statSync(file)
  // From the file, not through a pipe: tar stops reading where the archive ends, which may be before the last byte.
  const [said, closed] = endOf(spawn('tar', ['-xzf', file, ...TAR, '-C', folder], { stdio: ['ignore', 'ignore', 'pipe'] }))
  if ((await closed) !== 0) throw backupDamaged({ file, reason: said() })
  const manifest = readManifest(file, join(folder, 'manifest.json'))
  for (const { at, bytes, sha256 } of manifest.entries) {
    const found = join(folder, 'data', at)
    if (lstatSync(found, { throwIfNoEntry: false })?.isFile() !== true) throw backupDamaged({ file, missing: at })
    const have = await hashFile(found)
    if (have.bytes !== bytes || have.sha256 !== sha256) throw backupDamaged({ file, changed: at })
  }
  return manifest
}

function readManifest(file: string, path: string): Manifest {
  let content: unknown
  try {
    content = JSON.parse(readFileSync(path, 'utf8'))
  } catch {
    throw backupDamaged({ file, missing: 'manifest.json' })
  }
  const format = (content as { format?: unknown }).format
  if (typeof format === 'number' && format > FORMAT)
    throw new TrellisError({
      code: 'BACKUP_TOO_NEW',
      message: 'A newer version of this program wrote the backup.',
      details: { file, format, know: FORMAT },
      next: 'restore it with that version',
    })
  const parsed = manifestSchema.safeParse(content)
  if (!parsed.success) throw backupDamaged({ file, manifest: z.prettifyError(parsed.error) })
  return parsed.data
}

function endOf(child: ReturnType<typeof spawn>): [() => string, Promise<number>] {
  let text = ''
  child.stderr?.on('data', (chunk: Buffer) => (text += chunk.toString()))
  return [() => text.trim().slice(0, 400), once(child, 'close').then(([code]) => (code as number | null) ?? 1)]
}
