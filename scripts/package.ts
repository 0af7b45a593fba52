// SPDX-License-Identifier: Apache-2.0
/**
 * What is published, built into dist/ as a package folder of its own, whose manifest is made here: the root's has a preinstall for contributors and
 * workspaces that nobody else needs. Packs it into the folder that is named, as `npm pack` does, and prints the file.
 */
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { basename, dirname, join, relative, resolve } from 'node:path'
import { typescriptImports } from './layers.ts'
import { at, files, hashOf, node, refuse, run, short, TOOLS } from './shell.ts'

/** Subpath → its entry, without extension. Nothing here, and nothing that it imports, is under GPL. */
export const ENTRIES = {
  './protocol': 'agents/protocol/index',
  './protocol/codec': 'agents/protocol/codec',
  './crypto': 'agents/crypto/index',
  './sdk': 'agents/sdk/index',
  './sdk/x509': 'agents/sdk/x509/index',
  './sdk/node': 'agents/sdk/drivers/node/index',
} as const

/** Rooms whose sources go along, so that "go to definition" finds them. */
const SOURCES = ['agents/crypto', 'agents/protocol', 'agents/sdk']
/** What a local network needs besides what its code imports: found by path, not by import. */
const TOOLS_OF_A_NETWORK = [
  '@account-abstraction/contracts',
  '@openzeppelin/contracts',
  '@openzeppelin/contracts-upgradeable',
  'circom2',
  'circomlib',
  'hardhat',
  'node',
  'solc',
]

interface Artifact {
  contractName: string
  sourceName: string
  abi: unknown[]
  bytecode: string
  deployedBytecode: string
  linkReferences: unknown
}

interface Manifest {
  name: string
  version: string
  description: string
  license: string
  devDependencies: Record<string, string>
}

const dist = (...parts: string[]): string => at('dist', ...parts)
const readText = (path: string): string => readFileSync(path, 'utf8')
/** The package that an import names. */
export const packageOf = (target: string): string => target.split('/', target.startsWith('@') ? 2 : 1).join('/')

/** Packages that `entry` (a built file) reaches, and the built files on the way. */
export function reach(entry: string): { packages: Set<string>; files: Set<string>; builtins: Set<string> } {
  const found = { packages: new Set<string>(), files: new Set<string>(), builtins: new Set<string>() }
  const visit = (file: string): void => {
    if (found.files.has(file)) return
    found.files.add(file)
    for (const { target } of typescriptImports(file, readText(dist(file)))) {
      if (target.startsWith('.')) visit(join(dirname(file), target))
      else if (target.startsWith('node:')) found.builtins.add(target)
      else found.packages.add(packageOf(target))
    }
  }
  visit(entry)
  return found
}

/** Types are imports too for who compiles against them; a package that only a declaration names is needed as well. */
function withDeclarations(entry: string): Set<string> {
  const { packages, files: built } = reach(entry)
  for (const file of built) {
    const declaration = dist(file.replace(/\.js$/, '.d.ts'))
    if (!existsSync(declaration)) continue
    for (const { target } of typescriptImports(file, readText(declaration)))
      if (!target.startsWith('.') && !target.startsWith('node:')) packages.add(packageOf(target))
  }
  return packages
}

function manifest(): object {
  const root = JSON.parse(readText(at('package.json'))) as Manifest
  const versions = (names: Iterable<string>): Record<string, string> =>
    Object.fromEntries(
      [...names].sort().map((name) => {
        const version = root.devDependencies[name]
        if (version === undefined) throw new Error(`${name} is imported and not in package.json`)
        return [name, version]
      }),
    )
  const needed = new Set(Object.values(ENTRIES).flatMap((entry) => [...withDeclarations(`${entry}.js`)]))
  const commands = files(dist(), (path) => path.endsWith('.js')).flatMap((path) => [...reach(relative(dist(), path)).packages])
  const peers = new Set([...commands, ...TOOLS_OF_A_NETWORK].filter((name) => !needed.has(name)))
  const { name, version, description, license } = root
  return {
    ...{ name, version, description, license, type: 'module', sideEffects: false, engines: { node: '>=20' } },
    bin: { trellis: './agents/cli/bin.js' },
    exports: {
      ...Object.fromEntries(Object.entries(ENTRIES).map(([path, to]) => [path, { types: `./${to}.d.ts`, default: `./${to}.js` }])),
      './contracts/*.sol': './contracts/*.sol',
      './contracts/*.json': './artifacts/*.sol/*.json',
      './circuits/*.circom': './circuits/*.circom',
      './package.json': './package.json',
    },
    dependencies: versions(needed),
    peerDependencies: versions(peers),
    peerDependenciesMeta: Object.fromEntries([...peers].sort().map((name) => [name, { optional: true }])),
  }
}

/** ABI and bytecode of what is deployed or inherited, as one file each; test doubles stay here, but for the token of local networks. */
function artifacts(): void {
  for (const path of files(at('artifacts'), (path) => path.endsWith('.json') && !path.includes('build-info'))) {
    if (short(path).startsWith('artifacts/contracts/mocks/') && basename(path) !== 'TestToken.json') continue
    const { contractName, sourceName, abi, bytecode, deployedBytecode, linkReferences } = JSON.parse(readText(path)) as Partial<Artifact>
    if (contractName === undefined) continue
    const to = dist('artifacts', `${contractName}.sol`, `${contractName}.json`)
    mkdirSync(dirname(to), { recursive: true })
    writeFileSync(to, JSON.stringify({ contractName, sourceName, abi, bytecode, deployedBytecode, linkReferences }))
  }
}

function copy(folder: string, want: (path: string) => boolean, to = folder): void {
  for (const path of files(at(folder), want)) cpSync(path, dist(to, relative(at(folder), path)))
}

/** Sources beside which the declaration maps point. They lie apart: a `.ts` beside a `.d.ts` would be compiled by whoever imports it. */
function sources(): void {
  for (const room of SOURCES) copy(room, (path) => path.endsWith('.ts'), `src/${room}`)
  for (const map of files(dist('agents'), (path) => path.endsWith('.d.ts.map'))) {
    const room = SOURCES.find((room) => relative(dist(), map).startsWith(`${room}/`))
    const declaration = map.replace(/\.map$/, '')
    if (room === undefined) {
      rmSync(map)
      writeFileSync(declaration, readText(declaration).replace(/\n\/\/# sourceMappingURL=.*\s*$/, '\n'))
      continue
    }
    const source = dist('src', relative(dist(), map).replace(/\.d\.ts\.map$/, '.ts'))
    const content = JSON.parse(readText(map)) as { sources: string[] }
    writeFileSync(map, JSON.stringify({ ...content, sources: [relative(dirname(map), source)] }))
  }
}

/** What the compiler leaves to do: `.ts` in declarations, whose readers have `.d.ts` only, and licence lines that went with an elided import. */
function finish(): void {
  for (const path of files(dist(), (path) => /\.(js|d\.ts)$/.test(path))) {
    const text = readText(path).replaceAll(/((?:from|import\()\s*["']\.{1,2}\/[^"']+)\.ts(["'])/g, '$1.js$2')
    const source = readText(at(relative(dist(), path).replace(/\.(js|d\.ts)$/, '.ts')))
    const licence = /^\/\/ SPDX-License-Identifier: .*\n/m.exec(source)?.[0] ?? ''
    writeFileSync(path, text.includes(licence) ? text : `${licence}${text}`)
  }
}

/** Builds dist/ when something of it changed. */
export async function buildPackage(): Promise<'built' | 'fresh'> {
  const isSource = (path: string): boolean => /\.(ts|json|mjs)$/.test(path) && !/[\\/](web|indexer)[\\/]/.test(path)
  const hash = hashOf([
    ...['agents', 'deploy'].flatMap((folder) => files(at(folder), isSource)),
    ...['contracts', 'circuits', 'templates'].flatMap((folder) => files(at(folder), () => true)),
    ...['package.json', 'tsconfig.json', 'tsconfig.package.json', 'scripts/package.ts', 'scripts/build-circuits.ts', 'README.md'].map(
      (file) => at(file),
    ),
  ])
  const stamp = at('cache', 'build-package')
  if (existsSync(stamp) && existsSync(dist('package.json')) && readText(stamp) === hash) return 'fresh'
  rmSync(dist(), { recursive: true, force: true })
  rmSync(at('cache', 'package.tsbuildinfo'), { force: true })
  const compiled = await node(TOOLS.tsc, ['-p', 'tsconfig.package.json'])
  if (compiled.code !== 0) throw new Error(compiled.output.trim())
  finish()
  sources()
  artifacts()
  copy('contracts', (path) => path.endsWith('.sol') && !short(path).startsWith('contracts/mocks/'))
  copy('circuits', () => true)
  copy('templates', () => true)
  // Named one by one: an operator keeps keys and addresses beside them.
  copy('deploy', (path) => /^deploy\/(canonical|layouts|networks)\/[^/]+\.json$/.test(short(path)))
  for (const file of ['README.md', 'LICENSE', 'LICENSES']) cpSync(at(file), dist(file), { recursive: true })
  writeFileSync(dist('package.json'), `${JSON.stringify(manifest(), undefined, 2)}\n`)
  mkdirSync(dirname(stamp), { recursive: true })
  writeFileSync(stamp, hash)
  return 'built'
}

/** Packs dist/ into `folder` and returns the tarball. */
export async function pack(folder: string): Promise<string> {
  await buildPackage()
  mkdirSync(folder, { recursive: true })
  const packed = await run('npm', ['pack', '--ignore-scripts', '--loglevel=error', '--pack-destination', folder], { cwd: dist() })
  if (packed.code !== 0) throw new Error(packed.output.trim())
  return join(folder, packed.output.trim().split('\n').at(-1)!)
}

if (import.meta.main) {
  const [folder = '.'] = process.argv.slice(2)
  try {
    console.log(await pack(resolve(process.env['INIT_CWD'] ?? process.cwd(), folder)))
  } catch (error) {
    refuse('PACKAGE_FAILED', 'The package does not build.', [(error as Error).message], 'npm run build, then npm run pack')
  }
}
