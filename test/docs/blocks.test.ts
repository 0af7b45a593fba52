// SPDX-License-Identifier: Apache-2.0
/** What these tests read of Markdown: a reader that overlooked a block would let every lie pass. */
import { expect } from 'chai'
import { anchorsOf, blocksOf, linksOf, missing } from './support/blocks.ts'

const tick = '```'

describe('blocks of the documentation', () => {
  it('finds each sh fence with what is asked of it, and its output only right below', () => {
    const text = `${tick}sh\na\nb\n${tick}\n\n${tick}text\nout 1\n\nout 2\n${tick}\n- list\n  ${tick}sh exit=3\n  c\n  ${tick}\nwords\n${tick}text\nnot output\n${tick}\n${tick}sh skip="needs root" \nd\n${tick}\n${tick}sh stays="up and running"\ne\n${tick}\n${tick}json\n{}\n${tick}`
    expect(blocksOf(text).map(({ text: body, exit, stays, skip, output }) => [body, exit, stays, skip, output])).to.deep.equal([
      ['a\nb', 0, undefined, undefined, ['out 1', 'out 2']],
      ['c', 3, undefined, undefined, []],
      ['d', 0, undefined, 'needs root', []],
      ['e', 0, 'up and running', undefined, []],
    ])
    expect(() => blocksOf(`${tick}sh sikp="x"\na\n${tick}`)).to.throw('means nothing')
    expect(() => blocksOf(`${tick}sh\na`)).to.throw('no end')
  })

  it('compares output without numbers and widths, in order', () => {
    const output = '   3.1 s  chain on http://127.0.0.1:8545\nreadings   140  of 2 devices\nwallet 0xAbc1  0.07 TEST\n'
    expect(missing(['0.2 s chain on http://127.0.0.1:1', 'readings 1280 of 4 devices', 'wallet 0x… 1 TEST'], output)).to.equal(undefined)
    expect(missing(['readings 5 of 1 device'], output)).to.equal('readings 5 of 1 device')
    expect(missing(['readings 1 of 4 devices', 'chain on http://127.0.0.1:1'], output)).to.equal('chain on http://127.0.0.1:1')
    expect(missing(['… chain on …'], output)).to.equal(undefined)
  })

  it('finds links outside of code, and anchors as code hosts make them', () => {
    expect(linksOf(`[a](b.md#c) and \`[no](x)\`\n${tick}\n[no](y)\n${tick}\n<img src="d.svg">`)).to.deep.equal([
      { line: 1, target: 'b.md#c' },
      { line: 5, target: 'd.svg' },
    ])
    expect([...anchorsOf(`# One, two: \`three\`\n## Same\n## Same\n${tick}sh\n# no\n${tick}`)]).to.deep.equal([
      'one-two-three',
      'same',
      'same-1',
    ])
  })
})
