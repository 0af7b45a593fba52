// SPDX-License-Identifier: Apache-2.0
/** What the pages of docs/reference share: tables, the note that they are generated, comments and texts read from TypeScript. */
import { readFileSync } from 'node:fs'
import ts from 'typescript'

/** A generated page: path from the repository root, and its text. */
export type Page = readonly [path: string, text: string]

export const page = (name: string, title: string, lines: readonly string[]): Page => [
  `docs/reference/${name}.md`,
  `# ${title}\n\n<!-- Written by \`npm run generate\` from the code: never edited. -->\n\n${lines.join('\n')}\n`,
]

/** Text in a cell: one line, with bars and angle brackets as they are. */
export const cell = (text: string): string =>
  text.replaceAll(/\s+/g, ' ').trim().replaceAll('|', '\\|').replaceAll('<', '&lt;').replaceAll('>', '&gt;')

export const code = (text: string): string => (text === '' ? '' : `\`${text.replaceAll('|', '\\|')}\``)

export const table = (head: readonly string[], rows: readonly (readonly string[])[]): string =>
  [`| ${head.join(' | ')} |`, `|${head.map(() => '---').join('|')}|`, ...rows.map((row) => `| ${row.join(' | ')} |`)].join('\n')

export const readSource = (file: string): ts.SourceFile =>
  ts.createSourceFile(file, readFileSync(file, 'utf8'), ts.ScriptTarget.ESNext, true)

/** The comment right above a node, without its marks; empty when there is none. */
export function commentOf(node: ts.Node): string {
  const text = node.getSourceFile().text
  const comments = ts.getLeadingCommentRanges(text, node.getFullStart()) ?? []
  const from = comments.findLastIndex(({ kind }) => kind === ts.SyntaxKind.MultiLineCommentTrivia)
  return (from < 0 ? comments : comments.slice(from))
    .map(({ pos, end }) => text.slice(pos, end).replaceAll(/^\/\*\*?|\*\/$|^\/\/ ?|^\s*\* ?/gm, ''))
    .filter((line) => !line.includes('eslint-disable') && !line.includes('SPDX'))
    .join(' ')
    .replaceAll(/\s+/g, ' ')
    .trim()
}

/** A string that is written in the code; what is put in at run time is shown as `…`. Undefined when it is none. */
export function written(node: ts.Node | undefined): string | undefined {
  if (node === undefined) return undefined
  if (ts.isStringLiteralLike(node)) return node.text
  if (ts.isTemplateExpression(node)) return node.head.text + node.templateSpans.map(({ literal }) => `…${literal.text}`).join('')
  if (ts.isBinaryExpression(node) && node.operatorToken.kind === ts.SyntaxKind.PlusToken) {
    const [left, right] = [written(node.left), written(node.right)]
    return left === undefined || right === undefined ? undefined : left + right
  }
  if (ts.isConditionalExpression(node)) {
    const [yes, no] = [written(node.whenTrue), written(node.whenFalse)]
    return yes === undefined || no === undefined ? undefined : `${yes} / ${no}`
  }
  return undefined
}

export const property = (object: ts.ObjectLiteralExpression, name: string): ts.Expression | undefined =>
  object.properties.filter(ts.isPropertyAssignment).find((entry) => entry.name.getText().replaceAll("'", '') === name)?.initializer

export function walk(node: ts.Node, visit: (node: ts.Node) => void): void {
  visit(node)
  ts.forEachChild(node, (child) => walk(child, visit))
}
