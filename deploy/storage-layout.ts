// SPDX-License-Identifier: Apache-2.0
/** Storage layouts of upgradeable contracts, out of the compiler's own description: what lies where, and whether one may follow another. */
import { readdirSync, readFileSync } from 'node:fs'

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

/** Whether the struct that a mapping leads to has got members at its end: nothing lies behind it. */
function grew(before: string, now: string): boolean {
  const end = /^mapping\(.* => struct .*( \}\)+)$/.exec(before)?.[1]
  return end !== undefined && now.startsWith(`${before.slice(0, -end.length)}; `) && now.endsWith(end)
}

/** Why `now` cannot be put behind a proxy that holds `before`; empty when it can. */
export function incompatibilities(before: Layout, now: Layout): string[] {
  const wrong: string[] = []
  const prefix = (where: string, old: readonly Member[], next: readonly Member[]): void => {
    old.forEach((member, i) => {
      const at = next[i]
      if (at === undefined) wrong.push(`${where}  ${member.name} is gone`)
      else if (at.name !== member.name || (at.type !== member.type && !grew(member.type, at.type)))
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
