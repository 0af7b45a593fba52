// SPDX-License-Identifier: Apache-2.0
/** Every `sh` block of README.md and docs is run, in order per page, against one local network. What is not run here is printed with its reason. */
import { readFileSync } from 'node:fs'
import { expect } from 'chai'
import { at, files, short } from '../../scripts/shell.ts'
import { freePort } from '../integration/support/chain.ts'
import { engine, needs } from '../integration/support/engines.ts'
import { startPostgres, type PostgresServer } from '../integration/support/postgres.ts'
import { blocksOf } from './support/blocks.ts'
import { openSession, type Session } from './support/session.ts'

/** Ports that pages name, beside those of the local network. */
const FURTHER_PORTS = [1884, 8097, 8093, 8094, 8095]
/** The database that pages name. */
const DATABASE = 'postgres://trellis:secret@127.0.0.1:5432/trellis'

const pages = ['README.md', ...files(at('docs'), (path) => path.endsWith('.md') && !path.includes('/reference/')).map(short)]
  .map((name) => ({ name, blocks: blocksOf(readFileSync(at(name), 'utf8')) }))
  .filter(({ blocks }) => blocks.length > 0)

/** Pages whose commands send transactions do so with one key: one after the other. */
const spends = ({ blocks }: (typeof pages)[number]): boolean => blocks.some(({ text }) => /--yes|\.mjs/.test(text))

describe('commands of the documentation', function () {
  this.timeout(420_000)
  const results = new Map<string, Promise<string | undefined>>()
  const engines = ['initdb', 'postgres', 'mosquitto'] as const
  const haveEngines = engines.every((name) => engine(name) !== undefined)
  const needsEngines = (name: string): boolean => name.endsWith('shared.md')
  let session: Session | undefined
  let postgres: PostgresServer | undefined

  before(async () => {
    if (haveEngines) postgres = await startPostgres()
    const free = await Promise.all(FURTHER_PORTS.map(async (port) => [String(port), String(await freePort())] as const))
    const opened = await openSession({ ...Object.fromEntries(free), ...(postgres === undefined ? {} : { [DATABASE]: postgres.url }) })
    session = opened
    const run = pages.filter(({ name }) => haveEngines || !needsEngines(name))
    for (const queue of [run.filter(spends), run.filter((one) => !spends(one))]) {
      let before: Promise<unknown> = Promise.resolve()
      for (const { name, blocks } of queue) {
        const result = before.then(() => opened.page(name, blocks))
        results.set(name, result)
        before = result
      }
    }
  })
  after(async function () {
    this.timeout(60_000)
    await Promise.allSettled(results.values())
    await session?.end()
    await postgres?.remove()
  })

  for (const { name } of pages) {
    it(name, async function () {
      if (needsEngines(name)) for (const program of engines) needs(this, program)
      const wrong = await results.get(name)
      if (wrong !== undefined) throw new Error(wrong)
    })
  }

  it('says of each block that is not run why', () => {
    const skipped = pages.flatMap(({ name, blocks }) =>
      blocks.flatMap(({ line, skip }) => (skip === undefined ? [] : [`${name}:${line}  ${skip}`])),
    )
    console.log(`${skipped.length} blocks are not run here:\n${skipped.map((line) => `  ${line}`).join('\n')}`)
    const all = pages.reduce((sum, { blocks }) => sum + blocks.length, 0)
    expect(skipped.length).to.be.lessThan(all / 2)
  })
})
