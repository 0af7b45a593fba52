// SPDX-License-Identifier: Apache-2.0
/** docs/reference/contracts.md: functions and events of every contract with their NatSpec, and who may call what. */
import { readdirSync, readFileSync } from 'node:fs'
import { type AbiFunction, type AbiParameter, toEventSelector, toFunctionSelector, toFunctionSignature } from 'viem'
import { artifactFolder } from '../../deploy/artifacts.ts'
import { CONTRACTS } from '../contracts.ts'
import { rows as callers } from '../selectors.ts'
import { at } from '../shell.ts'
import { cell, code, type Page, page, table } from './markdown.ts'

interface Node {
  nodeType: string
  id: number
  name?: string
  nodes?: Node[]
  documentation?: { text: string } | null
  functionSelector?: string
  eventSelector?: string
  errorSelector?: string
  parameters?: { parameters: { name: string; typeDescriptions: { typeString: string } }[] }
  linearizedBaseContracts?: number[]
}

/** `@notice` and `@dev` of a comment as one text; a text without a tag is a notice. */
export function noticeOf(text: string): string {
  const parts = text.split(/(?=@[a-z][\w:-]*\s)/).map((part) => part.trim())
  return parts
    .flatMap((part) => {
      const [, tag, rest] = /^@([\w:-]+)\s+([\s\S]*)$/.exec(part) ?? [undefined, 'notice', part]
      return tag === 'notice' || tag === 'title' || tag === 'dev' ? [rest ?? ''] : []
    })
    .join(' ')
    .replaceAll(/\s+/g, ' ')
    .trim()
}

/** Libraries say much: their first sentence is enough here. */
const firstSentence = (text: string): string => /^.*?[.](?=\s|$)/.exec(text)?.[0] ?? text

interface Described {
  /** Of the contract itself. */
  what: string
  /** By selector, without 0x. */
  members: Map<string, string>
}

/** Where the compiler keeps sources of this repository. */
const OURS = 'project/contracts/'

let known: { contracts: Map<string, Described>; errors: Map<string, string> } | undefined

/** The NatSpec of every contract of ours, members by selector, the nearest description winning. */
function described(): NonNullable<typeof known> {
  if (known !== undefined) return known
  known = { contracts: new Map(), errors: new Map() }
  const folder = at('artifacts', 'build-info')
  for (const name of readdirSync(folder).filter((file) => file.endsWith('.output.json'))) {
    const { output } = JSON.parse(readFileSync(`${folder}/${name}`, 'utf8')) as { output: { sources: Record<string, { ast?: Node }> } }
    const nodes = Object.entries(output.sources).flatMap(([file, { ast }]) => (ast?.nodes ?? []).map((node) => ({ file, node })))
    const byId = new Map(nodes.map(({ node }) => [node.id, node]))
    const ours = new Set(nodes.flatMap(({ file, node }) => (file.startsWith(OURS) ? [node.id] : [])))
    for (const { file, node } of nodes) {
      if (node.nodeType !== 'ContractDefinition' || node.name === undefined) continue
      const members = new Map<string, string>()
      const bases = (node.linearizedBaseContracts ?? []).flatMap((id) => byId.get(id) ?? [])
      for (const base of bases) {
        for (const member of base.nodes ?? []) {
          const selector = member.functionSelector ?? member.eventSelector ?? member.errorSelector
          const text = noticeOf(member.documentation?.text ?? '')
          if (selector === undefined || text === '' || members.has(selector)) continue
          members.set(selector, ours.has(base.id) ? text : firstSentence(text))
        }
      }
      const what = bases.map((base) => noticeOf(base.documentation?.text ?? '')).find((text) => text !== '') ?? ''
      // Ours win over a dependency's contract of the same name.
      if (!known.contracts.has(node.name) || file.startsWith(OURS)) known.contracts.set(node.name, { what, members })
      if (!file.startsWith(OURS) || file.includes('/mocks/')) continue
      for (const member of node.nodes ?? []) {
        if (member.errorSelector === undefined) continue
        const of = (member.parameters?.parameters ?? []).map(({ name, typeDescriptions }) =>
          `${typeDescriptions.typeString.replace(/^.* /, '')} ${name}`.trim(),
        )
        const signature = `${member.name ?? ''}(${of.join(', ')})`
        if (!known.errors.has(signature)) known.errors.set(signature, noticeOf(member.documentation?.text ?? ''))
      }
    }
  }
  return known
}

/** Each custom error of our contracts with its NatSpec. */
export const errorsOfContracts = (): string[][] =>
  [...described().errors].sort(([a], [b]) => (a < b ? -1 : 1)).map(([signature, what]) => [code(signature), cell(what)])

const shown = (inputs: readonly AbiParameter[]): string =>
  inputs
    .map((input) => {
      const { indexed } = input as { indexed?: boolean }
      const components = (input as { components?: readonly AbiParameter[] }).components
      const type = components === undefined ? input.type : input.type.replace('tuple', `(${shown(components)})`)
      return [type, ...(indexed === true ? ['indexed'] : []), input.name ?? ''].join(' ').trim()
    })
    .join(', ')

export function contractsPage(): Page {
  const artifacts = artifactFolder(at('artifacts'))
  const who = new Map(
    callers().table.map(([contract = '', selector = '', , caller = '']) => [`${contract} ${selector.replaceAll('`', '')}`, caller]),
  )
  const notes = described().contracts
  const sections = CONTRACTS.map((name) => {
    const { abi, sourceName } = artifacts.read(name)
    const { what, members } = notes.get(name) ?? { what: '', members: new Map<string, string>() }
    const functions = abi
      .filter((entry) => entry.type === 'function')
      .sort((a, b) => (toFunctionSignature(a) < toFunctionSignature(b) ? -1 : 1))
    const note = (entry: AbiFunction): string => cell(members.get(toFunctionSelector(entry).slice(2)) ?? '')
    const reads = functions.filter(({ stateMutability }) => stateMutability === 'view' || stateMutability === 'pure')
    const writes = functions.filter((entry) => !reads.includes(entry))
    const events = abi.filter((entry) => entry.type === 'event').sort((a, b) => (a.name < b.name ? -1 : 1))
    const ours = sourceName.startsWith('contracts/')
    return [
      `## ${name}`,
      ...(what === '' ? [] : [cell(what)]),
      ours ? `Source: [${sourceName}](../../${sourceName}).` : `Source: \`${sourceName}\`.`,
      ...(writes.length === 0
        ? []
        : [
            table(
              ['changes state', 'what', 'who may call'],
              writes.map((entry) => {
                const text = `${entry.name}(${shown(entry.inputs)})${entry.stateMutability === 'payable' ? ' payable' : ''}`
                return [code(text), note(entry), cell(who.get(`${name} ${toFunctionSelector(entry)}`) ?? '')]
              }),
            ),
          ]),
      ...(reads.length === 0
        ? []
        : [
            table(
              ['reads', 'gives', 'what'],
              reads.map((entry) => [code(`${entry.name}(${shown(entry.inputs)})`), code(shown(entry.outputs)), note(entry)]),
            ),
          ]),
      ...(events.length === 0
        ? []
        : [
            table(
              ['event', 'what'],
              events.map((entry) => [
                code(`${entry.name}(${shown(entry.inputs)})`),
                cell(members.get(toEventSelector(entry).slice(2)) ?? ''),
              ]),
            ),
          ]),
    ].join('\n\n')
  })
  return page('contracts', 'Contracts', [
    'Every contract of the suite: what changes it and who may, what can be read, and its events. Errors are in [errors.md](errors.md#contracts).',
    'Addresses: `npx hardhat deploy` writes them; those of a local run lie in `.trellis/addresses/31337.json`.',
    '',
    ...CONTRACTS.map((name) => `- [${name}](#${name.toLowerCase()})`),
    '',
    sections.join('\n\n'),
  ])
}
