// SPDX-License-Identifier: Apache-2.0
/** The frame of a service: configuration, log, metrics, start, signals, stop. */
import type { z } from 'zod'
import type { StorePlace } from './backup.ts'
import { loadConfig, type ConfigSources } from './config.ts'
import { isTrellisError, toTrellisError, type TrellisError } from './errors.ts'
import { createLog, type Logger, type LogLevel } from './log.ts'
import { createMetrics, type Metrics } from './metrics.ts'
import type { BackOut } from './migrations.ts'

/** What a service is given besides its configuration. */
export interface ServiceContext<C = unknown> {
  log: Logger
  metrics: Metrics
  /** Aborts when the service should stop. */
  signal: AbortSignal
  /** Ends the process with this error, after a clean stop. For what no retry can cure (CHAIN_RESET). */
  fail: (error: unknown) => void
  /**
   * Calls `work` with the configuration as it is read again, at each SIGHUP: one at a time, in the order they were named. Only what can change in a
   * running service is taken from it: its key. What throws is logged, and the service goes on as it was.
   */
  onReload?: ((work: (config: C) => Promise<void>) => void) | undefined
}

export interface RunningService {
  stop(): Promise<void>
  /** Where it listens, when it does. */
  url?: string
  /** Resolves when a service that has an end reached it: it is stopped then, and the process leaves with 0. */
  done?: Promise<void>
}

export interface Service<S extends z.ZodObject = z.ZodObject> {
  name: string
  config: S
  start(config: z.output<S>, context: ServiceContext<z.output<S>>): Promise<RunningService>
  /** Takes each of its stores back to a version: that of this program, when `to` is undefined. The service does not run meanwhile. */
  backOut?(config: z.output<S>, to: number | undefined): Promise<BackOut[]> | BackOut[]
  /** What it keeps, for `trellis backup` and `restore`. In the order of their kinds nothing is lost: devices, gateways, coordinators, provers. */
  stores?(config: z.output<S>): StorePlace[]
}

/** Names a service, with types inferred from its configuration schema. */
export function defineService<S extends z.ZodObject>(service: Service<S>): Service<S> {
  return service
}

/** Longest time a stop may take before the process leaves anyway. Everything durable survives that, as it survives kill -9. */
const stopLimitMs = 10_000

/** Exit code of a service that ended by an error which trying again does not mend (sysexits' EX_CONFIG). */
export const PERMANENT_EXIT = 78

/**
 * Runs a service until SIGINT or SIGTERM, then stops it and resolves with the exit code. SIGHUP makes it read its configuration and key again.
 * Configuration mistakes and failed starts are printed as what, why and next on stderr.
 */
export async function runService<S extends z.ZodObject>(service: Service<S>, sources: ConfigSources): Promise<number> {
  const abort = new AbortController()
  let failure: TrellisError | null = null
  let permanent = false
  const fail = (error: unknown): void => {
    // What was foreseen and does not call itself retryable needs somebody to change something.
    if (failure === null) permanent = isTrellisError(error) && !error.retryable
    failure ??= toTrellisError(error)
    abort.abort()
  }
  const onSignal = (): void => abort.abort()
  process.once('SIGINT', onSignal)
  process.once('SIGTERM', onSignal)

  let log: Logger | null = null
  const reloads: ((config: z.output<S>) => Promise<void>)[] = []
  let reloading: Promise<void> = Promise.resolve()
  const reload = async (): Promise<void> => {
    try {
      const config = loadConfig(service.name, service.config, sources)
      for (const work of reloads) await work(config)
      log?.info('reloaded')
    } catch (error) {
      log?.error({ err: toTrellisError(error) }, 'not reloaded: the service goes on as it was')
    }
  }
  const onReload = (): void => void (reloading = reloading.then(reload))
  process.on('SIGHUP', onReload)

  let running: RunningService | null = null
  try {
    const config = loadConfig(service.name, service.config, sources)
    log = createLog(service.name, (config as { logLevel?: LogLevel }).logLevel)
    const metrics = createMetrics(service.name)
    running = await service.start(config, { log, metrics, signal: abort.signal, fail, onReload: (work) => reloads.push(work) })
    log.info({ url: running.url }, 'started')
    const aborted = new Promise<void>((resolve) => {
      if (abort.signal.aborted) resolve()
      else abort.signal.addEventListener('abort', () => resolve(), { once: true })
    })
    await Promise.race(running.done === undefined ? [aborted] : [aborted, running.done])
    log.info('stopping')
  } catch (error) {
    // A start that was still waiting for its chain when the signal came has nothing to stop.
    if (!abort.signal.aborted || !isTrellisError(error, 'STOPPED')) fail(error)
  } finally {
    process.off('SIGINT', onSignal)
    process.off('SIGTERM', onSignal)
    process.off('SIGHUP', onReload)
    await reloading
  }
  if (running !== null && !(await stopped(running))) log?.error({ limitMs: stopLimitMs }, 'the stop took too long')
  if (failure === null) {
    log?.info('stopped')
    return 0
  }
  process.stderr.write(`${(failure as TrellisError).format()}\n`)
  return permanent ? PERMANENT_EXIT : 1
}

/**
 * Takes the stores of a service back to the schema of this program (or to version `to`), after a newer one wrote them.
 * @throws TrellisError CONFIG_INVALID | STORE_IN_USE | STORE_TOO_NEW, and what the service throws
 */
export async function backOutService<S extends z.ZodObject>(service: Service<S>, sources: ConfigSources, to?: number): Promise<BackOut[]> {
  return (await service.backOut?.(loadConfig(service.name, service.config, sources), to)) ?? []
}

/** The places of a service's stores and keys. @throws TrellisError CONFIG_INVALID */
export function storesOf<S extends z.ZodObject>(service: Service<S>, sources: ConfigSources): StorePlace[] {
  return service.stores?.(loadConfig(service.name, service.config, sources)) ?? []
}

async function stopped(running: RunningService): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined
  const limit = new Promise<false>((resolve) => {
    timer = setTimeout(() => resolve(false), stopLimitMs)
  })
  const stop = running.stop().then(
    () => true as const,
    () => false as const,
  )
  const done = await Promise.race([stop, limit])
  clearTimeout(timer)
  return done
}
