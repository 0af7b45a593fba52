// SPDX-License-Identifier: Apache-2.0
/** Configuration of a service: flag over environment over JSON file over the schema's default, every mistake told at once. */
import { readFileSync } from 'node:fs'
import { z } from 'zod'
import { TrellisError } from './errors.ts'

/** Where values come from. `flags` may be dotted (`chain.rpcUrl`); unset ones are `undefined`. */
export interface ConfigSources {
  file?: string | undefined
  env: Readonly<Record<string, string | undefined>>
  flags: Readonly<Record<string, unknown>>
}

type Tree = { [key: string]: unknown }

/**
 * Reads and checks the configuration of the service `name`.
 * Environment: `TRELLIS_<NAME>_<FIELD>`, fields in SCREAMING_SNAKE, nested ones joined by `__`
 * (`TRELLIS_COORDINATOR_CHAIN__RPC_URL`). Text is read by the schema's type; arrays and objects as JSON.
 * @throws TrellisError CONFIG_INVALID with one line per mistake, each naming the field and where the value came from.
 */
export function loadConfig<S extends z.ZodObject>(name: string, schema: S, sources: ConfigSources): z.output<S> {
  const problems: string[] = []
  const origin = new Map<string, string>()
  const value: Tree = {}
  const set = (path: string[], found: unknown, from: string): void => {
    origin.set(path.join('.'), from)
    put(value, path, found)
  }

  const file = sources.file === undefined ? {} : readFile(sources.file, problems)
  for (const [path, found] of leaves(file)) set(path, found, `file ${sources.file ?? ''}`)

  const prefix = `TRELLIS_${snake(name)}_`
  for (const [variable, text] of Object.entries(sources.env)) {
    if (text === undefined || !variable.startsWith(prefix)) continue
    const path = resolve(schema, variable.slice(prefix.length).split('__'))
    if (path === null) problems.push(`${variable}: there is no such field`)
    else set(path.names, fromText(path.schema, text), `environment ${variable}`)
  }

  // What hosts of databases set for every program.
  const { DATABASE_URL: databaseUrl } = sources.env
  if (databaseUrl !== undefined && 'databaseUrl' in schema.shape && value['databaseUrl'] === undefined)
    set(['databaseUrl'], databaseUrl, 'environment DATABASE_URL')

  for (const [flag, found] of Object.entries(sources.flags)) {
    if (found === undefined) continue
    const path = resolve(schema, flag.split('.').map(snake))
    if (path === null) problems.push(`--${flag}: there is no such field`)
    else set(path.names, typeof found === 'string' ? fromText(path.schema, found) : found, `flag --${flag}`)
  }

  const result = schema.strict().safeParse(value)
  for (const issue of result.error?.issues ?? []) {
    const path = issue.path.map(String).join('.')
    const from = origin.get(path)
    problems.push(`${path === '' ? name : path}: ${issue.message}${from === undefined ? '' : ` (${from})`}`)
  }
  if (problems.length === 0 && result.success) return result.data as z.output<S>
  throw new TrellisError({
    code: 'CONFIG_INVALID',
    message: `The configuration of ${name} has ${problems.length} mistake${problems.length === 1 ? '' : 's'}.`,
    details: Object.fromEntries(problems.map((problem, i) => [String(i + 1), problem])),
    next: `correct them in the file, as --flags, or as ${prefix}… variables`,
  })
}

function readFile(file: string, problems: string[]): Tree {
  try {
    const parsed: unknown = JSON.parse(readFileSync(file, 'utf8'))
    if (isTree(parsed)) return parsed
    problems.push(`file ${file}: a JSON object was expected`)
  } catch (error) {
    problems.push(`file ${file}: ${error instanceof Error ? error.message : String(error)}`)
  }
  return {}
}

/** `rpcUrl` → `RPC_URL`. */
function snake(field: string): string {
  return field
    .replaceAll(/([a-z0-9])([A-Z])/g, '$1_$2')
    .replaceAll('-', '_')
    .toUpperCase()
}

/** Finds the schema under SCREAMING_SNAKE names, level by level. */
function resolve(schema: z.ZodObject, path: string[]): { names: string[]; schema: z.core.$ZodType } | null {
  let at: z.core.$ZodType = schema
  const names: string[] = []
  for (const part of path) {
    const object = core(at)
    if (!(object instanceof z.ZodObject)) return null
    const shape = object.shape as Record<string, z.core.$ZodType>
    const name = Object.keys(shape).find((field) => snake(field) === part)
    const next = name === undefined ? undefined : shape[name]
    if (name === undefined || next === undefined) return null
    names.push(name)
    at = next
  }
  return { names, schema: at }
}

/** The schema inside default, optional, nullable, transform. */
function core(schema: z.core.$ZodType): z.core.$ZodType {
  const def = schema._zod.def as { innerType?: z.core.$ZodType; in?: z.core.$ZodType }
  const inner = def.innerType ?? def.in
  return inner === undefined ? schema : core(inner)
}

/** Text as the schema's type; what cannot be read stays text, so that the schema names the mistake. */
function fromText(schema: z.core.$ZodType, text: string): unknown {
  switch (core(schema)._zod.def.type) {
    case 'number':
    case 'int':
      return text.trim() === '' ? text : Number(text)
    case 'boolean':
      return text === 'true' || text === '1' ? true : text === 'false' || text === '0' ? false : text
    case 'object':
    case 'record':
    case 'array':
    case 'tuple':
    case 'union':
      try {
        return JSON.parse(text)
      } catch {
        return text
      }
    default:
      return text
  }
}

function isTree(value: unknown): value is Tree {
  return value !== null && typeof value === 'object' && !Array.isArray(value)
}

function* leaves(tree: Tree, path: string[] = []): Generator<[string[], unknown]> {
  for (const [key, value] of Object.entries(tree)) {
    if (isTree(value) && Object.keys(value).length > 0) yield* leaves(value, [...path, key])
    else yield [[...path, key], value]
  }
}

function put(tree: Tree, path: string[], value: unknown): void {
  if (path.includes('__proto__')) return
  let at = tree
  for (const key of path.slice(0, -1)) {
    const next = at[key]
    at = isTree(next) ? next : (at[key] = {})
  }
  const last = path.at(-1)
  if (last !== undefined) at[last] = value
}
