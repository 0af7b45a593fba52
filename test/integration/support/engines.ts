// SPDX-License-Identifier: Apache-2.0
/** Programs that tests run against and npm does not bring: PostgreSQL, Mosquitto and faketime from Debian, anvil from npm where it is built for this platform. */
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Context } from 'mocha'

const root = join(import.meta.dirname, '../../..')

const inPath = (name: string): string | undefined =>
  [...(process.env['PATH'] ?? '').split(':'), '/usr/sbin', '/usr/local/sbin'].map((folder) => join(folder, name)).find(existsSync)

/** Debian keeps the server's programs out of the path, one folder per version. */
function inPostgresql(name: string): string | undefined {
  const versions = '/usr/lib/postgresql'
  if (!existsSync(versions)) return inPath(name)
  const [newest] = readdirSync(versions).sort((a, b) => Number(b) - Number(a))
  return newest === undefined ? inPath(name) : join(versions, newest, 'bin', name)
}

const engines = {
  postgres: { find: () => inPostgresql('postgres'), cure: 'apt-get install postgresql' },
  initdb: { find: () => inPostgresql('initdb'), cure: 'apt-get install postgresql' },
  mosquitto: { find: () => inPath('mosquitto'), cure: 'apt-get install mosquitto' },
  promtool: { find: () => inPath('promtool'), cure: 'apt-get install prometheus' },
  'systemd-analyze': { find: () => inPath('systemd-analyze'), cure: 'apt-get install systemd' },
  faketime: { find: () => inPath('faketime'), cure: 'apt-get install faketime' },
  mount: { find: () => (process.getuid?.() === 0 ? inPath('mount') : undefined), cure: 'run as root, which alone may mount a small disk' },
  anvil: {
    find: () => [join(root, 'node_modules/@foundry-rs/anvil-linux-amd64/bin/anvil')].find(existsSync) ?? inPath('anvil'),
    cure: 'npm ci on Linux x64, or an anvil in the path',
  },
} as const

export type Engine = keyof typeof engines

/** Path of an engine's program; undefined when it is not on this machine. */
export const engine = (name: Engine): string | undefined => engines[name].find()

/** Path of an engine's program. Skips the test, and says why, when it is not on this machine. For `before` and tests with `this`. */
export function needs(context: Context, name: Engine): string {
  const found = engine(name)
  if (found !== undefined) return found
  console.log(`SKIP ${name} is not there: ${engines[name].cure}`)
  return context.skip()
}
