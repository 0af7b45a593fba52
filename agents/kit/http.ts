// SPDX-License-Identifier: Apache-2.0
/** The HTTP door of a service: loopback unless told otherwise, Host checked, bodies and times limited, errors as JSON. */
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { serve, type HttpBindings } from '@hono/node-server'
import { Hono, type Context } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import { routePath } from 'hono/route'
import type { ContentfulStatusCode } from 'hono/utils/http-status'
import { TrellisError, overloaded, toTrellisError } from './errors.ts'
import type { Logger } from './log.ts'
import type { Metrics } from './metrics.ts'

/** The hono application that routes are put on. */
export type HttpApp = Hono<{ Bindings: HttpBindings }>
export type HttpContext = Context<{ Bindings: HttpBindings }>

export interface HttpOptions {
  hostname: string
  /** 0 takes a free port. */
  port: number
  /** Further accepted Host values, with port. */
  allowedHosts?: readonly string[]
  /** Origins of web pages that may ask, besides the service's own. */
  allowedOrigins?: readonly string[]
  /** Most connections, and most of them from one address; more are cut. */
  maxConnections?: number
  maxPerAddress?: number
  log: Logger
  metrics: Metrics
  /** Why the service is not ready, or null when it is. Asked by /ready; must not throw for long. */
  ready?: () => Promise<string | null> | string | null
  /** Largest request body, bytes. */
  bodyLimitBytes?: number
  /** Longest time a request may take, handler included, milliseconds. */
  timeoutMs?: number
  /** Most requests worked on at once; more are answered 503 OVERLOADED. */
  maxInFlight?: number
  routes: (app: HttpApp) => void
}

export interface HttpServer {
  readonly url: string
  readonly port: number
  /** Stops taking connections, lets running requests end for `graceMs`, then cuts them. */
  close(graceMs?: number): Promise<void>
}

/** HTTP status of an error code; anything else is 500, or 503 when retryable. */
const statuses: Readonly<Record<string, ContentfulStatusCode>> = {
  BAD_REQUEST: 400,
  MALFORMED: 400,
  UNAUTHENTICATED: 401,
  FORBIDDEN: 403,
  NOT_FOUND: 404,
  METHOD_NOT_ALLOWED: 405,
  CONFLICT: 409,
  TOO_LARGE: 413,
  REQUEST_TIMEOUT: 503,
  OVERLOADED: 503,
  URI_TOO_LONG: 414,
  WRONG_HOST: 421,
  WRONG_ORIGIN: 403,
}

/** Methods that services use. */
const methods = ['GET', 'POST', 'PUT', 'DELETE'] as const

/** Longest path and query, characters. */
const urlLimit = 2_048
/** Largest header, bytes; node answers 431 to a larger one. */
const headerLimit = 8_192

export const httpMetrics = (metrics: Metrics) => ({
  seconds: metrics.histogram('http_request_seconds', 'time to answer', [0.005, 0.02, 0.1, 0.5, 2, 10, 30], ['route', 'status']),
  refused: metrics.counter('http_connections_refused_total', 'connections beyond what the door, or one address, may have'),
})

/** Starts the door. @throws TrellisError PORT_BUSY when the port is taken. */
export async function startHttp(options: HttpOptions): Promise<HttpServer> {
  const { hostname, log, metrics } = options
  const maxInFlight = options.maxInFlight ?? 512
  const timeoutMs = options.timeoutMs ?? 30_000
  const limit = options.bodyLimitBytes ?? 1 << 20
  const { seconds } = httpMetrics(metrics)
  let inFlight = 0
  let hosts: ReadonlySet<string> = new Set()
  let origins: ReadonlySet<string> = new Set()

  const app: HttpApp = new Hono()
  app.use(async (c, next) => {
    const started = performance.now()
    if (!hosts.has((c.req.header('host') ?? '').toLowerCase())) {
      // A page of another origin can reach loopback ports by DNS rebinding; its Host gives it away.
      throw new TrellisError({ code: 'WRONG_HOST', message: 'The Host header is not one that this service answers to.' })
    }
    const origin = c.req.header('origin')
    if (origin !== undefined && !origins.has(origin.toLowerCase())) {
      // A page can send simple requests anywhere without asking; it cannot hide where it comes from.
      throw new TrellisError({
        code: 'WRONG_ORIGIN',
        message: 'Pages of this origin may not ask this service.',
        details: { origin: origin.slice(0, 80) },
        next: 'add the origin to http.allowedOrigins when the page is yours',
      })
    }
    if ((c.env.incoming.url ?? '').length > urlLimit)
      throw new TrellisError({ code: 'URI_TOO_LONG', message: 'The path and query are too long.', details: { limit: urlLimit } })
    if (inFlight >= maxInFlight) throw overloaded('The HTTP door', maxInFlight)
    inFlight += 1
    try {
      await limitTime(next(), timeoutMs)
    } finally {
      inFlight -= 1
      seconds.observe({ route: routePath(c), status: String(c.res.status) }, (performance.now() - started) / 1000)
    }
  })
  app.use(
    bodyLimit({
      maxSize: limit,
      onError: () => {
        throw new TrellisError({ code: 'TOO_LARGE', message: 'The request body is too large.', details: { limitBytes: limit } })
      },
    }),
  )
  // 200 while the process answers.
  app.get('/health', (c) => c.json({ status: 'ok' }))
  // 200 when the service can do its work, 503 with the reason when not.
  app.get('/ready', async (c) => {
    const reason = (await options.ready?.()) ?? null
    return reason === null ? c.json({ status: 'ready' }) : c.json({ status: 'not ready', reason }, 503)
  })
  // Figures for Prometheus.
  app.get('/metrics', async (c) => c.text(await metrics.text(), 200, { 'content-type': metrics.contentType }))
  options.routes(app)
  app.notFound((c) => {
    const allowed = methods.filter((method) => app.router.match(method, c.req.path)[0].some(([[, route]]) => route.method === method))
    if (allowed.length === 0) return answer(c, new TrellisError({ code: 'NOT_FOUND', message: `There is nothing at ${c.req.path}.` }))
    c.header('allow', allowed.join(', '))
    return answer(c, new TrellisError({ code: 'METHOD_NOT_ALLOWED', message: `${c.req.path} takes ${allowed.join(' or ')}.` }))
  })
  app.onError((error, c) => {
    const known = toTrellisError(error)
    if (statusOf(known) >= 500) log.warn({ err: error, path: c.req.path }, 'request failed')
    return answer(c, known)
  })

  const server = await listen(app, options)
  const { port } = server.address() as AddressInfo
  const names = new Set([hostname, '127.0.0.1', 'localhost', '[::1]'].map((name) => `${name}:${port}`.toLowerCase()))
  hosts = new Set([...names, ...(options.allowedHosts ?? []).map((name) => name.toLowerCase())])
  origins = new Set([...[...names].map((name) => `http://${name}`), ...(options.allowedOrigins ?? []).map((name) => name.toLowerCase())])
  return {
    url: `http://${hostname.includes(':') ? `[${hostname}]` : hostname}:${port}`,
    port,
    close: (graceMs = 2_000) => close(server, graceMs),
  }
}

/** The body as JSON. @throws TrellisError MALFORMED */
export async function readJson(c: HttpContext): Promise<unknown> {
  try {
    return JSON.parse(await c.req.text()) as unknown
  } catch (error) {
    if (error instanceof TrellisError) throw error
    throw new TrellisError({ code: 'MALFORMED', message: 'The body is not JSON.' })
  }
}

/** An error in its wire shape: {error: {code, message, details, next, retryable}}. */
function answer(c: HttpContext, error: TrellisError): Response {
  const status = statusOf(error)
  const known = status < 500 || error.code in statuses
  // What nobody foresaw may carry paths or values of the machine: it goes to the log, not to the caller.
  const body =
    known || error.code !== 'UNEXPECTED'
      ? error.toJSON()
      : { code: 'INTERNAL', message: 'The service failed.', details: {}, next: null, retryable: true }
  return c.json({ error: body }, status)
}

function statusOf(error: TrellisError): ContentfulStatusCode {
  return statuses[error.code] ?? (error.retryable ? 503 : 500)
}

async function limitTime(work: Promise<void>, timeoutMs: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(new TrellisError({ code: 'REQUEST_TIMEOUT', message: 'The request took too long.', details: { timeoutMs }, retryable: true }))
    }, timeoutMs)
  })
  try {
    await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
    work.catch(() => undefined)
  }
}

export function portBusy(hostname: string, port: number): TrellisError {
  return new TrellisError({
    code: 'PORT_BUSY',
    message: `Another process listens on ${hostname}:${port}.`,
    details: { hostname, port },
    next: `stop it (ss -ltnp 'sport = :${port}' names it), or choose another port in the configuration`,
  })
}

/** Cuts connections of an address that has as many as it may, before a byte of them is read. */
function limitConnections(server: Server, { maxConnections = 2_048, maxPerAddress = 1_024, metrics }: HttpOptions): void {
  const { refused } = httpMetrics(metrics)
  const open = new Map<string, number>()
  server.maxConnections = maxConnections
  server.on('drop', () => refused.inc())
  server.on('connection', (socket) => {
    const { remoteAddress: address = '' } = socket
    const before = open.get(address) ?? 0
    if (before >= maxPerAddress) {
      refused.inc()
      socket.destroy()
      return
    }
    open.set(address, before + 1)
    socket.once('close', () => {
      const left = (open.get(address) ?? 1) - 1
      if (left === 0) open.delete(address)
      else open.set(address, left)
    })
  })
}

function listen(app: HttpApp, options: HttpOptions): Promise<Server> {
  const { hostname, port, timeoutMs = 30_000 } = options
  return new Promise((resolve, reject) => {
    const serverOptions = {
      requestTimeout: timeoutMs,
      headersTimeout: Math.min(10_000, timeoutMs),
      keepAliveTimeout: 5_000,
      connectionsCheckingInterval: 2_000,
      maxHeaderSize: headerLimit,
    }
    const server = serve({ fetch: app.fetch, hostname, port, createServer, serverOptions }, () => {
      server.off('error', failed)
      resolve(server)
    }) as Server
    limitConnections(server, options)
    const failed = (error: NodeJS.ErrnoException): void => {
      reject(error.code === 'EADDRINUSE' ? portBusy(hostname, port) : error)
    }
    server.once('error', failed)
  })
}

function close(server: Server, graceMs: number): Promise<void> {
  return new Promise((resolve) => {
    const cut = setTimeout(() => server.closeAllConnections(), graceMs)
    server.close(() => {
      clearTimeout(cut)
      resolve()
    })
    server.closeIdleConnections()
  })
}
