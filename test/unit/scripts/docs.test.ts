// SPDX-License-Identifier: Apache-2.0
/** The generator of docs/reference: what it reads from code, and what it refuses to leave without words. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { program } from '../../../agents/cli/main.ts'
import { cliPage, commandsOf } from '../../../scripts/docs/cli.ts'
import { noticeOf } from '../../../scripts/docs/contracts.ts'
import { errorsIn } from '../../../scripts/docs/errors.ts'
import { routesOf } from '../../../scripts/docs/http.ts'
import { cell, code, table } from '../../../scripts/docs/markdown.ts'

describe('scripts/docs', () => {
  let folder: string
  const file = (text: string): string => {
    const path = join(folder, 'sample.ts')
    writeFileSync(path, text)
    return path
  }
  before(() => (folder = mkdtempSync(join(tmpdir(), 'trellis-docs-'))))
  after(() => rmSync(folder, { recursive: true, force: true }))

  it('reads routes with the comment above, and none into a route without one', () => {
    const routes = routesOf(
      file(
        `// Not this.\nconst x = 1\n// First\n// line.\napp.get('/v1/a', f)\napp.post('/v1/b', f)\nother.get('/v1/c', f)\n/** Doc. */\napp.delete('/v1/d', f)`,
      ),
    )
    expect(routes.map(({ method, path, what }) => [method, path, what])).to.deep.equal([
      ['GET', '/v1/a', 'First line.'],
      ['POST', '/v1/b', ''],
      ['DELETE', '/v1/d', 'Doc.'],
    ])
  })

  it('reads error codes from objects and from calls, with what is known only later as …', () => {
    const found = new Map<string, { messages: Set<string>; next: Set<string>; retryable: boolean }>()
    errorsIn(
      file(
        "throw new TrellisError({ code: 'PORT_BUSY', message: `Port ${p} is taken.`, next: 'stop ' + 'it', retryable: true })\nthrow keyError('KEY_GONE', a ? 'No key.' : 'No file.', file, 'make one')\nlog('NOT_THIS', 'x')",
      ),
      found,
    )
    expect([...found.keys()]).to.deep.equal(['PORT_BUSY', 'KEY_GONE'])
    expect([...found.get('PORT_BUSY')!.messages]).to.deep.equal(['Port … is taken.'])
    expect([...found.get('PORT_BUSY')!.next]).to.deep.equal(['stop it'])
    expect(found.get('PORT_BUSY')!.retryable).to.equal(true)
    expect([...found.get('KEY_GONE')!.messages]).to.deep.equal(['No key. / No file.'])
  })

  it('takes title, notice and dev of a NatSpec comment, and leaves the rest', () => {
    expect(noticeOf(' @notice Moves it.\n @dev Warning: once.\n @param id what\n @return nothing')).to.equal('Moves it. Warning: once.')
    expect(noticeOf('Bare words.')).to.equal('Bare words.')
    expect(noticeOf('@inheritdoc IThing')).to.equal('')
  })

  it('keeps a cell in its cell', () => {
    expect(table(['a'], [[cell('x | <b>\ny')], [code('p|q')]])).to.equal('| a |\n|---|\n| x \\| &lt;b&gt; y |\n| `p\\|q` |')
  })

  it('lists each command that does something, with its options', () => {
    const [, text] = cliPage()
    const commands = commandsOf(program)
    expect(commands.length).to.be.greaterThan(30)
    for (const { words, command } of commands) {
      expect(text).to.contain(`\n## ${words.join(' ')}\n\n${command.description()}.`)
      for (const { flags } of command.options) expect(text).to.contain(code(flags))
    }
  })
})
