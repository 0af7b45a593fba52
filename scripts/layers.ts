// SPDX-License-Identifier: Apache-2.0
/** Who may import whom (ARCHITECTURE.md), held over the import statements of TypeScript and Solidity. */
import { readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import ts from 'typescript'
import { at, files, refuse, short } from './shell.ts'

export interface Import {
  file: string
  line: number
  target: string
}

export interface Violation extends Import {
  reason: string
}

/** Rooms that `agents/<room>` may import, besides itself. */
const ROOMS: Readonly<Record<string, readonly string[]>> = {
  crypto: [],
  protocol: ['crypto'],
  lightclient: ['protocol', 'crypto'],
  kit: ['protocol', 'crypto'],
  sdk: ['protocol', 'crypto', 'lightclient'],
  gateway: ['protocol', 'crypto', 'kit', 'lightclient'],
  indexer: ['protocol', 'crypto', 'kit'],
  coordinator: ['protocol', 'crypto', 'kit', 'lightclient'],
  prover: ['protocol', 'crypto', 'kit', 'lightclient'],
  portal: ['protocol', 'crypto', 'kit'],
}

/** Rooms without I/O: no Node module, no client library. `sdk` has it in drivers/ only. */
const NO_IO = new Set(['crypto', 'protocol', 'lightclient', 'sdk'])
const PURE_PACKAGES =
  /^(@noble\/|@scure\/base$|did-resolver$|@peculiar\/|reflect-metadata$|viem($|\/utils|\/accounts|\/chains)|zod$|canonicalize$|multiformats)/
/** The page runs in a browser: nothing but these, and no service's code. */
const PAGE_ROOMS = ['protocol', 'crypto', 'sdk']
const PAGE_PACKAGES = /^(react(-dom(\/client)?|-router)?$|@tanstack\/react-query$|uplot($|\/)|viem$)/
const GPL_PACKAGES = /^(snarkjs|circomlibjs?|circom2|ffjavascript|circom_runtime|r1csfile|wasmcurves|wasmbuilder|fastfile|@iden3\/)/
/** Rooms under Apache-2.0 that DePIN projects import: nothing under GPL may be reachable from them. */
const APACHE_CORE = new Set(['crypto', 'protocol', 'lightclient', 'sdk', 'kit', 'gateway', 'coordinator', 'indexer', 'portal', 'cli'])

const inside = (file: string): string[] => file.split('/')

/** Every import and re-export of a TypeScript file, also `import()` and types. */
export function typescriptImports(file: string, text: string): Import[] {
  const source = ts.createSourceFile(file, text, ts.ScriptTarget.ESNext, true)
  const found: Import[] = []
  const add = (node: ts.Node, target: string): void => {
    found.push({ file, line: source.getLineAndCharacterOfPosition(node.getStart()).line + 1, target })
  }
  const visit = (node: ts.Node): void => {
    if (
      (ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) &&
      node.moduleSpecifier &&
      ts.isStringLiteral(node.moduleSpecifier)
    ) {
      add(node, node.moduleSpecifier.text)
    } else if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) {
      const [argument] = node.arguments
      if (argument !== undefined && ts.isStringLiteral(argument)) add(node, argument.text)
    } else if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument) && ts.isStringLiteral(node.argument.literal)) {
      add(node, node.argument.literal.text)
    }
    ts.forEachChild(node, visit)
  }
  visit(source)
  return found
}

/** Every import of a Solidity file. */
export function solidityImports(file: string, text: string): Import[] {
  return text.split('\n').flatMap((line, index) => {
    const match = /^\s*(?:import|}\s*from)\b[^"']*["']([^"']+)["']/.exec(line)
    return match?.[1] === undefined ? [] : [{ file, line: index + 1, target: match[1] }]
  })
}

/** The reason why this import is not allowed, or undefined. */
export function judgeTypescript(found: Import): string | undefined {
  const [top, room = ''] = inside(found.file)
  const relative = found.target.startsWith('.')
  const target = relative ? normalize(join(dirname(found.file), found.target)).replaceAll('\\', '/') : found.target
  const [targetTop, targetRoom = ''] = relative ? inside(target) : []

  if (top === 'agents') {
    // How it is built is no part of the page.
    const page = room === 'portal' && inside(found.file)[2] === 'web' && !found.file.endsWith('/vite.config.ts')
    const drivers = room === 'sdk' && (inside(found.file)[2] === 'drivers' || found.file === 'agents/sdk/service.ts')
    if (!relative) {
      if (APACHE_CORE.has(room) && GPL_PACKAGES.test(target)) return `agents/${room} is Apache-2.0: ${target} is under GPL`
      if (page && !PAGE_PACKAGES.test(target)) return `agents/portal/web is a page: ${target} is not on its list`
      if (NO_IO.has(room) && !drivers && !PURE_PACKAGES.test(target)) return `agents/${room} has no I/O: ${target} is not on its list`
      return undefined
    }
    if (targetTop === 'agents') {
      if (page) {
        const ok = target === 'agents/portal/api.ts' || target.startsWith('agents/portal/web/') || PAGE_ROOMS.includes(targetRoom)
        return ok && !target.startsWith('agents/sdk/drivers/') ? undefined : `agents/portal/web may not import ${target}`
      }
      if (room === 'portal' && target.startsWith('agents/portal/web/')) return `the portal's server serves the page, it imports none of it`
      if (targetRoom === room || !(targetRoom.length > 0)) return undefined
      if (room === 'cli') {
        const ok =
          ['protocol', 'crypto', 'kit', 'lightclient'].includes(targetRoom) ||
          new RegExp(`^agents/${targetRoom}/(server/)?service.ts$`).test(target)
        return ok ? undefined : `agents/cli may import only service.ts of another agent`
      }
      // The device process is a service like the others: its drivers may use the kit, its core may not.
      if (drivers && targetRoom === 'kit' && inside(found.file)[3] !== 'browser') return undefined
      return ROOMS[room]?.includes(targetRoom) === true ? undefined : `agents/${room} may not import agents/${targetRoom}`
    }
    if (targetTop === 'deploy') return room === 'cli' ? undefined : `agents/${room} may not import deploy/`
    if (targetTop === 'circuits')
      return target === 'circuits/circuits.json' ? undefined : `agents may import facts from circuits/circuits.json only`
    return `agents/${room} may not import ${targetTop ?? ''}/`
  }
  if (top === 'deploy' && relative) {
    if (targetTop === 'deploy') return undefined
    const ok = targetTop === 'agents' && ['protocol', 'crypto', 'kit'].includes(targetRoom)
    return ok ? undefined : `deploy/ may import agents/{protocol,crypto,kit} only`
  }
  if (top === 'deploy' && GPL_PACKAGES.test(target)) return `deploy/ is Apache-2.0: ${target} is under GPL`
  if (relative && targetTop === 'test' && top !== 'test' && top !== 'scripts') return `${top ?? ''}/ may not import tests`
  return undefined
}

/** Order of layers: a file sees its own layer's folder and those below. */
export function judgeSolidity(found: Import): string | undefined {
  const [top, room = ''] = inside(found.file)
  if (top !== 'contracts') return undefined
  if (!found.target.startsWith('.')) {
    return found.target.startsWith('@openzeppelin/') ? undefined : `contracts import OpenZeppelin or this repository only`
  }
  const target = normalize(join(dirname(found.file), found.target)).replaceAll('\\', '/')
  const [targetTop, targetRoom = ''] = inside(target)
  if (targetTop !== 'contracts') return `contracts may not import ${targetTop ?? ''}/`
  if (targetRoom === 'mocks' && room !== 'mocks') return `test doubles are never imported by contracts/${room}`
  if (targetRoom === room || room === 'mocks') return undefined
  const allowed: Readonly<Record<string, readonly string[]>> = {
    types: [],
    libraries: ['types', 'interfaces'],
    interfaces: ['types', 'libraries'],
  }
  const list = allowed[room] ?? ['types', 'libraries', 'interfaces']
  return list.includes(targetRoom) ? undefined : `contracts/${room} may see contracts/${targetRoom} only through contracts/interfaces`
}

export function check(): { imports: number; violations: Violation[] } {
  const rooms = ['agents', 'deploy', 'scripts', 'circuits'].flatMap((room) => files(at(room), (path) => /\.tsx?$/.test(path)))
  const imports = [
    ...rooms
      .flatMap((path) => typescriptImports(short(path), readFileSync(path, 'utf8')))
      .map((found) => [found, judgeTypescript(found)] as const),
    ...files(at('contracts'), (path) => path.endsWith('.sol'))
      .flatMap((path) => solidityImports(short(path), readFileSync(path, 'utf8')))
      .map((found) => [found, judgeSolidity(found)] as const),
  ]
  const violations = imports.flatMap(([found, reason]) => (reason === undefined ? [] : [{ ...found, reason }]))
  return { imports: imports.length, violations }
}

if (import.meta.main) {
  const { imports, violations } = check()
  if (violations.length > 0) {
    refuse(
      'LAYERS_BROKEN',
      `${violations.length} imports cross a wall.`,
      violations.map(({ file, line, target, reason }) => `${file}:${line}  ${target}  ${reason}`),
      'move the code, or talk through chain, queue or HTTP (ARCHITECTURE.md, who may know whom)',
    )
  }
  console.log(`${imports - violations.length} passed, ${violations.length} failed`)
}
