// SPDX-License-Identifier: Apache-2.0
/** The equation of audit: every way in which the books can be wrong is found, by ids. */
import { mkdirSync, mkdtempSync, readdirSync, writeFileSync } from 'node:fs'
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import type { Address } from 'viem'
import { type AccountBook, type Books, check, refusalsOf, type SettledWindow } from '../../../agents/cli/local/books.ts'
import { readStores, type StoreBook } from '../../../agents/cli/local/books-stores.ts'
import { isOver } from '../../../agents/cli/local/wait.ts'
import { reset } from '../../../agents/cli/reset.ts'
import { score } from '../../../agents/cli/local/summary.ts'
import { channelIdOf } from '../../../agents/protocol/ids.ts'
import { lanesToHex, packWindow, readingsRoot, rootToHex } from '../../../agents/protocol/window.ts'

const A = '0x00000000000000000000000000000000000000aa'
const W = '0x00000000000000000000000000000000000000ee'
const TOKEN = '0x0000000000000000000000000000000000000070'
const PROVER = '0x00000000000000000000000000000000000000b1'
const COORDINATOR = '0x00000000000000000000000000000000000000c1'
const id = (n: number): `0x${string}` => `0x${n.toString(16).padStart(64, '0')}`

const stored = (n: number, index: number, settled: boolean, count = 64): Books['windows'][number] => ({
  cursor: n,
  root: id(1000 + n),
  project: '1',
  device: A,
  index,
  firstSequence: String(index * 64),
  count,
  intact: true,
  taskId: id(n),
  settled,
  dead: null,
})

const settlement = (n: number, window: number, count = 64): SettledWindow => ({
  taskId: id(n),
  device: A,
  window,
  count,
  wallet: W,
  recorded: count,
  payments: [{ wallet: W, amount: BigInt(count) * 10n }],
  assigned: true,
  above: 0,
  max: 0,
  firstTime: 0n,
  price: 10n,
  fees: 12n,
  token: TOKEN,
  transaction: id(1),
  block: 1n,
})

const accounting = { acceptedReadings: 130, windowedReadings: 128, windows: 2, refused: {} }
const store = (change: Partial<StoreBook> = {}): StoreBook => ({
  id: 'one',
  accounting,
  listed: { windows: 2, readings: 128 },
  ...change,
})
const fee = (change: Partial<AccountBook>): AccountBook => ({
  account: PROVER,
  token: TOKEN,
  role: 'prover',
  due: 10n,
  paid: 10n,
  tasks: [id(1)],
  ...change,
})

/** Books that close: one window settled, one on its way, two readings in no window yet. */
const books = (change: Partial<Books> = {}): Books => ({
  project: 1n,
  stores: [store()],
  accounting,
  windows: [stored(1, 0, true), stored(2, 1, false)],
  settled: [settlement(1, 0)],
  alarms: [],
  wallets: [{ device: A, wallet: W, token: TOKEN, windows: 1, readings: 64, due: 640n, paid: 640n }],
  fees: [fee({}), fee({ account: COORDINATOR, role: 'sequencer', due: 2n, paid: 2n })],
  purses: [{ token: TOKEN, deposited: 2_000n, withdrawn: 0n, free: 696n, held: 652n, spent: 652n }],
  strayPayments: [],
  assignments: 2,
  recalls: 0,
  refusedItems: [],
  settlementGas: 0n,
  assignmentGas: 0n,
  ...change,
})

const first = stored(1, 0, true)
const second = stored(2, 1, false)
const paid = (...payments: { wallet: Address; amount: bigint }[]): Partial<Books> => ({ settled: [{ ...settlement(1, 0), payments }] })
const wallet = (amount: bigint): Books['wallets'] => [{ ...books().wallets[0]!, paid: amount }]

/** One entry of right books is altered, and what must be said of it. */
const alterations: Record<string, [change: Partial<Books>, problem: RegExp]> = {
  'a task that settled twice': [{ settled: [settlement(1, 0), settlement(1, 0)] }, /settled 2 times/],
  'a settlement of what was never accepted': [{ settled: [settlement(1, 0), settlement(9, 7)] }, /0x0*9 settled, but no gateway accepted/],
  'a settlement without an assignment': [{ settled: [{ ...settlement(1, 0), assigned: false }] }, /0x0*1 settled, but was never assigned/],
  'a window that settled under two roots': [
    { windows: [first, { ...stored(2, 0, true), firstSequence: '64' }] },
    /\/0 settled under 2 roots/,
  ],
  'readings that lie in two windows': [{ windows: [first, { ...second, firstSequence: '63' }] }, /readings 63 to 63 .* lie in two windows/],
  'readings that lie in no window': [{ windows: [first, { ...second, firstSequence: '70' }] }, /readings 64 to 69 .* lie in no window/],
  'a lost first window': [{ windows: [second] }, /readings 0 to 63 .* lie in no window/],
  'a lost window that its store accounts for': [
    { stores: [store({ listed: { windows: 1, readings: 64 } })] },
    /lists 64 readings in 1 windows/,
  ],
  'windows beyond the accepted readings': [
    { stores: [store({ accounting: { ...accounting, acceptedReadings: 100 } })] },
    /accounts for 100 accepted readings, and for 128/,
  ],
  'changed readings': [{ windows: [{ ...first, intact: false }, second] }, /not those of its root/],
  'a proof for another number of readings': [
    { settled: [{ ...settlement(1, 0), recorded: 63 }] },
    /proven for 63 readings, the store has 64/,
  ],
  'a task that was paid twice': [paid({ wallet: W, amount: 640n }, { wallet: W, amount: 640n }), /0x0*1 was paid 2 times/],
  'a task that was not paid': [paid(), /0x0*1 was paid 0 times/],
  'a task that was paid another amount': [paid({ wallet: W, amount: 639n }), /earned 640 and was paid 639/],
  'pay to another wallet': [paid({ wallet: A, amount: 640n }), /was paid to 0x0*aa, its device’s wallet is 0x0*ee/],
  'pay for a task that never settled': [
    { strayPayments: [{ taskId: id(2), wallet: W, amount: 640n }] },
    /0x0*2 never settled, and 640 was paid/,
  ],
  'a wallet that got too little': [{ wallets: wallet(639n) }, /is due 640 and was paid 639/],
  'a wallet that got too much': [{ wallets: wallet(641n) }, /is due 640 and was paid 641/],
  'a fee that is missing': [{ fees: [fee({ paid: 0n })] }, /prover 0x0*b1 is due fees of 10 for 1 tasks and was credited 0: 0x0*1/],
  'a fee that was credited twice': [{ fees: [fee({ role: 'sequencer', paid: 20n })] }, /sequencer .* and was credited 20/],
  'a fee that is nobody’s': [
    { fees: [fee({ account: '0x0000000000000000000000000000000000000000' })] },
    /prover of 1 settled tasks cannot be read/,
  ],
  'money that left the escrow otherwise': [
    { purses: [{ ...books().purses[0]!, free: 686n }] },
    /deposited 2000 .* not 0 withdrawn \+ 686 free/,
  ],
  'a sum that does not close': [
    { accounting: { ...accounting, acceptedReadings: 131 } },
    /131 accepted is not 64 settled \+ 64 pending \+ 2 open/,
  ],
}

describe('cli/local/books', () => {
  it('closes: accepted = settled + pending + open', () => {
    const right = { accepted: 130, settled: 64, pending: 64, open: 2, refusedAfterAccept: 0, refusedBy: {}, problems: [] }
    expect(check(books())).to.deep.equal(right)
  })

  for (const [what, [change, problem]] of Object.entries(alterations)) {
    it(`finds ${what}`, () => {
      const { problems } = check(books(change))
      expect(problems.join('\n')).to.match(problem)
    })
  }

  it('counts what was refused after acceptance, by reason and id', () => {
    const beaten = books({ windows: [first, { ...stored(2, 0, false), firstSequence: '64' }] })
    expect(check(beaten)).to.deep.include({ refusedAfterAccept: 64, refusedBy: { WINDOW_TAKEN: 64 }, pending: 0, problems: [] })
    const aside = books({ windows: [first, { ...second, dead: 'BAD_DATA_SIGNATURE' }] })
    expect(check(aside)).to.deep.include({ refusedAfterAccept: 64, refusedBy: { BAD_DATA_SIGNATURE: 64 }, pending: 0, problems: [] })
    expect([...refusalsOf(aside)]).to.deep.equal([[id(2), 'BAD_DATA_SIGNATURE']])
    // What settled in spite of a coordinator that had given it up is settled.
    expect(check(books({ windows: [{ ...first, dead: 'TOO_MANY_ATTEMPTS' }, second] }))).to.include({ settled: 64, refusedAfterAccept: 0 })
  })

  it('finds pay of a wallet whose settlements are hidden', () => {
    const hidden = books({
      windows: [stored(1, 0, false), second],
      settled: [],
      fees: [],
      purses: [],
      wallets: [{ ...books().wallets[0]!, windows: 0, readings: 0, due: 0n, paid: 640n }],
    })
    expect(check(hidden).problems).to.deep.equal([`wallet ${W} is due 0 and was paid 640`])
  })
})

describe('cli/local/books-stores', () => {
  const place = { chainId: 31_337, taskManager: A, project: 1n } as const
  const servers: Server[] = []
  afterEach(() => Promise.all(servers.splice(0).map((server) => new Promise((done) => server.close(done)))))

  /** A gateway that serves these windows, two to a page. */
  const serve = async (storeId: string | undefined, items: object[]): Promise<string> => {
    const server = createServer((request, response) => {
      const url = new URL(request.url!, 'http://gateway')
      const after = Number(url.searchParams.get('after') ?? '0')
      const page = items.map((item, i) => ({ ...item, cursor: i + 1 })).slice(after, after + 2)
      const counted = { acceptedReadings: items.length, windowedReadings: items.length, windows: items.length, refused: { BAD_TIME: 1 } }
      const listing = { ...(storeId === undefined ? {} : { storeId }), items: page, next: after + page.length }
      response.end(JSON.stringify(url.pathname.endsWith('/windows') ? listing : counted))
    })
    servers.push(server)
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    return `http://127.0.0.1:${(server.address() as { port: number }).port}/`
  }
  const item = (index: number) => {
    const content = packWindow(channelIdOf('humidity'), index, [{ time: 1_700_000_000 + index, laneValue: 7 }])
    const [root, lanes] = [rootToHex(readingsRoot(content)), lanesToHex(content.lanes)]
    const of = { project: '1', device: A, index, firstSequence: String(index), count: 1, firstTime: String(1_700_000_000 + index) }
    return { ...of, root, lanes, channel: 'humidity' }
  }

  it('reads two gateways of one store once, and a window of two stores once', async () => {
    const [one, both, other] = [[item(0), item(1), item(2)], [item(2)], [item(3), { ...item(4), lanes: item(5).lanes }]]
    const urls = [await serve('a', one), await serve('a', one), await serve('b', both), await serve(undefined, other)]
    const { stores, windows } = await readStores(urls, place)
    expect(stores.map(({ id, listed }) => [id, listed.windows])).to.deep.equal([
      ['a', 3],
      ['b', 1],
      [urls[3]!.slice(0, -1), 2],
    ])
    expect([...windows.values()].map(({ index, intact }) => [index, intact])).to.deep.equal([
      [0, true],
      [1, true],
      [2, true],
      [3, true],
      [4, false],
    ])
  })

  it('says which gateway does not answer', async () => {
    const url = await serve('a', [])
    const failing = readStores([url, 'http://127.0.0.1:9'], place)
    expect(
      await failing.then(
        () => 'nothing',
        (error: unknown) => (error as { code: string }).code,
      ),
    ).to.equal('GATEWAY_SILENT')
  })
})

describe('cli/local/wait', () => {
  it('is over when nothing is under way, also when a task was put aside', () => {
    const accounting = { acceptedReadings: 128, windowedReadings: 128, windows: 2 }
    expect(isOver({ pending: 0, settled: 2, dead: 0 }, accounting)).to.equal(true)
    expect(isOver({ pending: 0, settled: 1, dead: 1 }, accounting)).to.equal(true)
    expect(isOver({ pending: 0, settled: 1, dead: 0 }, accounting)).to.equal(false)
    expect(isOver({ pending: 1, settled: 2, dead: 0 }, accounting)).to.equal(false)
    expect(isOver({ pending: 0, settled: 2, dead: 0 }, { ...accounting, acceptedReadings: 130 })).to.equal(false)
  })
})

describe('cli/reset', () => {
  it('removes what a run made, and touches nothing of a folder without a run', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'trellis-reset-'))
    for (const name of ['keys', 'logs', 'mine']) mkdirSync(join(folder, name))
    const { log } = console
    console.log = () => undefined
    try {
      await reset(folder)
      expect(readdirSync(folder)).to.deep.equal(['keys', 'logs', 'mine'])
      writeFileSync(join(folder, 'run.json'), '{}')
      await reset(folder)
    } finally {
      console.log = log
    }
    expect(readdirSync(folder)).to.deep.equal(['mine'])
  })
})

describe('cli/local/summary', () => {
  it('scores alarms against labels per window', () => {
    const labels = [[true, true, false], [false]]
    expect(score(labels, [new Set([0, 2]), new Set()])).to.deep.equal({ precision: 0.5, recall: 0.5 })
    expect(score([[false]], [new Set()])).to.deep.equal({ precision: null, recall: null })
  })
})
