// SPDX-License-Identifier: Apache-2.0
/** A real Mosquitto in a folder of its own, on a free port: accounts with passwords, and an ACL by which a device speaks for itself alone. */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort } from './chain.ts'
import { engine } from './engines.ts'

export interface MosquittoServer {
  url: string
  port: number
  /** The password of every account: `gateway`, and one per device named by its id. */
  password: string
  /** A file that holds it. */
  passwordFile: string
  start(): Promise<void>
  stop(signal?: 'SIGTERM' | 'SIGKILL'): Promise<void>
  remove(): Promise<void>
}

/** @param devices  ids; each is an account. `stranger` is an account that may do nothing of ours. The program must be there: ask `needs` first. */
export async function startMosquitto(devices: readonly string[]): Promise<MosquittoServer> {
  const program = engine('mosquitto')
  if (program === undefined) throw new Error('Mosquitto is not installed')
  const folder = mkdtempSync(join(tmpdir(), 'trellis-mosquitto-'))
  const file = (name: string, text: string): string => {
    writeFileSync(join(folder, name), text, { mode: 0o600 })
    return join(folder, name)
  }
  const password = 'correct-horse-battery'
  const passwordFile = file('password', `${password}\n`)
  const accounts = file('accounts', ['gateway', 'stranger', ...devices].map((name) => `${name}:${password}\n`).join(''))
  const hashed = spawnSync('mosquitto_passwd', ['-U', accounts], { encoding: 'utf8' })
  if (hashed.status !== 0) throw new Error(`mosquitto_passwd failed: ${hashed.stderr}`)
  const acl = file(
    'acl',
    [
      'user gateway',
      'topic read trellis/v1/+/+/up',
      'topic write trellis/v1/+/+/ack',
      // A stranger that a careless operator lets write answers: devices must not believe it.
      'user stranger',
      'topic write trellis/v1/+/+/ack',
      'pattern write trellis/v1/+/%u/up',
      'pattern read trellis/v1/+/%u/ack',
      '',
    ].join('\n'),
  )
  const port = await freePort()
  const settings = [
    `listener ${port} 127.0.0.1`,
    'persistence false',
    'allow_anonymous false',
    `password_file ${accounts}`,
    `acl_file ${acl}`,
  ]
  // Started by root it becomes another account, which cannot read these files.
  if (process.getuid?.() === 0) settings.push('user root')
  const config = file('mosquitto.conf', `${settings.join('\n')}\n`)
  let child: ChildProcess | undefined

  const server: MosquittoServer = {
    url: `mqtt://127.0.0.1:${port}`,
    port,
    password,
    passwordFile,
    async start() {
      child = spawn(program, ['-c', config], { stdio: 'ignore' })
      for (const until = Date.now() + 10_000; !(await answers(port));) {
        if (Date.now() > until || child.exitCode !== null) throw new Error('Mosquitto did not start')
        await new Promise((resolve) => setTimeout(resolve, 50))
      }
    },
    async stop(signal = 'SIGTERM') {
      if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
      const ended = once(child, 'exit')
      child.kill(signal)
      await ended
    },
    async remove() {
      await server.stop()
      rmSync(folder, { recursive: true, force: true })
    },
  }
  await server.start()
  return server
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false))
    socket.once('connect', () => socket.destroy())
  })
}
