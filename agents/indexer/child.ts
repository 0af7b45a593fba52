// SPDX-License-Identifier: Apache-2.0
/** The Ponder process: started, listened to, asked, ended. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Logger } from '../kit/log.ts'
import { type Job, JOB_VARIABLE } from './ponder/job.ts'

export interface Child {
  /** Null until it listens. */
  readonly url: string | null
  /** Why it ended; null while it runs. */
  readonly ended: string | null
  /** It said that blocks which it held for final are others. */
  readonly deepReorg: boolean
  ready(): Promise<boolean>
  /** Newest block in the index. */
  block(): Promise<number | null>
  stop(): Promise<void>
}

/** Longest time that its own stop may take; PGlite survives kill -9. */
const stopMs = 6_000

export async function startChild({ root, schema, job, log }: { root: string; schema: string; job: Job; log: Logger }): Promise<Child> {
  const program = join(import.meta.dirname, 'ponder-process.ts')
  const args = ['start', '--root', root, '--schema', schema, '--hostname', '127.0.0.1', '--port', String(await freePort())]
  const { PATH, HOME } = process.env
  const child = spawn(process.execPath, ['--max-old-space-size=512', program, ...args, '--log-format', 'json', '--log-level', 'info'], {
    cwd: root,
    env: {
      PATH,
      HOME,
      NODE_ENV: 'production',
      PONDER_TELEMETRY_DISABLED: '1',
      PONDER_CACHE_BYTES: String(64 << 20),
      NODE_COMPILE_CACHE: join(root, 'compiled'),
      [JOB_VARIABLE]: JSON.stringify(job),
    },
    // With a channel, so that it notices when this process is gone.
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  })
  let url: string | null = null
  let ended: string | null = null
  let deepReorg = false
  child.once('error', (error) => (ended ??= error.message))
  child.once('exit', (code, signal) => (ended ??= signal ?? `code ${code ?? 0}`))

  const tell = (line: string): void => {
    const { level, msg, ...rest } = open(line)
    // Its own choice, when the one that was free a moment ago is taken.
    if (msg === 'Created HTTP server') url = `http://127.0.0.1:${String(rest['port'])}`
    deepReorg ||= msg === 'Encountered unrecoverable reorg'
    const kind = Number(level) >= 50 ? 'error' : Number(level) >= 40 ? 'warn' : 'debug'
    log[kind]({ ponder: rest }, msg)
  }
  createInterface({ input: child.stdout! }).on('line', tell)
  createInterface({ input: child.stderr! }).on('line', tell)

  const ask = async (path: string): Promise<Response | null> =>
    url === null ? null : fetch(`${url}${path}`, { signal: AbortSignal.timeout(5_000) }).catch(() => null)
  return {
    get url() {
      return url
    },
    get ended() {
      return ended
    },
    get deepReorg() {
      return deepReorg
    },
    ready: async () => (await ask('/ready'))?.ok === true,
    async block() {
      const answer = await ask('/status')
      const status = answer?.ok === true ? ((await answer.json()) as { chain?: { block: { number: number } } }) : {}
      return status.chain?.block.number ?? null
    },
    async stop() {
      if (ended !== null) return
      const gone = once(child, 'exit')
      child.kill('SIGTERM')
      const hard = setTimeout(() => child.kill('SIGKILL'), stopMs)
      await gone
      clearTimeout(hard)
    },
  }
}

function open(line: string): Record<string, unknown> & { msg: string } {
  try {
    const { time: _time, pid: _pid, hostname: _hostname, ...rest } = JSON.parse(line) as Record<string, unknown>
    return { ...rest, msg: String(rest['msg']) }
  } catch {
    return { msg: line.slice(0, 500) }
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  return address !== null && typeof address === 'object' ? address.port : 0
}
