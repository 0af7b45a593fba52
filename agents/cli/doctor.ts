// SPDX-License-Identifier: Apache-2.0
/** `trellis doctor`: checks of this machine and this checkout, each with its fix. Fails when one that is needed fails. */
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, rmSync, statfsSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { availableParallelism, freemem, totalmem } from 'node:os'
import { join } from 'node:path'
import { DEFAULT_PORTS, repository, stateAt } from './local/state.ts'
import { isFree, isRunning, listenerOf } from './local/process.ts'

export interface Check {
  name: string
  ok: boolean
  /** A warning does not fail the command. */
  needed: boolean
  found: string
  fix: string
}

const require = createRequire(import.meta.url)
const gib = (bytes: number): string => `${(bytes / 2 ** 30).toFixed(1)} GiB`

export async function checks(stateOption: string | undefined): Promise<Check[]> {
  const state = stateAt(stateOption)
  const found: Check[] = []
  const add = (name: string, ok: boolean, text: string, fix: string, needed = true): void => {
    found.push({ name, ok, needed, found: text, fix })
  }
  const major = Number(process.versions.node.split('.')[0])
  add('Node', major === 24, process.versions.node, 'run through npm: npm run doctor (npm start installs Node 24 into node_modules)')

  const lock = createHash('sha256')
    .update(readFileSync(join(repository, 'package-lock.json')))
    .digest('hex')
  const stampFile = join(repository, 'node_modules', '.trellis-install')
  const stamp = existsSync(stampFile) ? readFileSync(stampFile, 'utf8').trim() : ''
  add(
    'dependencies',
    stamp === lock,
    stamp === lock ? 'as package-lock.json says' : 'not installed from this package-lock.json',
    'npm start (installs what is missing)',
  )

  let edr = 'loads'
  try {
    require('@nomicfoundation/edr')
  } catch (error) {
    edr = (error as Error).message.split('\n', 1)[0] ?? 'does not load'
  }
  add('native EVM', edr === 'loads', edr, 'rm -rf node_modules && npm start (npm leaves it out when it runs on an old Node)')

  for (const [name, path] of [
    ['contracts', 'artifacts/contracts'],
    ['circuits', 'build/circuits'],
  ] as const) {
    const there = existsSync(join(repository, path))
    add(`built ${name}`, there, there ? path : `${path} is missing`, 'npm run build (npm start does it too)', false)
  }

  const memory = totalmem()
  add(
    'memory',
    memory >= 3.5 * 2 ** 30,
    `${gib(memory)}, ${gib(freemem())} free`,
    'four devices, two provers and the chain need about 3 GiB',
  )
  add('cores', availableParallelism() >= 2, String(availableParallelism()), 'one core works, more slowly', false)
  const disk = statfsSync(repository, { bigint: true })
  const space = Number(disk.bavail * disk.bsize)
  add('disk', space >= 2 ** 30, `${gib(space)} free`, 'free 1 GiB on the disk of this checkout')

  try {
    mkdirSync(state.root, { recursive: true })
    const probe = state.path(`.probe-${process.pid}`)
    writeFileSync(probe, '')
    rmSync(probe)
    add('state folder', true, state.root, '')
  } catch (error) {
    add('state folder', false, (error as Error).message, `make ${state.root} writable, or choose another with --state`)
  }

  const record = state.readRun()
  const ours = record !== undefined && isRunning(record.supervisor)
  const orphans = ours ? [] : Object.entries(record?.children ?? {}).filter(([, ref]) => isRunning(ref))
  add(
    'left-over processes',
    orphans.length === 0,
    orphans.length === 0 ? 'none' : orphans.map(([name, { pid }]) => `${name} (${pid})`).join(', '),
    'npm run trellis -- stop',
  )
  for (const [name, port] of Object.entries(DEFAULT_PORTS)) {
    const free = await isFree(port)
    const mine = ours && Object.values(record.ports).includes(port)
    const holder = free || mine ? undefined : listenerOf(port)
    const text = free
      ? `${port} is free`
      : mine
        ? `${port} is ours`
        : `${port} is taken${holder === undefined ? '' : ` by process ${holder.pid} (${holder.command})`}`
    add(`port ${name}`, free || mine, text, 'npm start fails until that process ends; or start with other ports: npm start -- --free-ports')
  }
  return found
}

export async function doctor(stateOption: string | undefined, options: { json: boolean }): Promise<void> {
  const found = await checks(stateOption)
  for (const { name, ok, needed, found: text, fix } of found) {
    const line = `${ok ? 'ok  ' : needed ? 'FAIL' : 'warn'}  ${name.padEnd(20)} ${text}`
    if (!options.json) console.log(ok ? line : `${line}\n      ${''.padEnd(20)} fix: ${fix}`)
  }
  const failed = found.filter(({ ok, needed }) => !ok && needed).length
  if (options.json) console.log(JSON.stringify({ ok: failed === 0, checks: found }))
  else console.log(failed === 0 ? 'This machine is ready.' : `${failed} check${failed === 1 ? '' : 's'} failed.`)
  process.exitCode = failed === 0 ? 0 : 1
}
