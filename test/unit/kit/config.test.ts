// SPDX-License-Identifier: Apache-2.0
import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { z } from 'zod'
import { loadConfig } from '../../../agents/kit/config.ts'
import { TrellisError } from '../../../agents/kit/errors.ts'
import { chainField, idField } from '../../../agents/kit/fields.ts'

const schema = z.object({
  name: z.string().default('none'),
  count: z.int().min(1).default(5),
  fast: z.boolean().default(false),
  projects: z.array(idField).default([]),
  chain: chainField,
})
const file = (content: string): string => {
  const path = join(mkdtempSync(join(tmpdir(), 'trellis-config-')), 'config.json')
  writeFileSync(path, content)
  return path
}
const failure = (load: () => unknown): TrellisError => {
  try {
    load()
  } catch (error) {
    if (error instanceof TrellisError) return error
    throw error
  }
  throw new Error('it loaded')
}

describe('loadConfig', () => {
  it('takes flag over environment over file over default', () => {
    const sources = {
      file: file('{"name":"file","count":1,"chain":{"pollMs":70}}'),
      env: { TRELLIS_X_NAME: 'env', TRELLIS_X_COUNT: '2', TRELLIS_X_CHAIN__POLL_MS: '80', TRELLIS_OTHER_NAME: 'no' },
      flags: { name: 'flag', 'chain.rpcUrl': 'http://127.0.0.1:1' },
    }
    const config = loadConfig('x', schema, sources)
    expect(config).to.deep.include({ name: 'flag', count: 2, fast: false, projects: [] })
    expect(config.chain).to.deep.include({ pollMs: 80, rpcUrl: 'http://127.0.0.1:1', confirmations: 0 })
  })

  it('reads text by the type of its field', () => {
    const env = { TRELLIS_X_FAST: 'true', TRELLIS_X_PROJECTS: '["7",8]', TRELLIS_X_COUNT: '12' }
    expect(loadConfig('x', schema, { env, flags: {} })).to.deep.include({ fast: true, projects: [7n, 8n], count: 12 })
  })

  it('tells every mistake at once, each with its field and where it came from', () => {
    const sources = {
      file: file('{"count":0,"nmae":"x"}'),
      env: { TRELLIS_X_FAST: 'maybe', TRELLIS_X_FASTER: '1' },
      flags: { chain: 3, projectz: 1 },
    }
    const error = failure(() => loadConfig('x', schema, sources))
    expect(error.code).to.equal('CONFIG_INVALID')
    const lines = Object.values(error.details).join('\n')
    for (const part of ['count', 'file ', 'nmae', 'fast', 'environment TRELLIS_X_FAST', 'TRELLIS_X_FASTER', 'chain', '--projectz'])
      expect(lines).to.contain(part)
  })

  it('names a file that is missing or not JSON', () => {
    expect(failure(() => loadConfig('x', schema, { file: '/nowhere/config.json', env: {}, flags: {} })).format()).to.contain(
      '/nowhere/config.json',
    )
    expect(failure(() => loadConfig('x', schema, { file: file('{'), env: {}, flags: {} })).code).to.equal('CONFIG_INVALID')
  })

  it('does not let a file reach the prototype of objects', () => {
    failure(() =>
      loadConfig('x', schema, {
        file: file('{"__proto__":{"polluted":1},"chain":{"__proto__":{"polluted":1}}}'),
        env: {},
        flags: { nope: 1 },
      }),
    )
    expect(({} as { polluted?: number }).polluted).to.equal(undefined)
  })
})
