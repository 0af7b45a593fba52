// SPDX-License-Identifier: Apache-2.0
/** The built page, read once: its files by path, compressed where that helps, and its first page for every address of its own. */
import { readdirSync, readFileSync } from 'node:fs'
import { extname, join } from 'node:path'
import { brotliCompressSync } from 'node:zlib'
import type { HttpApp, HttpContext } from '../../kit/http.ts'
import { TrellisError } from '../../protocol/errors.ts'
import { pageMissing } from './errors.ts'

/** Nothing from elsewhere, no script but the page's own files, and no frame around it. */
export const POLICY = "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

const types: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.woff2': 'font/woff2',
  '.txt': 'text/plain; charset=utf-8',
}
const compressible = new Set(['.html', '.js', '.css', '.svg', '.txt'])

interface File {
  type: string
  body: Buffer<ArrayBuffer>
  small: Buffer<ArrayBuffer> | undefined
  /** Its name changes with its content. */
  hashed: boolean
}

/** @throws TrellisError PAGE_MISSING */
export function readPage(folder: string): ReadonlyMap<string, File> {
  try {
    const files = new Map<string, File>()
    for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
      const type = types[extname(entry.name)]
      if (!entry.isFile() || type === undefined) continue
      const path = join(entry.parentPath, entry.name)
      const name = path.slice(folder.length).replaceAll('\\', '/').replace(/^\/*/, '/')
      const body = readFileSync(path)
      const small = compressible.has(extname(name)) ? brotliCompressSync(body) : undefined
      files.set(name, { type, body, small, hashed: name.startsWith('/assets/') })
    }
    if (!files.has('/index.html')) throw new Error('there is no index.html')
    return files
  } catch (error) {
    throw pageMissing(folder, error)
  }
}

/** Routes of the page: after all others, since it answers every path that is not of a file. */
export function pageRoutes(app: HttpApp, folder: string): void {
  const files = readPage(folder)
  const first = files.get('/index.html')!
  /** A file of the page, or the page itself. */
  app.get('*', (c) => {
    const { path } = c.req
    const found = files.get(path)
    // A missing file is no page: it would be run, or shown, as what it is not.
    if (found === undefined && (extname(path) !== '' || path.startsWith('/api/')))
      throw new TrellisError({ code: 'NOT_FOUND', message: 'There is nothing here.' })
    return send(c, found ?? first)
  })
}

function send(c: HttpContext, { type, body, small, hashed }: File): Response {
  const compressed = small !== undefined && /\bbr\b/.test(c.req.header('accept-encoding') ?? '')
  return c.body(compressed ? small : body, 200, {
    'content-type': type,
    'cache-control': hashed ? 'public, max-age=31536000, immutable' : 'no-cache',
    'content-security-policy': POLICY,
    'x-content-type-options': 'nosniff',
    'referrer-policy': 'no-referrer',
    'cross-origin-opener-policy': 'same-origin',
    ...(small === undefined ? {} : { vary: 'accept-encoding' }),
    ...(compressed ? { 'content-encoding': 'br' } : {}),
  })
}
