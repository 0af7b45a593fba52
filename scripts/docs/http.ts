// SPDX-License-Identifier: Apache-2.0
/** docs/reference/http.md: the routes of every service, with the comment above each. A route without one is refused. */
import ts from 'typescript'
import { at, files, short } from '../shell.ts'
import { cell, code, commentOf, type Page, page, readSource, table, walk } from './markdown.ts'

export interface Route {
  /** Folder under agents. */
  room: string
  method: string
  path: string
  what: string
  place: string
}

/** Routes as they are written: `app.get('/v1/…', …)`. */
export function routesOf(file: string): Route[] {
  const source = readSource(file)
  const found: Route[] = []
  walk(source, (node) => {
    if (!ts.isCallExpression(node) || !ts.isPropertyAccessExpression(node.expression)) return
    const { expression, name } = node.expression
    const [path] = node.arguments
    if (expression.getText() !== 'app' || !/^(get|post|put|delete)$/.test(name.text)) return
    if (path === undefined || !ts.isStringLiteralLike(path)) return
    const { line } = source.getLineAndCharacterOfPosition(node.getStart())
    const room = short(file).split('/')[1] ?? ''
    found.push({
      room,
      method: name.text.toUpperCase(),
      path: path.text,
      what: commentOf(node.parent),
      place: `${short(file)}:${line + 1}`,
    })
  })
  return found
}

const PORTS: Readonly<Record<string, string>> = { gateway: '8083', coordinator: '8084', prover: '8085', indexer: '8087' }

/** @returns the page, and the places of routes that nobody described */
export function httpPage(): { page: Page; silent: string[] } {
  const routes = files(at('agents'), (path) => path.endsWith('.ts') && !path.includes('/web/')).flatMap(routesOf)
  const rows = (of: readonly Route[]): string =>
    table(
      ['method', 'path', 'what'],
      of.map(({ method, path, what }) => [method, code(path), cell(what)]),
    )
  const rooms = [...new Set(routes.map(({ room }) => room))].filter((room) => room !== 'kit').sort()
  const text = page(
    'http',
    'HTTP',
    [
      'Services listen on 127.0.0.1 and answer JSON. They check the `Host` header, and the `Origin` of web pages (`http.allowedHosts`, `http.allowedOrigins`).',
      '',
      '## Every service',
      '',
      rows(routes.filter(({ room }) => room === 'kit')),
      '',
      'An error is `{"error": {"code", "message", "details", "next", "retryable"}}`; [errors.md](errors.md) lists the codes. When `retryable` is true, the same',
      'request may succeed later.',
      '',
      ...rooms.flatMap((room) => [
        `## ${room}`,
        '',
        ...(PORTS[room] === undefined ? [] : [`Port ${PORTS[room]} where nothing else is configured.`, '']),
        rows(routes.filter((route) => route.room === room)),
        '',
      ]),
    ].slice(0, -1),
  )
  return { page: text, silent: routes.flatMap(({ what, place, method, path }) => (what === '' ? [`${place}  ${method} ${path}`] : [])) }
}
