// SPDX-License-Identifier: Apache-2.0
/**
 * Storage layouts of upgradeable contracts, kept in deploy/layouts/<Contract>.json: plain variables with slot and offset, and every
 * ERC-7201 struct with its members in order. What is kept may only grow at the end of a namespace. `--check` only compares; without it
 * compatible changes are written; `--accept` writes any change, for a contract that was never deployed.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { GOVERNED_PROXIES } from '../deploy/roles.ts'
import { at, refuse } from './shell.ts'

/** Contracts behind proxies: those that governance upgrades, and those that their owners do. */
export const UPGRADEABLE = [...GOVERNED_PROXIES, 'DeviceAccount', 'DeviceNFT'] as const

interface Member {
  name: string
  type: string
}

export interface Layout {
  /** Variables outside namespaces: none in a well-made upgradeable contract. */
  variables: (Member & { slot: string; offset: number })[]
  /** ERC-7201 id → members of its struct, nested structs written out. */
  namespaces: Record<string, Member[]>
}

interface AstNode {
  nodeType: string
  id: number
  name?: string
  nodes?: AstNode[]
  members?: AstNode[]
  documentation?: { text?: string } | string | null
  typeName?: AstNode
  linearizedBaseContracts?: number[]
  typeDescriptions?: { typeString?: string }
  referencedDeclaration?: number
  keyType?: AstNode
  valueType?: AstNode
  baseType?: AstNode
  length?: { value?: string } | null
  underlyingType?: AstNode
}

interface BuildInfo {
  output: {
    contracts: Record<
      string,
      Record<
        string,
        {
          storageLayout?: {
            storage: { label: string; type: string; slot: string; offset: number }[]
            types: Record<string, { label: string }> | null
          }
        }
      >
    >
    sources: Record<string, { ast?: AstNode }>
  }
}

interface Sources {
  byId: Map<number, AstNode>
  contracts: Map<string, AstNode>
  infos: BuildInfo[]
}

function load(folder: string): Sources {
  const infos = readdirSync(folder)
    .filter((name) => name.endsWith('.output.json'))
    .sort()
    .map((name) => JSON.parse(readFileSync(`${folder}/${name}`, 'utf8')) as BuildInfo)
  return { byId: new Map(), contracts: new Map(), infos }
}

/** Type of a member as text that shows what lies in storage: user types as what they are, structs and enums written out. */
function describe(node: AstNode | undefined, byId: Map<number, AstNode>, depth = 0): string {
  if (node === undefined || depth > 8) return '?'
  if (node.nodeType === 'Mapping')
    return `mapping(${describe(node.keyType, byId, depth + 1)} => ${describe(node.valueType, byId, depth + 1)})`
  if (node.nodeType === 'ArrayTypeName') return `${describe(node.baseType, byId, depth + 1)}[${node.length?.value ?? ''}]`
  if (node.nodeType === 'UserDefinedTypeName') {
    const target = byId.get(node.referencedDeclaration ?? -1)
    if (target?.nodeType === 'StructDefinition') {
      const members = (target.members ?? []).map((member) => `${describe(member.typeName, byId, depth + 1)} ${member.name ?? ''}`)
      return `struct ${target.name ?? ''} { ${members.join('; ')} }`
    }
    if (target?.nodeType === 'EnumDefinition')
      return `enum ${target.name ?? ''} { ${(target.members ?? []).map(({ name }) => name).join(', ')} }`
    if (target?.nodeType === 'UserDefinedValueTypeDefinition') return describe(target.underlyingType, byId, depth + 1)
    if (target?.nodeType === 'ContractDefinition') return 'address'
  }
  return (node.typeDescriptions?.typeString ?? node.name ?? '?').replace(/^address payable$/, 'address')
}

const textOf = (documentation: AstNode['documentation']): string =>
  typeof documentation === 'string' ? documentation : (documentation?.text ?? '')

/** Layouts of the named contracts from Hardhat's build information. Contracts that were not compiled are missing. */
export function layoutsOf(folder: string, names: readonly string[]): Map<string, Layout> {
  const found = new Map<string, Layout>()
  for (const info of load(folder).infos) {
    const byId = new Map<number, AstNode>()
    const index = (node: AstNode): void => {
      if (typeof node.id === 'number') byId.set(node.id, node)
      for (const child of node.nodes ?? []) index(child)
    }
    for (const { ast } of Object.values(info.output.sources)) if (ast !== undefined) index(ast)
    for (const [source, contracts] of Object.entries(info.output.contracts)) {
      for (const [name, { storageLayout }] of Object.entries(contracts)) {
        if (!names.includes(name) || !source.startsWith('project/contracts/') || source.includes('/interfaces/')) continue
        const definition = [...byId.values()].find(
          (node) => node.nodeType === 'ContractDefinition' && node.name === name && info.output.sources[source]?.ast?.nodes?.includes(node),
        )
        if (definition === undefined || storageLayout === undefined) continue
        const namespaces: Record<string, Member[]> = {}
        for (const base of definition.linearizedBaseContracts ?? []) {
          for (const node of byId.get(base)?.nodes ?? []) {
            const id = /@custom:storage-location\s+erc7201:(\S+)|storage-location\s+erc7201:(\S+)/
              .exec(textOf(node.documentation))
              ?.slice(1)
              .find(Boolean)
            if (node.nodeType !== 'StructDefinition' || id === undefined) continue
            namespaces[id] = (node.members ?? []).map((member) => ({ name: member.name ?? '', type: describe(member.typeName, byId) }))
          }
        }
        found.set(name, {
          variables: storageLayout.storage.map(({ label, type, slot, offset }) => ({
            name: label,
            type: storageLayout.types?.[type]?.label ?? type,
            slot,
            offset,
          })),
          namespaces: Object.fromEntries(Object.entries(namespaces).sort()),
        })
      }
    }
  }
  return found
}

/** Why `now` cannot be put behind a proxy that holds `before`; empty when it can. */
export function incompatibilities(before: Layout, now: Layout): string[] {
  const wrong: string[] = []
  const prefix = (where: string, old: readonly Member[], next: readonly Member[]): void => {
    old.forEach((member, i) => {
      const at = next[i]
      if (at === undefined) wrong.push(`${where}  ${member.name} is gone`)
      else if (at.name !== member.name || at.type !== member.type)
        wrong.push(`${where}  place ${i} was "${member.type} ${member.name}", is "${at.type} ${at.name}"`)
    })
  }
  prefix('variables', before.variables, now.variables)
  before.variables.forEach(({ name, slot, offset }, i) => {
    const at = now.variables[i]
    if (at !== undefined && at.name === name && (at.slot !== slot || at.offset !== offset))
      wrong.push(`variables  ${name} moved to slot ${at.slot}`)
  })
  for (const [id, members] of Object.entries(before.namespaces)) {
    const next = now.namespaces[id]
    if (next === undefined) wrong.push(`${id}  the namespace is gone`)
    else prefix(id, members, next)
  }
  return wrong
}

if (import.meta.main) {
  const check = process.argv.includes('--check')
  const layouts = layoutsOf(at('artifacts', 'build-info'), UPGRADEABLE)
  const wrong: string[] = []
  mkdirSync(at('deploy', 'layouts'), { recursive: true })
  for (const name of UPGRADEABLE) {
    const now = layouts.get(name)
    if (now === undefined) {
      wrong.push(`${name}  was not compiled`)
      continue
    }
    const file = at('deploy', 'layouts', `${name}.json`)
    const text = `${JSON.stringify(now, undefined, 2)}\n`
    const kept = existsSync(file) ? readFileSync(file, 'utf8') : undefined
    if (kept === text) continue
    const problems = kept === undefined || process.argv.includes('--accept') ? [] : incompatibilities(JSON.parse(kept) as Layout, now)
    wrong.push(...problems.map((problem) => `${name}  ${problem}`))
    if (problems.length > 0) continue
    if (check) wrong.push(`${name}  deploy/layouts/${name}.json is not up to date`)
    else {
      writeFileSync(file, text)
      console.log(`wrote deploy/layouts/${name}.json`)
    }
  }
  if (wrong.length > 0) {
    refuse(
      'LAYOUT_CHANGED',
      `${wrong.length} findings.`,
      wrong,
      'append at the end of a namespace; node scripts/layouts.ts writes what is compatible',
    )
  }
  const failed = new Set(wrong.map((line) => line.split('  ', 1)[0])).size
  console.log(`${UPGRADEABLE.length - failed} passed, ${failed} failed`)
}
