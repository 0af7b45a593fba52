// SPDX-License-Identifier: Apache-2.0
/** Size of each subpath of the package in a browser: all that it exports, and what the use of it that its documentation shows leaves in a bundle. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { build } from 'vite'
import type { Bench, Row } from '../../scripts/bench.ts'
import { buildPackage, ENTRIES } from '../../scripts/package.ts'
import { at } from '../../scripts/shell.ts'

/** Of a device's own code: keys, signer, windows, document. */
const SDK_CORE_TARGET = 60_000

/** What a page or device of its own would import first. */
const USES: Record<string, string> = {
  './protocol': 'parseDid, taskIdOf, contextOf',
  './protocol/codec': 'parseEnvelope, encodeEnvelope, readingsRoot',
  './crypto': 'verifyGroth16',
  './sdk': 'createKeys, createDeviceSigner, createWindowCutter, createDidDocument',
  './sdk/x509': 'pathFromPem, verifyPath',
}

async function gzipped(folder: string, source: string): Promise<number> {
  const entry = join(folder, 'entry.js')
  writeFileSync(entry, source)
  const built = await build({
    root: folder,
    logLevel: 'error',
    configFile: false,
    build: { write: false, minify: true, target: 'es2022', lib: { entry, formats: ['es'] } },
  })
  const [{ output }] = built as { output: { type: string; code?: string }[] }[] as [{ output: { type: string; code?: string }[] }]
  return output.reduce((sum, { code = '' }) => sum + gzipSync(code, { level: 9 }).length, 0)
}

async function run(): Promise<Row[]> {
  await buildPackage()
  const folder = mkdtempSync(at('cache', 'bench-package-'))
  const rows: Row[] = []
  try {
    for (const [path, entry] of Object.entries(ENTRIES)) {
      if (path === './sdk/node') continue
      const row = (what: string, ours: number, target: number | null): Row => ({
        ...{ case: `${path} ${what}`, unit: 'bytes', ours, peer: null, peerName: null, ratio: null, target },
        ok: target === null || ours <= target,
      })
      const file = JSON.stringify(at('dist', `${entry}.js`))
      rows.push(row('all, gzip', await gzipped(folder, `export * from ${file}`), null))
      rows.push(
        row(
          `${USES[path]!}, gzip`,
          await gzipped(folder, `export { ${USES[path]!} } from ${file}`),
          path === './sdk' ? SDK_CORE_TARGET : null,
        ),
      )
    }
  } finally {
    rmSync(folder, { recursive: true })
  }
  return rows
}

const bench: Bench = { name: 'package', run }
export default bench
