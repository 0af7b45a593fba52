// SPDX-License-Identifier: Apache-2.0
/** Where an index lies. It belongs to one deployment on one chain, to the source that made it, and to a generation: what is wrong is built anew. */
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import pg from 'pg'
import { addressOf, type Deployment } from '../kit/deployment.ts'
import { ledgerFolder } from '../kit/store.ts'
import type { Hex } from '../protocol/ids.ts'
import type { Job } from './ponder/job.ts'

const source = join(import.meta.dirname, 'ponder')

/** Tables are of the code that filled them: other code fills others. */
const digest = createHash('sha256')
for (const name of readdirSync(source, { recursive: true, encoding: 'utf8' }).sort())
  if (name.endsWith('.ts')) digest.update(name).update(readFileSync(join(source, name)))
const build = digest.digest('hex').slice(0, 8)

/** A block that Ponder holds for final: another hash there is another chain. */
export interface Anchor {
  number: number
  hash: Hex
}

interface Kept {
  generation: number
  anchor?: Anchor
}

export interface Place {
  /** Same for the same deployment on the same chain. */
  readonly key: string
  /** Root folder of the Ponder project. */
  readonly root: string
  readonly schema: string
  readonly generation: number
  anchor: Anchor | undefined
  /** Leaves this index for an empty one. */
  next(): Place
  job(parts: Omit<Job, 'database' | 'chainId' | 'contracts' | 'disableCache'>, databaseUrl: string | undefined): Job
  /** Removes what earlier generations and sources left, and what Ponder would take from another chain of this id. */
  clear(databaseUrl: string | undefined): Promise<void>
}

/** The place of a deployment's index, as it was left. */
export function openPlace(dataFolder: string, deployment: Deployment): Place {
  const { chainId, genesisHash, kind, contracts } = deployment
  const router = addressOf(deployment, 'Router')
  const folder = ledgerFolder(dataFolder, genesisHash, router)
  const file = join(folder, `index-${build}.json`)
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const kept = readKept(file)
  const write = (): void => writeFileSync(file, JSON.stringify(kept), { mode: 0o600 })
  const name = `${build}-${kept.generation}`
  // Ponder takes at most 45 characters.
  const family = `ix_${chainId}_${genesisHash.slice(2, 10)}_${router.slice(2, 10)}_`.toLowerCase()
  const schema = `${family}${build}_${kept.generation}`
  /** Blocks under one number may have been others: what is kept by chain id and number is not believed. */
  const mistrusted = kind === 'local' || kept.generation > 0

  return {
    key: folder,
    root: join(folder, 'ponder'),
    schema,
    generation: kept.generation,
    get anchor() {
      return kept.anchor
    },
    set anchor(anchor) {
      if (anchor === undefined || anchor.number === kept.anchor?.number) return
      kept.anchor = anchor
      write()
    },
    next() {
      kept.generation += 1
      delete kept.anchor
      write()
      return openPlace(dataFolder, deployment)
    },
    job: (parts, url) => ({
      ...parts,
      chainId,
      contracts,
      disableCache: mistrusted,
      database: url === undefined ? { directory: join(folder, name) } : { url },
    }),
    async clear(url) {
      for (const entry of readdirSync(folder))
        if (/^[0-9a-f]{8}-\d+$/.test(entry) && entry !== name) rmSync(join(folder, entry), { recursive: true, force: true })
      writeProject(join(folder, 'ponder'), build)
      if (url !== undefined) await clearDatabase(url, { schema, prefix: kind === 'local' ? `ix_${chainId}_` : family, chainId, mistrusted })
    },
  }
}

function readKept(file: string): Kept {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Kept
  } catch {
    return { generation: 0 }
  }
}

/** Ponder writes into its project's folder, which the installed program may not: the project is a folder of ours that leads to the source. */
function writeProject(root: string, build: string): void {
  const from = (name: string): string => JSON.stringify(join(source, name))
  const files = {
    'ponder.config.ts': `export { default } from ${from('ponder.config.ts')}`,
    'ponder.schema.ts': `export * from ${from('ponder.schema.ts')}`,
    'src/index.ts': ['identity', 'tasks', 'provers', 'authority'].map((name) => `import ${from(`src/${name}.ts`)}`).join('\n'),
    'src/api/index.ts': `export { default } from ${from('src/api/index.ts')}`,
  }
  mkdirSync(join(root, 'src', 'api'), { recursive: true, mode: 0o700 })
  // What Ponder makes up while it runs imports viem from here.
  const modules = join(fileURLToPath(import.meta.resolve('ponder')), '../../../..')
  rmSync(join(root, 'node_modules'), { force: true })
  symlinkSync(modules, join(root, 'node_modules'), 'dir')
  for (const [name, text] of Object.entries(files)) {
    const content = `// ${build}\n${text}\n`
    const file = join(root, name)
    if (!existsSync(file) || readFileSync(file, 'utf8') !== content) writeFileSync(file, content)
  }
}

/**
 * Ponder keeps raw logs by chain id, block and place, in one schema for all: after a reset they would be taken for those of the new chain.
 * A schema that is there already goes on.
 */
async function clearDatabase(
  connectionString: string,
  { schema, prefix, chainId, mistrusted }: { schema: string; prefix: string; chainId: number; mistrusted: boolean },
): Promise<void> {
  const client = new pg.Client({ connectionString })
  await client.connect()
  try {
    const { rows } = await client.query<{ name: string }>('select schema_name as name from information_schema.schemata')
    if (rows.some(({ name }) => name === schema)) return
    for (const { name } of rows) if (name.startsWith(prefix)) await client.query(`drop schema ${client.escapeIdentifier(name)} cascade`)
    if (!mistrusted) return
    const { rows: tables } = await client.query<{ name: string }>(
      `select table_name as name from information_schema.columns where table_schema = 'ponder_sync' and column_name = 'chain_id'`,
    )
    for (const { name } of tables)
      await client.query(`delete from ponder_sync.${client.escapeIdentifier(name)} where chain_id = $1`, [chainId])
  } finally {
    await client.end()
  }
}
