// SPDX-License-Identifier: Apache-2.0
/** Processes by id and start time, so that a reused id is never taken for ours; and who listens on a port. */
import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { createServer } from 'node:net'
import { platform } from 'node:os'
import { TrellisError } from '../../protocol/errors.ts'

/** A process: its id, and when it started as the system tells it. */
export interface ProcessRef {
  pid: number
  started: string
}

/** When a process started, as an opaque text; undefined when there is no such process. */
export function startOf(pid: number): string | undefined {
  try {
    if (platform() === 'linux') {
      const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
      // State Z is a process that ended and was not collected yet.
      return fields[0] === 'Z' ? undefined : fields[19]
    }
    const text = execFileSync('ps', ['-o', 'lstart=', '-p', String(pid)], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim()
    return text === '' ? undefined : text
  } catch {
    return undefined
  }
}

export const refOf = (pid: number): ProcessRef => ({ pid, started: startOf(pid) ?? '' })

/** True while exactly this process lives. */
export const isRunning = (ref: ProcessRef): boolean => ref.started !== '' && startOf(ref.pid) === ref.started

const pause = (ms: number): Promise<void> => new Promise((wake) => setTimeout(wake, ms))

/** Ends a process of ours: SIGTERM, and SIGKILL to its whole group when it still lives after `graceMs`. */
export async function end(ref: ProcessRef, graceMs = 10_000): Promise<void> {
  if (!isRunning(ref)) return
  signal(ref.pid, 'SIGTERM')
  for (const until = Date.now() + graceMs; Date.now() < until;) {
    if (!isRunning(ref)) return
    await pause(50)
  }
  if (!isRunning(ref)) return
  // Children are leaders of their own group: what they started goes with them.
  signal(-ref.pid, 'SIGKILL')
  signal(ref.pid, 'SIGKILL')
  for (let i = 0; i < 40 && isRunning(ref); i += 1) await pause(50)
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name)
  } catch {
    // gone already
  }
}

/** True when nothing listens on this port of 127.0.0.1. */
export const isFree = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => server.close(() => resolve(true)))
  })

/** A port that was free a moment ago. */
export const freePort = (): Promise<number> =>
  new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen({ port: 0, host: '127.0.0.1' }, () => {
      const address = server.address()
      server.close(() => (address !== null && typeof address === 'object' ? resolve(address.port) : reject(new Error('no port'))))
    })
  })

/** Who listens on a port, as far as this user may see it (Linux); undefined elsewhere. */
export function listenerOf(port: number): { pid: number; command: string } | undefined {
  if (platform() !== 'linux') return undefined
  const inodes = new Set<string>()
  const wanted = port.toString(16).toUpperCase().padStart(4, '0')
  for (const table of ['/proc/net/tcp', '/proc/net/tcp6']) {
    for (const line of readLines(table)) {
      const fields = line.trim().split(/\s+/)
      if (fields[3] === '0A' && fields[1]?.endsWith(`:${wanted}`) === true && fields[9] !== undefined) inodes.add(`socket:[${fields[9]}]`)
    }
  }
  if (inodes.size === 0) return undefined
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      const holds = readdirSync(`/proc/${pid}/fd`).some((fd) => inodes.has(readlinkSync(`/proc/${pid}/fd/${fd}`)))
      if (holds)
        return { pid: Number(pid), command: readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim().slice(0, 80) }
    } catch {
      // another user's process, or one that just ended
    }
  }
  return undefined
}

function readLines(file: string): string[] {
  try {
    return readFileSync(file, 'utf8').split('\n')
  } catch {
    return []
  }
}

/** Fails with every busy port of the list at once. @throws TrellisError PORT_BUSY */
export async function requireFree(ports: Readonly<Record<string, number>>): Promise<void> {
  const busy: Record<string, string> = {}
  for (const [name, port] of Object.entries(ports)) {
    if (await isFree(port)) continue
    const holder = listenerOf(port)
    busy[name] = `127.0.0.1:${port} is taken${holder === undefined ? '' : ` by process ${holder.pid} (${holder.command})`}`
  }
  if (Object.keys(busy).length === 0) return
  throw new TrellisError({
    code: 'PORT_BUSY',
    message: `${Object.keys(busy).length === 1 ? 'A port that Trellis needs is' : 'Ports that Trellis needs are'} in use.`,
    details: busy,
    next: 'end that process, or let Trellis choose other ports: npm start -- --free-ports',
  })
}
