// SPDX-License-Identifier: Apache-2.0
/** The checks of scripts/: layers, layouts, the test runner's parsing and scheduling, the bench comparison. */
import { expect } from 'chai'
import { differences, type Row } from '../../../scripts/bench.ts'
import { constantName } from '../../../scripts/generate.ts'
import { judgeSolidity, judgeTypescript, solidityImports, typescriptImports } from '../../../scripts/layers.ts'
import { incompatibilities, type Layout } from '../../../deploy/storage-layout.ts'
import { declared, licenceOfRoom } from '../../../scripts/licences.ts'
import { parseCheck, parseMocha, parseSolidity, type Result, schedule } from '../../../scripts/test.ts'

const ts = (file: string, target: string): string | undefined => judgeTypescript({ file, line: 1, target })
const sol = (file: string, target: string): string | undefined => judgeSolidity({ file, line: 1, target })

describe('scripts/layers', () => {
  it('finds imports, re-exports, dynamic imports and import types', () => {
    const text = `import a from 'a'\nexport * from './b.ts'\nconst c = await import('./c.ts')\ntype D = import('./d.ts').D\n// import x from 'no'\nconst s = "import y from 'no'"`
    expect(typescriptImports('f.ts', text).map(({ target, line }) => [target, line])).to.deep.equal([
      ['a', 1],
      ['./b.ts', 2],
      ['./c.ts', 3],
      ['./d.ts', 4],
    ])
    expect(
      solidityImports('f.sol', 'import {A} from "./A.sol";\nimport {\n  B\n} from "./B.sol";').map(({ target }) => target),
    ).to.deep.equal(['./A.sol', './B.sol'])
  })

  it('keeps I/O out of crypto, protocol and the core of the SDK', () => {
    expect(ts('agents/crypto/x.ts', 'node:fs')).to.contain('no I/O')
    expect(ts('agents/protocol/x.ts', 'pino')).to.contain('no I/O')
    expect(ts('agents/sdk/window.ts', 'mqtt')).to.contain('no I/O')
    expect(ts('agents/sdk/drivers/node/mqtt.ts', 'mqtt')).to.equal(undefined)
    expect(ts('agents/protocol/x.ts', 'viem')).to.equal(undefined)
  })

  it('keeps agents apart', () => {
    expect(ts('agents/gateway/x.ts', '../coordinator/y.ts')).to.contain('may not import')
    expect(ts('agents/sdk/x.ts', '../kit/log.ts')).to.contain('may not import')
    expect(ts('agents/cli/run.ts', '../gateway/service.ts')).to.equal(undefined)
    expect(ts('agents/cli/run.ts', '../gateway/ledger.ts')).to.contain('service.ts')
    expect(ts('agents/kit/x.ts', '../protocol/errors.ts')).to.equal(undefined)
    expect(ts('agents/protocol/x.ts', '../kit/log.ts')).to.contain('may not import')
  })

  it('keeps GPL packages out of Apache rooms', () => {
    expect(ts('agents/coordinator/x.ts', 'snarkjs')).to.contain('GPL')
    expect(ts('agents/prover/circom/x.ts', 'snarkjs')).to.equal(undefined)
  })

  it('keeps the page in the browser, apart from its server and from every service', () => {
    expect(ts('agents/portal/web/x.tsx', 'node:fs')).to.contain('not on its list')
    expect(ts('agents/portal/web/x.tsx', '../server/y.ts')).to.contain('may not import')
    expect(ts('agents/portal/web/data/x.ts', '../../../kit/log.ts')).to.contain('may not import')
    expect(ts('agents/portal/web/data/x.ts', '../../../sdk/drivers/node/mqtt.ts')).to.contain('may not import')
    expect(ts('agents/portal/web/data/x.ts', '../../../protocol/ids.ts')).to.equal(undefined)
    expect(ts('agents/portal/web/data/x.ts', '../../api.ts')).to.equal(undefined)
    expect(ts('agents/portal/server/x.ts', '../web/data/y.ts')).to.contain('imports none of it')
  })

  it('lets Solidity domains see each other through interfaces only', () => {
    expect(sol('contracts/w3bstream/A.sol', '../identity/B.sol')).to.contain('only through')
    expect(sol('contracts/w3bstream/A.sol', '../interfaces/identity/IB.sol')).to.equal(undefined)
    expect(sol('contracts/interfaces/w3bstream/IA.sol', '../../w3bstream/A.sol')).to.be.a('string')
    expect(sol('contracts/identity/A.sol', '../mocks/M.sol')).to.contain('test doubles')
    expect(sol('contracts/types/T.sol', '../libraries/L.sol')).to.be.a('string')
  })
})

describe('scripts/layouts', () => {
  const layout = (members: [string, string][]): Layout => ({
    variables: [],
    namespaces: { a: members.map(([type, name]) => ({ type, name })) },
  })
  const before = layout([
    ['uint256', 'x'],
    ['address', 'y'],
  ])

  it('accepts growth at the end and new namespaces', () => {
    expect(
      incompatibilities(
        before,
        layout([
          ['uint256', 'x'],
          ['address', 'y'],
          ['bool', 'z'],
        ]),
      ),
    ).to.deep.equal([])
    expect(incompatibilities(before, { ...before, namespaces: { ...before.namespaces, b: [] } })).to.deep.equal([])
  })

  it('accepts members at the end of the struct that a mapping leads to, and no other change of it', () => {
    const states = (members: string): Layout => layout([[`mapping(uint256 => mapping(address => struct S { ${members} }))`, 's']])
    const old = states('bool a; struct T { bool b } t')
    expect(incompatibilities(old, states('bool a; struct T { bool b } t; uint16 c'))).to.deep.equal([])
    for (const members of [
      'bool a; struct T { bool b; bool c } t',
      'bool c; bool a; struct T { bool b } t',
      'bool a',
      'bool a; struct T { bool b } tt',
    ])
      expect(incompatibilities(old, states(members))).to.have.length(1)
    const list = layout([['struct S { bool a }[]', 's']])
    expect(incompatibilities(list, layout([['struct S { bool a; bool b }[]', 's']]))).to.have.length(1)
  })

  it('refuses a removed, moved, renamed or retyped member and a lost namespace', () => {
    expect(incompatibilities(before, layout([['uint256', 'x']]))).to.have.length(1)
    expect(
      incompatibilities(
        before,
        layout([
          ['address', 'y'],
          ['uint256', 'x'],
        ]),
      ),
    ).to.have.length(2)
    expect(
      incompatibilities(
        before,
        layout([
          ['uint128', 'x'],
          ['address', 'y'],
        ]),
      ),
    ).to.have.length(1)
    expect(incompatibilities(before, { variables: [], namespaces: {} })).to.have.length(1)
  })

  it('refuses a plain variable that moved', () => {
    const at = (slot: string): Layout => ({ variables: [{ name: 'v', type: 'uint256', slot, offset: 0 }], namespaces: {} })
    expect(incompatibilities(at('0'), at('1'))).to.have.length(1)
    expect(incompatibilities(at('0'), at('0'))).to.deep.equal([])
  })
})

describe('scripts/licences', () => {
  it('knows the licence of each room', () => {
    expect(licenceOfRoom('agents/prover/loop.ts')).to.equal('GPL-3.0-or-later')
    expect(licenceOfRoom('circuits/lib/x.circom')).to.equal('GPL-3.0-or-later')
    expect(licenceOfRoom('contracts/x.sol')).to.equal('Apache-2.0')
  })

  it('reads the SPDX line of the first lines only', () => {
    expect(declared('// SPDX-License-Identifier: Apache-2.0\n')).to.equal('Apache-2.0')
    expect(declared('a\nb\nc\n// SPDX-License-Identifier: MIT')).to.equal(undefined)
  })
})

describe('scripts/test', () => {
  const done = (code: number, output: string): { code: number; output: string; seconds: number } => ({ code, output, seconds: 1 })

  it('counts a failed program that says nothing as one failure', () => {
    expect(parseCheck(done(2, 'boom'))).to.include({ passed: 0, failed: 1 })
    expect(parseCheck(done(0, 'fine'))).to.include({ passed: 1, failed: 0 })
    expect(parseCheck(done(1, 'x\n7 passed, 2 failed\n'))).to.include({ passed: 7, failed: 2 })
    expect(parseCheck(done(1, '7 passed, 0 failed'))).to.include({ passed: 7, failed: 1 })
  })

  it('reads the Solidity runner', () => {
    const result = parseSolidity(done(1, '  12 passing\n  1 failing\n  2 skipped\n'))
    expect(result).to.include({ passed: 12, failed: 1 })
    expect(result.skipped).to.have.length(2)
  })

  it('reads a mocha report and the reasons of skips', () => {
    const report = { stats: { passes: 3, failures: 0, pending: 1 }, pending: [{ fullTitle: 'a b' }], failures: [] }
    expect(parseMocha(done(0, 'SKIP needs mosquitto\n'), report).skipped).to.deep.equal([{ title: 'a b', reason: 'needs mosquitto' }])
    expect(parseMocha(done(0, ''), report).skipped[0]?.reason).to.equal('no reason given')
    expect(parseMocha(done(0, ''), undefined).failed).to.equal(1)
    expect(parseMocha(done(1, ''), report).failed).to.equal(1)
  })

  it('runs stages by their needs, two at once, and one that wants to be alone alone', async () => {
    const running = new Set<string>()
    const seen: string[] = []
    let most = 0
    const stage = (name: string, needs: string[] = [], alone = false) => ({
      name,
      needs,
      alone,
      run: async (): Promise<Result> => {
        running.add(name)
        seen.push(name)
        most = Math.max(most, running.size)
        if (alone) expect([...running]).to.deep.equal([name])
        await new Promise((wake) => setTimeout(wake, 5))
        running.delete(name)
        return { passed: 1, failed: 0, skipped: [], output: '' }
      },
    })
    const rows = await schedule([stage('e2e', ['build'], true), stage('build'), stage('a', ['build']), stage('b', ['build'])], 2, () => {})
    expect(rows.map(({ name }) => name)).to.deep.equal(['e2e', 'build', 'a', 'b'])
    expect(seen[0]).to.equal('build')
    expect(most).to.equal(2)
  })

  it('counts a stage that throws, and does not run what needs a failed set-up', async () => {
    let ran = false
    const rows = await schedule(
      [
        { name: 'set-up', run: () => Promise.reject(new Error('no')) },
        { name: 'unit', needs: ['set-up'], run: async () => ((ran = true), { passed: 1, failed: 0, skipped: [], output: '' }) },
      ],
      2,
      () => {},
    )
    expect(rows.map(({ failed }) => failed)).to.deep.equal([1, 1])
    expect(ran).to.equal(false)
  })
})

describe('scripts/bench', () => {
  const row = (name: string, ours: number, unit = 'gas'): Row => ({
    case: name,
    unit,
    ours,
    peer: null,
    peerName: null,
    ratio: null,
    target: null,
    ok: true,
  })

  it('compares only what does not depend on the machine', () => {
    expect(differences([row('a', 1), row('t', 5, 's')], [row('a', 1), row('t', 9, 's')])).to.deep.equal([])
    expect(differences([row('a', 1), row('b', 2)], [row('a', 3), row('c', 4)])).to.have.length(3)
  })
})

describe('scripts/generate', () => {
  it('names constants after contracts', () => {
    expect(constantName('IoIDRegistry')).to.equal('ioIDRegistryAbi')
    expect(constantName('IVerifier')).to.equal('iVerifierAbi')
  })
})
