// SPDX-License-Identifier: Apache-2.0
/** What starts services at boot: systemd can read the units, they give away next to nothing, and they name fields that services have. */
import { spawnSync } from 'node:child_process'
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { format } from 'prettier'
import { service as coordinator } from '../../agents/coordinator/service.ts'
import { service as gateway } from '../../agents/gateway/service.ts'
import { service as indexer } from '../../agents/indexer/service.ts'
import { loadConfig } from '../../agents/kit/config.ts'
import { readSecretFile } from '../../agents/kit/secret-file.ts'
import { service as portal } from '../../agents/portal/server/service.ts'
import { proverConfig } from '../../agents/prover/config.ts'
import { at } from '../../scripts/shell.ts'
import { needs } from './support/engines.ts'

describe('units', function () {
  this.timeout(60_000)
  const units = readdirSync(at('deploy', 'systemd')).filter((name) => name.endsWith('.service'))
  const text = (name: string): string => readFileSync(at('deploy', 'systemd', name), 'utf8')
  let folder: string
  beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'trellis-units-'))))
  afterEach(() => rmSync(folder, { recursive: true, force: true }))

  it('are read by systemd without a complaint, and expose next to nothing', function () {
    const analyze = needs(this, 'systemd-analyze')
    // Where this repository lies is where they would look for it.
    for (const name of [...units, 'trellis.target']) writeFileSync(join(folder, name), text(name).replaceAll('/opt/trellis', at()))
    const paths = units.map((name) => join(folder, name))
    const verified = spawnSync(analyze, ['verify', '--man=no', ...paths, join(folder, 'trellis.target')], { encoding: 'utf8' })
    expect(`${verified.stdout}${verified.stderr}`.split('\n').filter((line) => line.includes('trellis'))).to.deep.equal([])
    expect(verified.status).to.equal(0)
    // 2.0 of 10 is where systemd stops calling a service well protected.
    const { status, stdout } = spawnSync(analyze, ['security', '--offline=true', '--threshold=20', ...paths], { encoding: 'utf8' })
    expect(status, stdout.split('\n').at(-2)).to.equal(0)
  })

  it('set fields that the services have, and take the key as a credential wherever there is one', () => {
    const schemas = {
      gateway: gateway.config,
      coordinator: coordinator.config,
      prover: proverConfig,
      indexer: indexer.config,
      portal: portal.config,
    }
    expect(units.sort()).to.deep.equal(
      Object.keys(schemas)
        .map((name) => `trellis-${name}.service`)
        .sort(),
    )
    for (const [name, schema] of Object.entries(schemas)) {
      const unit = text(`trellis-${name}.service`)
      const env = Object.fromEntries(
        [...unit.matchAll(/^Environment=(.*)$/gm)].flatMap(([, line = '']) =>
          line.split(' ').map((pair) => pair.split('=') as [string, string]),
        ),
      )
      const config = loadConfig(name, schema, { env, flags: name === 'coordinator' || name === 'portal' ? { projects: ['1'] } : {} }) as {
        key?: object
        dataFolder?: string
      }
      if ('dataFolder' in schema.shape) expect(config.dataFolder).to.equal(`%S/trellis-${name}`)
      if ('key' in schema.shape) expect(config.key).to.deep.equal({ keyFile: '%d/key', passwordFile: '%d/password' })
      expect(unit.includes('LoadCredential=key:')).to.equal('key' in schema.shape)
      expect(unit).to.contain('RestartPreventExitStatus=78')
    }
  })

  it('give keys in a folder of systemd’s own, whose modes show its list of who may read and not others', () => {
    const file = join(folder, 'key')
    writeFileSync(file, 'secret')
    chmodSync(file, 0o440)
    expect(() => readSecretFile(file)).to.throw('Others on this machine')
    process.env['CREDENTIALS_DIRECTORY'] = folder
    try {
      expect(readSecretFile(file)).to.equal('secret')
      chmodSync(file, 0o444)
      expect(() => readSecretFile(file)).to.throw('Others on this machine')
      expect(() => readSecretFile(join(folder, '..', 'key'))).to.throw('cannot be read')
    } finally {
      delete process.env['CREDENTIALS_DIRECTORY']
    }
  })

  it('have a compose file beside them that is YAML and runs services that there are', async () => {
    const compose = readFileSync(at('deploy', 'compose', 'compose.yaml'), 'utf8')
    await format(compose, { parser: 'yaml' })
    const commands = [...compose.matchAll(/^ {4}command: \['(\w+)', '--config'/gm)].map(([, name]) => name)
    expect(commands).to.deep.equal(['gateway', 'coordinator', 'prover', 'indexer', 'portal'])
  })
})
