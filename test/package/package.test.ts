// SPDX-License-Identifier: Apache-2.0
/**
 * The package as its users have it: packed, installed from the tarball into a folder outside the repository, imported by what they run: viem and ethers
 * scripts on Node 20 and 24, a Solidity project, a page. Nothing here reads a file of the repository but the scripts in `consumer/`.
 */
import { expect } from 'chai'
import { execFileSync } from 'node:child_process'
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { DEVELOPMENT_MNEMONIC } from '../../agents/kit/keys.ts'
import { readNetwork } from '../../deploy/network.ts'
import { deploySuite } from '../../deploy/suite.ts'
import { typescriptImports } from '../../scripts/layers.ts'
import { ENTRIES, pack, packageOf, reach } from '../../scripts/package.ts'
import { at, files, run } from '../../scripts/shell.ts'
import { type Anvil, startAnvil } from '../integration/support/anvil.ts'

const version = (name: string): string =>
  (JSON.parse(readFileSync(at('package.json'), 'utf8')) as { devDependencies: Record<string, string> }).devDependencies[name]!

/** A Node of another major on this machine's PATH. */
function otherNode(major: number): string | undefined {
  for (const folder of (process.env['PATH'] ?? '').split(delimiter)) {
    const program = join(folder, 'node')
    if (!existsSync(program)) continue
    const told = execFileSync(program, ['--version'], { encoding: 'utf8' })
    if (told.startsWith(`v${major}.`)) return program
  }
  return undefined
}

describe('the package', function () {
  this.timeout(600_000)
  let folder: string
  let chain: Anvil
  const installed = (...parts: string[]): string => join(folder, 'node_modules', 'trellis', ...parts)
  let facts: { rpcUrl: string; addresses: Record<string, string>; mnemonic: string }

  before(async function () {
    folder = mkdtempSync(join(tmpdir(), 'trellis-package-'))
    const tarball = await pack(join(folder, 'packed'))
    const dependencies = Object.fromEntries(['ethers', 'solc', 'typescript', 'vite', 'viem'].map((name) => [name, version(name)]))
    const manifest = { name: 'user', private: true, type: 'module', dependencies: { ...dependencies, trellis: `file:${tarball}` } }
    writeFileSync(join(folder, 'package.json'), JSON.stringify(manifest))
    const done = await run('npm', ['install', '--prefer-offline', '--no-audit', '--no-fund', '--loglevel=error'], { cwd: folder })
    expect(done.code, done.output).to.equal(0)
    // Its contract is no `.sol` here: the repository's own compiler would want it, without the package.
    cpSync(join(import.meta.dirname, 'consumer'), folder, { recursive: true })

    chain = await startAnvil(this)
    const suite = await deploySuite({ network: readNetwork('localhost', { rpc: chain.rpcUrl }), stateFolder: folder })
    const addresses = Object.fromEntries([...suite.contracts].map(([name, { address }]) => [name, address]))
    facts = { rpcUrl: chain.rpcUrl, addresses, mnemonic: DEVELOPMENT_MNEMONIC }
  })
  after(async () => {
    await chain?.stop()
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true })
  })

  const script = async <T>(program: string, file: string, more: object = {}): Promise<T> => {
    const done = await run(program, [file, JSON.stringify({ ...facts, ...more })], { cwd: folder, env: { NODE_NO_WARNINGS: '1' } })
    expect(done.code, done.output).to.equal(0)
    return JSON.parse(done.output.trim().split('\n').at(-1)!) as T
  }

  it('holds built code with types and no test, key, machine path or install script', () => {
    const all = readdirSync(installed(), { recursive: true, encoding: 'utf8' }).filter((path) => !path.startsWith('node_modules'))
    // What a new project begins with has a test of its own.
    const wrong = all.filter(
      (path) =>
        !path.startsWith('templates') && /(^|\/)(test|mocks|\.trellis|cache|build)(\/|$)|\.test\.|zkey|\.t\.sol|\.pem$|\.env/.test(path),
    )
    expect(wrong).to.deep.equal([])
    const home = at().replace(/[\\/]+$/, '')
    for (const path of files(installed(), (path) => /\.(js|json|ts|map|md)$/.test(path)))
      expect(readFileSync(path, 'utf8').includes(home), path).to.equal(false)
    const manifest = JSON.parse(readFileSync(installed('package.json'), 'utf8')) as Record<string, unknown>
    expect(Object.keys(manifest)).to.not.include.members(['scripts', 'workspaces', 'devDependencies', 'private'])
    for (const entry of Object.values(ENTRIES)) expect(existsSync(installed(`${entry}.d.ts`)), entry).to.equal(true)
    for (const path of files(installed('agents'), (path) => path.endsWith('.d.ts.map'))) {
      const [source] = (JSON.parse(readFileSync(path, 'utf8')) as { sources: [string] }).sources
      expect(existsSync(join(path, '..', source)), path).to.equal(true)
    }
  })

  it('depends on what its subpaths import and nothing else; what a page may import reaches no node: module and no GPL code', () => {
    const { dependencies } = JSON.parse(readFileSync(installed('package.json'), 'utf8')) as { dependencies: Record<string, string> }
    const needed = new Set<string>()
    for (const [path, entry] of Object.entries(ENTRIES)) {
      const { packages, builtins, files: built } = reach(`${entry}.js`)
      for (const name of packages) needed.add(name)
      if (path !== './sdk/node') expect([...builtins], path).to.deep.equal([])
      for (const file of built) {
        const declaration = file.replace(/\.js$/, '.d.ts')
        for (const { target } of typescriptImports(declaration, readFileSync(installed(declaration), 'utf8')))
          if (!target.startsWith('.') && !target.startsWith('node:')) needed.add(packageOf(target))
        expect(file, path).to.match(/^agents\/(crypto|protocol|sdk|kit)\//)
        expect(readFileSync(installed(file), 'utf8'), file).to.contain('SPDX-License-Identifier: Apache-2.0')
      }
    }
    expect(Object.keys(dependencies).sort()).to.deep.equal([...needed].sort())
    expect([...needed].filter((name) => /snarkjs|circom|ffjavascript/.test(name))).to.deep.equal([])
  })

  it('imports no package that its manifest does not name', () => {
    type Lists = Record<'dependencies' | 'peerDependencies', Record<string, string>>
    const { dependencies, peerDependencies } = JSON.parse(readFileSync(installed('package.json'), 'utf8')) as Lists
    const named = new Set([...Object.keys(dependencies), ...Object.keys(peerDependencies)])
    for (const path of files(installed(), (path) => path.endsWith('.js')))
      for (const { target } of typescriptImports(path, readFileSync(path, 'utf8'))) {
        if (target.startsWith('.')) expect(existsSync(join(path, '..', target)), `${path} ${target}`).to.equal(true)
        else if (!target.startsWith('node:'))
          expect(
            [...named].some((name) => target === name || target.startsWith(`${name}/`)),
            `${path} ${target}`,
          ).to.equal(true)
      }
  })

  const groth16 = JSON.parse(readFileSync(at('test', 'fixtures', 'groth16', 'four.json'), 'utf8')) as object
  let registered: { device: string; wallet: string }

  it('runs the flow of ioID v1 in an ethers script', async () => {
    registered = await script(process.execPath, 'v1.mjs')
    expect(registered.wallet).to.match(/^0x[0-9a-fA-F]{40}$/)
  })

  for (const major of [24, 20]) {
    it(`reads that device and verifies a proof, on chain and by itself, in a viem script on Node ${major}`, async function () {
      const program = process.versions.node.startsWith(`${major}.`) ? process.execPath : otherNode(major)
      if (program === undefined) {
        console.log(`SKIP this machine has no Node ${major} on its PATH`)
        this.skip()
      }
      const answer = await script<Record<string, unknown>>(program, 'read.mjs', { device: registered.device, groth16 })
      expect(answer).to.deep.include({
        did: `did:io:${registered.device.toLowerCase()}`,
        exists: true,
        wallet: registered.wallet,
        answers: { chain: [true, false], here: [true, false] },
        parsed: true,
        certificates: true,
      })
      expect(answer['node']).to.match(new RegExp(`^${major}\\.`))
    })
  }

  it('compiles a contract of somebody else that inherits the dapp base', () => {
    const require = createRequire(join(folder, 'package.json'))
    const solc = require('solc') as {
      compile(input: string, callbacks: { import(path: string): { contents?: string; error?: string } }): string
    }
    const input = {
      language: 'Solidity',
      sources: { 'Cooling.sol': { content: readFileSync(join(folder, 'Cooling.sol.txt'), 'utf8') } },
      settings: { outputSelection: { '*': { '*': ['abi', 'evm.bytecode.object'] } } },
    }
    // By the package's exports, as every resolver of npm's does.
    const found = (path: string): { contents?: string; error?: string } => {
      try {
        return { contents: readFileSync(require.resolve(path), 'utf8') }
      } catch (error) {
        return { error: (error as Error).message }
      }
    }
    type Output = {
      errors?: { formattedMessage: string }[]
      contracts: Record<string, Record<string, { evm: { bytecode: { object: string } } }>>
    }
    const output = JSON.parse(solc.compile(JSON.stringify(input), { import: found })) as Output
    expect(output.errors ?? []).to.deep.equal([])
    expect(output.contracts['Cooling.sol']!['Cooling']!.evm.bytecode.object.length).to.be.greaterThan(500)
    const artifact = require('trellis/contracts/TelemetryDapp.json') as { abi: unknown[]; bytecode: string }
    expect([artifact.abi.length > 5, artifact.bytecode.length > 500]).to.deep.equal([true, true])
  })

  const init = (...args: string[]) => run(process.execPath, [installed('agents', 'cli', 'bin.js'), 'init', ...args], { cwd: folder })

  it('makes a project from the tarball that it was installed from, and refuses bad names and folders with files', async () => {
    for (const [code, ...args] of [
      ['NAME_INVALID'],
      ['NAME_INVALID', '../out'],
      ['NAME_INVALID', 'Upper'],
      ['NAME_INVALID', 'two', 'names'],
      ['FOLDER_NOT_EMPTY', 'page'],
    ]) {
      const refused = await init(...args)
      expect([refused.code, refused.output], args.join(' ')).to.satisfy(
        ([exit, text]: [number, string]) => exit === 1 && text.includes(code!),
      )
    }
    expect(existsSync(join(folder, 'page', 'trellis.json'))).to.equal(false)
    const made = await init('my-depin')
    expect(made.code, made.output).to.equal(0)
    expect(made.output).to.contain('next  cd my-depin')
    const project = join(folder, 'my-depin')
    for (const path of files(project, (path) => !path.endsWith('.tgz'))) expect(readFileSync(path, 'utf8'), path).to.not.match(/__[A-Z]+__/)
    const manifest = JSON.parse(readFileSync(join(project, 'package.json'), 'utf8')) as Record<string, Record<string, string>>
    expect(existsSync(join(project, manifest['dependencies']!['trellis']!.slice('file:'.length)))).to.equal(true)
    expect(JSON.stringify(manifest)).to.not.contain(folder)
    const again = await init('my-depin')
    expect([again.code, again.output.includes('FOLDER_NOT_EMPTY')]).to.deep.equal([1, true])
  })

  // Minutes: an install of everything, a circuit compiled and keyed, a network, proofs. `npm run test:deep` has them.
  if (process.env['TRELLIS_DEEP'] === '1')
    it('brings that project up from nothing to verified proofs of its own statement', async function () {
      this.timeout(900_000)
      const project = join(folder, 'my-depin')
      const npm = (...args: string[]) => run('npm', args, { cwd: project })
      const installed = await npm('install', '--prefer-offline', '--no-audit', '--no-fund')
      expect(installed.code, installed.output).to.equal(0)
      const tested = await npm('test')
      expect(tested.code, tested.output).to.equal(0)
      const started = await npm('run', 'trellis', '--', 'demo', '--json', '--free-ports')
      expect(started.code, started.output).to.equal(0)
      const summary = JSON.parse(started.output.trim().split('\n').at(-1)!) as Record<string, unknown>
      expect(summary).to.deep.include({ accepted: 256, settled: 256, proofs: 4, verified: 4, problems: [] })
      console.log(
        `      install ${installed.seconds.toFixed(0)} s, test ${tested.seconds.toFixed(0)} s, demo ${started.seconds.toFixed(0)} s`,
      )
    })

  it('bundles a page whose types are checked, with nothing left out for the browser', async () => {
    const options = [
      '--noEmit',
      '--strict',
      '--skipLibCheck',
      '--target',
      'es2024',
      '--module',
      'esnext',
      '--moduleResolution',
      'bundler',
      '--lib',
      'es2024,dom',
    ]
    const typed = await run(process.execPath, [join('node_modules', 'typescript', 'bin', 'tsc'), ...options, 'page/main.ts'], {
      cwd: folder,
    })
    expect(typed.output.trim()).to.equal('')
    const vite = join('node_modules', 'vite', 'bin', 'vite.js')
    const done = await run(process.execPath, [vite, 'build', 'page', '--outDir', join(folder, 'site')], { cwd: folder })
    expect(done.code, done.output).to.equal(0)
    expect(done.output).to.not.match(/externalized|warning/i)
    expect(readdirSync(join(folder, 'site', 'assets')).filter((name) => name.endsWith('.js'))).to.have.length(1)
  })
})
