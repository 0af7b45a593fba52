// SPDX-License-Identifier: Apache-2.0
/** Links of README.md, docs, the rooms' READMEs and llms.txt lead to files and headings that there are. No request is made. */
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { expect } from 'chai'
import { at, files, short } from '../../scripts/shell.ts'
import { anchorsOf, linksOf } from './support/blocks.ts'

const pages = [
  ...['README.md', 'ARCHITECTURE.md', 'SECURITY.md', 'CHANGELOG.md', 'llms.txt'].map((name) => at(name)),
  ...['docs', 'agents', 'contracts', 'scripts', 'test', 'deploy'].flatMap((room) => files(at(room), (path) => path.endsWith('.md'))),
]

describe('links of the documentation', () => {
  it('lead somewhere', () => {
    const wrong: string[] = []
    let count = 0
    for (const page of pages) {
      for (const { line, target } of linksOf(readFileSync(page, 'utf8'))) {
        if (/^(https?|mailto):/.test(target)) continue
        count += 1
        const [path = '', anchor] = target.split('#')
        const file = path === '' ? page : join(dirname(page), decodeURI(path))
        if (!existsSync(file)) wrong.push(`${short(page)}:${line}  there is no ${target}`)
        else if (anchor !== undefined && !anchorsOf(readFileSync(file, 'utf8')).has(anchor))
          wrong.push(`${short(page)}:${line}  ${short(file)} has no heading #${anchor}`)
      }
    }
    expect(wrong.join('\n')).to.equal('')
    expect(count).to.be.greaterThan(100)
  })

  it('every page of docs is reached from docs/README.md', () => {
    const reached = new Set<string>()
    const visit = (page: string): void => {
      if (reached.has(page) || !page.endsWith('.md') || !existsSync(page)) return
      reached.add(page)
      for (const { target } of linksOf(readFileSync(page, 'utf8')))
        if (!target.startsWith('http')) visit(join(dirname(page), target.split('#')[0]!))
    }
    visit(at('docs', 'README.md'))
    expect(files(at('docs'), (path) => path.endsWith('.md') && !reached.has(path)).map(short)).to.deep.equal([])
  })
})
