// SPDX-License-Identifier: Apache-2.0
/** docs/reference/config.md from the zod schema of each service; what a field means is the comment above it. */
import { basename, dirname } from 'node:path'
import ts from 'typescript'
import { z } from 'zod'
import { at, files, short } from '../shell.ts'
import { cell, code, commentOf, type Page, page, readSource, table } from './markdown.ts'

interface Field {
  path: string
  type: string
  standard: string
  meaning: string
}

interface Schema {
  type?: string | string[]
  const?: unknown
  enum?: unknown[]
  anyOf?: Schema[]
  allOf?: Schema[]
  default?: unknown
  minimum?: number
  maximum?: number
  exclusiveMinimum?: number
  format?: string
  items?: Schema
  minItems?: number
  maxItems?: number
  properties?: Record<string, Schema>
  required?: string[]
}

const json = (value: unknown): string =>
  value === undefined ? '' : code(JSON.stringify(value, (_, inner: unknown) => (typeof inner === 'bigint' ? inner.toString() : inner)))

function typeOf(schema: Schema): string {
  const { type, minimum, maximum, exclusiveMinimum, items } = schema
  if (schema.const !== undefined) return json(schema.const)
  if (schema.enum !== undefined) return schema.enum.map(json).join(', ')
  if (schema.anyOf !== undefined) return [...new Set(schema.anyOf.map(typeOf))].join(' or ')
  if (type === 'array') return `list of ${typeOf(items ?? {})}${schema.maxItems === undefined ? '' : `, at most ${schema.maxItems}`}`
  const most = maximum === undefined || maximum >= Number.MAX_SAFE_INTEGER ? undefined : maximum
  const least = minimum === undefined || minimum <= Number.MIN_SAFE_INTEGER ? undefined : minimum
  const name = type === 'integer' ? 'whole number' : type === 'string' && schema.format === 'uri' ? 'URL' : String(type ?? 'text')
  const grouped = (value: number): string => value.toLocaleString('en-US')
  if (least !== undefined && most !== undefined) return `${name}, ${grouped(least)} to ${grouped(most)}`
  if (least !== undefined) return `${name}, at least ${grouped(least)}`
  if (exclusiveMinimum !== undefined)
    return `${name} above ${grouped(exclusiveMinimum)}${most === undefined ? '' : `, at most ${grouped(most)}`}`
  return name
}

/** Comments of the fields of a file, of its schemas that others import by name, and of `agents/kit/fields.ts`. */
function meanings(file: string): Map<string, string> {
  const found = new Map<string, string>()
  const sources = [readSource(file), readSource(at('agents', 'kit', 'fields.ts'))]
  const declared = new Map<string, ts.Expression | ts.FunctionDeclaration>()
  const notes = new Map<string, string>()
  for (const source of sources) {
    for (const statement of source.statements) {
      if (ts.isFunctionDeclaration(statement) && statement.name !== undefined) {
        declared.set(statement.name.text, statement)
        notes.set(statement.name.text, commentOf(statement))
      } else if (ts.isVariableStatement(statement)) {
        for (const { name, initializer } of statement.declarationList.declarations) {
          if (initializer === undefined) continue
          declared.set(name.getText(), initializer)
          notes.set(name.getText(), commentOf(statement))
        }
      }
    }
  }
  /** The names that an expression uses outside of object literals, innermost first, and the object literals at its top. */
  const visit = (node: ts.Node, path: string, seen: readonly string[]): void => {
    if (ts.isObjectLiteralExpression(node)) {
      for (const entry of node.properties) {
        if (ts.isSpreadAssignment(entry)) visit(entry.expression, path, seen)
        if (!ts.isPropertyAssignment(entry) && !ts.isShorthandPropertyAssignment(entry)) continue
        const name = path === '' ? entry.name.getText() : `${path}.${entry.name.getText()}`
        const comment = commentOf(entry)
        if (comment !== '' && !found.has(name)) found.set(name, comment)
        visit(ts.isPropertyAssignment(entry) ? entry.initializer : entry.name, name, seen)
      }
      return
    }
    if (ts.isIdentifier(node) && !seen.includes(node.text)) {
      const note = notes.get(node.text)
      if (note !== undefined && note !== '' && path !== '' && !found.has(path)) found.set(path, note)
      const declaration = declared.get(node.text)
      if (declaration !== undefined) visit(declaration, path, [...seen, node.text])
      return
    }
    // Checks and messages of a schema are no fields of it.
    if (ts.isArrowFunction(node) && !seen.includes('rateField') && !ts.isCallExpression(node.body)) return
    ts.forEachChild(node, (child) => visit(child, path, seen))
  }
  for (const [name, expression] of declared) if (name.endsWith('Config')) visit(expression, '', [name])
  return found
}

function fieldsOf(schema: Schema, means: ReadonlyMap<string, string>, path = '', needed = true): Field[] {
  return Object.entries(schema.properties ?? {}).flatMap(([name, field]) => {
    const full = path === '' ? name : `${path}.${name}`
    const must = (schema.required ?? []).includes(name) && field.default === undefined
    const inner = field.properties === undefined ? [] : fieldsOf(field, means, full, must)
    const own: Field = {
      path: full,
      type: field.properties === undefined ? typeOf(field) : 'group',
      standard: must ? (needed ? '**needed**' : 'needed with its group') : field.properties === undefined ? json(field.default) : '',
      meaning: means.get(full) ?? '',
    }
    return inner.length > 0 && own.meaning === '' ? inner : [own, ...inner]
  })
}

/** @returns the page, and the fields that nobody described */
export async function configPage(): Promise<{ page: Page; silent: string[] }> {
  const found = files(at('agents'), (path) => basename(path) === 'config.ts' && !path.includes('/kit/'))
  const services: { name: string; file: string; fields: Field[] }[] = []
  for (const file of found) {
    const module = (await import(file)) as Record<string, unknown>
    for (const [key, value] of Object.entries(module)) {
      if (!key.endsWith('Config') || !(value instanceof z.ZodObject)) continue
      const schema = z.toJSONSchema(value, {
        io: 'input',
        unrepresentable: 'any',
        // Ids are bigints inside; in a file they are decimal text.
        override: ({ zodSchema, jsonSchema }) => {
          const { type, defaultValue } = zodSchema._zod.def as { type: string; defaultValue?: unknown }
          if (type === 'default' && typeof defaultValue === 'bigint') jsonSchema.default = String(defaultValue)
        },
      }) as Schema
      services.push({ name: key.slice(0, -'Config'.length), file, fields: fieldsOf(schema, meanings(file)) })
    }
  }
  services.sort((a, b) => (a.name < b.name ? -1 : 1))
  const text = page(
    'config',
    'Configuration',
    [
      'Every service reads a JSON file: `npm run trellis -- run SERVICE --config FILE`. A field that has a default may be left out. What is wrong is told all at',
      'once, each mistake with its field.',
      '',
      'A field is taken from the first place that names it:',
      '',
      '1. `--set FIELD=VALUE` on the command line (`--set chain.rpcUrl=http://127.0.0.1:8545`);',
      '2. the environment: `TRELLIS_<SERVICE>_<FIELD>`, in capitals, with `__` between a group and its field (`TRELLIS_GATEWAY_CHAIN__RPC_URL`);',
      '   `DATABASE_URL` sets `databaseUrl`;',
      '3. the file;',
      '4. the default.',
      '',
      'Keys and passwords are never fields: the file names another file that holds them (mode 0600).',
      '',
      ...services.flatMap(({ name, file, fields }) => [
        `## ${name}`,
        '',
        `From \`${short(dirname(file))}/config.ts\`.`,
        '',
        table(
          ['field', 'type', 'default', 'what'],
          fields.map(({ path, type, standard, meaning }) => [
            code(path),
            type.startsWith('`') ? type : cell(type),
            standard,
            cell(meaning),
          ]),
        ),
        '',
      ]),
    ].slice(0, -1),
  )
  const silent = services.flatMap(({ file, fields }) =>
    fields.filter(({ meaning }) => meaning === '').map(({ path }) => `${short(file)}  ${path}`),
  )
  return { page: text, silent }
}
