// SPDX-License-Identifier: Apache-2.0
/** docs/reference/errors.md: every error code in the code of agents and deploy, the answers of a gateway, and the errors of contracts. */
import ts from 'typescript'
import { retryableRefusals } from '../../agents/protocol/ack.ts'
import type { refusalCodes } from '../../agents/protocol/envelope.ts'
import { at, files } from '../shell.ts'
import { errorsOfContracts } from './contracts.ts'
import { cell, code, commentOf, type Page, page, property, readSource, table, walk, written } from './markdown.ts'

interface Known {
  messages: Set<string>
  next: Set<string>
  retryable: boolean
}

const CODE = /^[A-Z][A-Z0-9]*(_[A-Z0-9]+)+$|^[A-Z]{8,}$/

/** Codes with what they say: object literals with `code` and `message`, and calls whose first two arguments are those. */
export function errorsIn(file: string, found: Map<string, Known>): void {
  const add = (name: string | undefined, message: string | undefined, next: string | undefined, retryable: boolean): void => {
    if (name === undefined || message === undefined || !CODE.test(name)) return
    const known = found.get(name) ?? { messages: new Set(), next: new Set(), retryable: false }
    known.messages.add(message)
    if (next !== undefined) known.next.add(next)
    known.retryable ||= retryable
    found.set(name, known)
  }
  walk(readSource(file), (node) => {
    if (ts.isObjectLiteralExpression(node)) {
      const retryable = property(node, 'retryable')?.kind === ts.SyntaxKind.TrueKeyword
      add(written(property(node, 'code')), written(property(node, 'message')), written(property(node, 'next')), retryable)
    } else if (ts.isCallExpression(node) || ts.isNewExpression(node)) {
      const [first, second, , fourth] = node.arguments ?? []
      const name = node.expression.getText()
      if (/Error$/.test(name)) add(written(first), written(second), written(fourth), false)
    }
  })
}

/** The comment above each refusal code, from the list that the gateway uses. */
function refusals(): string[][] {
  const rows: string[][] = []
  walk(readSource(at('agents', 'protocol', 'envelope.ts')), (node) => {
    if (!ts.isVariableDeclaration(node) || node.name.getText() !== 'refusalCodes') return
    walk(node, (inner) => {
      if (!ts.isStringLiteral(inner)) return
      const later = retryableRefusals.has(inner.text as (typeof refusalCodes)[number])
      rows.push([code(inner.text), cell(commentOf(inner)), later ? 'yes' : 'no'])
    })
  })
  return rows
}

export function errorsPage(): Page {
  const found = new Map<string, Known>()
  for (const room of ['agents', 'deploy'])
    for (const file of files(at(room), (path) => path.endsWith('.ts') && !path.includes('/generated/') && !path.includes('/web/')))
      errorsIn(file, found)
  const codes = [...found].sort(([a], [b]) => (a < b ? -1 : 1))
  return page('errors', 'Errors', [
    'An error has a code, says what happened, and what to do next. `…` stands for what is known only when it happens.',
    '',
    '- [Commands and services](#commands-and-services)',
    '- [Answers of a gateway](#answers-of-a-gateway)',
    '- [Contracts](#contracts)',
    '',
    '## Commands and services',
    '',
    'Printed on stderr as `CODE  message`, then the facts, then `next`. Over HTTP the same as JSON. "Later" says whether the same call may succeed by itself.',
    '',
    table(
      ['code', 'what it says', 'what to do next', 'later'],
      codes.map(([name, { messages, next, retryable }]) => [
        code(name),
        [...messages].map(cell).join('<br>'),
        [...next].map(cell).join('<br>'),
        retryable ? 'yes' : '',
      ]),
    ),
    '',
    '## Answers of a gateway',
    '',
    'The `reason` of an acknowledgement with `"status": "refused"`. Where "later" is yes, the device keeps the message and sends it again.',
    '',
    table(['reason', 'what', 'later'], refusals()),
    '',
    '## Contracts',
    '',
    'A transaction that fails names one of these errors. The CLI shows them by name.',
    '',
    table(['error', 'what'], errorsOfContracts()),
  ])
}
