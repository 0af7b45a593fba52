// SPDX-License-Identifier: Apache-2.0
/**
 * The page in Chromium: when it shows something, and its figures; what a first visit loads; how many events a second it takes in while it still
 * draws 30 frames a second and shows what was sent a second ago at the latest. Events are made up, their kinds and sizes are those of a network.
 */
import { readFileSync } from 'node:fs'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { extname, join } from 'node:path'
import { gzipSync } from 'node:zlib'
import type { Browser, Page } from 'playwright-core'
import type { Network, TaskEvent, Totals } from '../../../agents/portal/api.ts'
import { POLICY } from '../../../agents/portal/server/page.ts'
import type { Row } from '../../../scripts/bench.ts'
import { at, node } from '../../../scripts/shell.ts'
import { launch, missing } from '../../browser/support/browser.ts'

const RATES = [250, 500, 1_000, 2_000, 4_000, 8_000]
const FRAMES = 30
const SECONDS = 3
const VISITS = 5
const TASKS = 2_000

const word = (n: number): `0x${string}` => `0x${n.toString(16).padStart(64, '0')}`
const states = ['received', 'assigned', 'leased', 'proven', 'settled']

const totalsOf = (sent: number): Totals => ({
  devices: 40,
  readings: sent,
  readingsPerSecond: sent % 100,
  windows: TASKS,
  tasks: { settled: TASKS },
  proofs: TASKS,
  settled: sent,
  paid: {},
  gasUsed: '420000',
  refusedByReason: {},
  at: Date.now(),
  stale: {},
})

const taskOf = (n: number): TaskEvent => ({
  id: word(n % TASKS),
  project: '1',
  device: `0x${(n % 40).toString(16).padStart(40, '0')}`,
  index: Math.floor((n % TASKS) / 40),
  root: word(n),
  state: states[Math.floor(n / TASKS) % states.length]!,
  prover: null,
  transaction: null,
  reason: null,
  at: Date.now(),
})

const types: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.svg': 'image/svg+xml',
  '.woff2': 'font/woff2',
}

function servePage(path: string, answer: ServerResponse): void {
  const file = extname(path) in types ? path : '/index.html'
  answer.writeHead(200, { 'content-type': types[extname(file)], 'content-security-policy': POLICY })
  answer.end(readFileSync(join(at('build', 'portal'), file)))
}

/** Serves the page and, to who listens, `rate` events a second; the block's number counts them. */
async function startFlood(): Promise<{ url: string; rate: number; sent: number; close: () => void }> {
  const streams = new Set<ServerResponse>()
  const network: Network = {
    chainId: 31337,
    genesisHash: word(1),
    kind: 'local',
    projects: ['1'],
    contracts: [],
    terms: {},
    services: [],
    deployedAtBlock: 0,
  }
  const server = createServer((request, answer) => {
    const { pathname } = new URL(request.url ?? '/', 'http://localhost')
    const send = (body: unknown): void => void answer.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body))
    if (pathname === '/api/v1/network') send(network)
    else if (pathname === '/api/v1/totals') send(totalsOf(0))
    else if (pathname === '/api/v1/coordinator/v1/tasks') send({ tasks: [], next: null })
    else if (pathname === '/api/v1/events') {
      answer.writeHead(200, { 'content-type': 'text/event-stream' }).write(': here\n\n')
      streams.add(answer)
      request.on('close', () => streams.delete(answer))
    } else servePage(pathname, answer)
  })
  await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready))
  const flood = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    rate: 0,
    sent: 0,
    close: () => {
      clearInterval(timer)
      server.closeAllConnections()
      server.close()
    },
  }
  let last = performance.now()
  const timer = setInterval(() => {
    const now = performance.now()
    const due = Math.round(((now - last) * flood.rate) / 1000)
    if (flood.rate > 0 && due === 0) return
    last = now
    let text = ''
    for (let i = 0; i < due; i++) {
      flood.sent += 1
      text += `event: task\ndata: ${JSON.stringify(taskOf(flood.sent))}\n\n`
    }
    if (due === 0) return
    text += `event: totals\ndata: ${JSON.stringify(totalsOf(flood.sent))}\n\nevent: chain\ndata: ${JSON.stringify({ block: flood.sent, genesisHash: word(1) })}\n\n`
    for (const stream of streams) stream.write(text)
  }, 20)
  return flood
}

const median = (values: readonly number[]): number => [...values].sort((one, other) => one - other)[Math.floor(values.length / 2)]!

/** Milliseconds until anything is painted, until the figures stand, and what came over the wire. */
async function visit(browser: Browser, url: string): Promise<{ paint: number; figures: number; files: string[] }> {
  const context = await browser.newContext()
  const page = await context.newPage()
  const files: string[] = []
  page.on('response', (response) => files.push(new URL(response.url()).pathname))
  await page.goto(url)
  await page.locator('.stats .figure:not(:has(.skeleton))').first().waitFor()
  const figures = await page.evaluate<number>('performance.now()')
  const paint = await page.evaluate<number>("performance.getEntriesByName('first-contentful-paint')[0].startTime")
  await context.close()
  return { paint, figures, files }
}

/** Frames drawn per second, by the page's own count. */
const framesOf = (page: Page): Promise<number> =>
  page.evaluate<number>(
    `new Promise((done) => { let n = 0; const start = performance.now(); const step = () => { n += 1;
     const passed = performance.now() - start; passed < ${SECONDS * 1000} ? requestAnimationFrame(step) : done(n * 1000 / passed) }; requestAnimationFrame(step) })`,
  )

const shownBlock = async (page: Page): Promise<number> =>
  Number(/block ([\d,]+)/.exec((await page.locator('.chain-chip').textContent()) ?? '')?.[1]?.replaceAll(',', '') ?? 0)

export async function browserRows(): Promise<Row[]> {
  const reason = missing()
  if (reason !== undefined) throw new Error(reason)
  const built = await node(at('scripts', 'build.ts'), ['--page', '--quiet'])
  if (built.code !== 0) throw new Error(built.output)
  const [browser, flood] = await Promise.all([launch(), startFlood()])
  try {
    const visits = []
    for (let i = 0; i < VISITS; i++) visits.push(await visit(browser, flood.url))
    const loaded = [...new Set(visits[0]!.files)].filter((path) => path.startsWith('/assets/'))
    const kilobytes = (ending: string): number =>
      loaded
        .filter((path) => path.endsWith(ending))
        .reduce((sum, path) => sum + gzipSync(readFileSync(join(at('build', 'portal'), path))).length, 0) / 1000
    const page = await browser.newPage()
    await page.goto(flood.url)
    let best = 0
    for (const rate of RATES) {
      flood.rate = rate
      await page.waitForTimeout(1_000)
      const frames = await framesOf(page)
      const behind = flood.sent - (await shownBlock(page))
      if (frames < FRAMES || behind > rate) break
      best = rate
    }
    const row = (name: string, unit: string, ours: number, target: number, ok: boolean): Row => ({
      case: name,
      unit,
      ours: Math.round(ours * 10) / 10,
      peer: null,
      peerName: null,
      ratio: null,
      target,
      ok,
    })
    const paint = median(visits.map((one) => one.paint))
    const figures = median(visits.map((one) => one.figures))
    return [
      row('page: first contentful paint', 'ms', paint, 1_000, paint <= 1_000),
      row('page: figures shown', 'ms', figures, 1_500, figures <= 1_500),
      row('page: JavaScript of a first visit, gzip', 'kB', kilobytes('.js'), 250, kilobytes('.js') <= 250),
      row('page: CSS of a first visit, gzip', 'kB', kilobytes('.css'), 20, kilobytes('.css') <= 20),
      row(`page: events taken in at ${FRAMES} frames a second or more`, 'events/s', best, 1_000, best >= 1_000),
    ]
  } finally {
    flood.close()
    await browser.close()
  }
}
