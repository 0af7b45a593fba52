// SPDX-License-Identifier: Apache-2.0
/**
 * Licences: an SPDX line opens every source file, with the licence of its room; no package under GPL is reachable from the rooms under
 * Apache-2.0; every installed package has a licence on the list below. `--list` prints packages by licence.
 */
import { existsSync, readFileSync } from 'node:fs'
import { typescriptImports } from './layers.ts'
import { at, files, refuse, short } from './shell.ts'

const GPL_ROOMS = ['circuits/', 'agents/prover/']
const FOLDERS = ['contracts', 'circuits', 'agents', 'deploy', 'scripts', 'test']
/** Rooms that DePIN projects import. */
const CORE = [
  'agents/crypto',
  'agents/protocol',
  'agents/lightclient',
  'agents/sdk',
  'agents/kit',
  'agents/gateway',
  'agents/coordinator',
  'agents/portal',
  'agents/indexer',
  'agents/cli',
]
const PERMISSIVE =
  /^(MIT|MIT-0|ISC|Apache-2\.0|BSD(-[23]-Clause)?|0BSD|Unlicense|CC0-1\.0|CC-BY-[34]\.0|PDDL-1\.0|ODC-By-1\.0|Python-2\.0|PSF-2\.0|Apache-2\.0 WITH LLVM-exception|BlueOak-1\.0\.0|MPL-2\.0|OFL-1\.1|Zlib|WTFPL|PostgreSQL|Public Domain)$/i
const COPYLEFT = /\bA?GPL|LGPL/i

interface Package {
  name: string
  version: string
  licence: string
  dependencies: string[]
}

/** Circuits are GPL wherever they lie: circomlib is. */
export const licenceOfRoom = (file: string): string =>
  file.endsWith('.circom') || GPL_ROOMS.some((room) => file.startsWith(room)) ? 'GPL-3.0-or-later' : 'Apache-2.0'

/** The licence that a source file declares on its first lines, or undefined. */
export const declared = (text: string): string | undefined => /SPDX-License-Identifier:\s*(\S+)/.exec(text.split('\n', 3).join('\n'))?.[1]

/** Packages as installed, by their path in package-lock.json. */
function installed(): Map<string, Package> {
  interface Entry {
    version?: string
    license?: string
    dependencies?: Record<string, string>
    optionalDependencies?: Record<string, string>
  }
  const lock = JSON.parse(readFileSync(at('package-lock.json'), 'utf8')) as { packages: Record<string, Entry> }
  const packages = new Map<string, Package>()
  for (const [path, entry] of Object.entries(lock.packages)) {
    if (path === '') continue
    const name = path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length)
    let licence = entry.license
    const manifest = at(path, 'package.json')
    if (licence === undefined && existsSync(manifest)) {
      const read = JSON.parse(readFileSync(manifest, 'utf8')) as { license?: string | { type?: string }; licenses?: { type?: string }[] }
      licence = typeof read.license === 'string' ? read.license : (read.license?.type ?? read.licenses?.[0]?.type)
    }
    packages.set(path, {
      name,
      version: entry.version ?? '',
      licence: licence ?? 'unknown',
      dependencies: Object.keys({ ...entry.dependencies, ...entry.optionalDependencies }),
    })
  }
  return packages
}

/** Allowed when any branch of an SPDX expression with OR is permissive. */
const permissive = (licence: string): boolean =>
  licence
    .replaceAll(/[()]/g, '')
    .split(/\s+OR\s+|\//i)
    .some((branch) => branch.split(/\s+AND\s+/i).every((one) => PERMISSIVE.test(one.trim())))

/** Folders in which Node looks for a dependency of the package at `path`, nearest first. */
function* searchPath(path: string): Generator<string> {
  for (let base = path; base !== ''; base = base.slice(0, Math.max(0, base.lastIndexOf('/node_modules/')))) yield `${base}/node_modules`
  yield 'node_modules'
}

/** All packages that `roots` pull in, each with the chain of names that leads there. */
function reachable(packages: Map<string, Package>, roots: readonly string[]): Map<string, string> {
  const via = new Map<string, string>()
  const visit = (path: string, chain: string): void => {
    if (via.has(path)) return
    via.set(path, chain)
    for (const dependency of packages.get(path)?.dependencies ?? []) {
      for (const folder of searchPath(path)) {
        if (!packages.has(`${folder}/${dependency}`)) continue
        visit(`${folder}/${dependency}`, `${chain} > ${dependency}`)
        break
      }
    }
  }
  for (const root of roots) if (packages.has(`node_modules/${root}`)) visit(`node_modules/${root}`, root)
  return via
}

const packageOf = (specifier: string): string =>
  specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/')

export function check(): { checked: number; wrong: string[] } {
  const wrong: string[] = []
  const sources = FOLDERS.flatMap((folder) => files(at(folder), (path) => /\.(tsx?|sol|circom|mjs)$/.test(path)))
  for (const path of sources) {
    const file = short(path)
    const have = declared(readFileSync(path, 'utf8'))
    if (file.endsWith('.mjs')) continue
    // A test that loads the prover or circomlib may say that it is under their licence.
    if (file.startsWith('test/') && have === 'GPL-3.0-or-later') continue
    if (have !== licenceOfRoom(file)) wrong.push(`${file}  says ${have ?? 'nothing'}, its room is ${licenceOfRoom(file)}`)
  }
  const packages = installed()
  for (const { name, version, licence } of packages.values()) {
    if (!permissive(licence) && !COPYLEFT.test(licence)) wrong.push(`${name}@${version}  licence "${licence}" is not on the list`)
  }
  const roots = new Map<string, string>()
  for (const path of CORE.flatMap((room) => files(at(room), (name) => /\.tsx?$/.test(name)))) {
    for (const { target } of typescriptImports(short(path), readFileSync(path, 'utf8'))) {
      if (!target.startsWith('.') && !target.startsWith('node:')) roots.set(packageOf(target), short(path))
    }
  }
  for (const [path, via] of reachable(packages, [...roots.keys()])) {
    const found = packages.get(path)
    if (found !== undefined && !permissive(found.licence))
      wrong.push(`${found.name}  ${found.licence}, reached by ${via} from an Apache-2.0 room`)
  }
  return { checked: sources.length + packages.size, wrong }
}

if (import.meta.main) {
  if (process.argv.includes('--list')) {
    const byLicence = new Map<string, string[]>()
    for (const { name, licence } of installed().values()) byLicence.set(licence, [...(byLicence.get(licence) ?? []), name])
    for (const [licence, names] of [...byLicence].sort()) console.log(`${licence}  ${[...new Set(names)].sort().join(' ')}`)
  }
  const { checked, wrong } = check()
  if (wrong.length > 0)
    refuse('LICENCES_WRONG', `${wrong.length} findings.`, wrong, 'add the SPDX line of the room, or move or replace the dependency')
  console.log(`${checked - wrong.length} passed, ${wrong.length} failed`)
}
