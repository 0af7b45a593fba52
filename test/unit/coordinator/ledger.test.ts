// SPDX-License-Identifier: Apache-2.0
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { taskQuery } from '../../../agents/coordinator/door.ts'
import { openLedger } from '../../../agents/coordinator/ledger.ts'
import { createLog } from '../../../agents/kit/log.ts'
import { behavesAsLedger } from '../../behaviors/coordinator-ledger.ts'

describe('coordinator ledger on PGlite', function () {
  this.timeout(60_000)
  const log = createLog('test', 'silent')
  behavesAsLedger((leaseSeconds) => openLedger({ folder: mkdtempSync(join(tmpdir(), 'trellis-ledger-')), schema: 'x', leaseSeconds, log }))
})

describe('the list of tasks', () => {
  it('takes the parameters of a list of tasks, and no others', () => {
    expect(taskQuery({})).to.deep.equal({ state: null, limit: 100, after: null })
    const after = `0x${'ab'.repeat(32)}`
    expect(taskQuery({ state: 'dead', limit: '500', after })).to.deep.equal({ state: 'dead', limit: 500, after })
    for (const limit of ['-1', '0', '501', '99999999', '1.5', '1e2', '', 'x'])
      expect(() => taskQuery({ limit }), limit).to.throw('1 to 500')
    expect(() => taskQuery({ state: 'lost' })).to.throw('no state lost')
    expect(() => taskQuery({ after: '7' })).to.throw('taskId')
    expect(() => taskQuery({ page: '2' })).to.throw('no parameter page')
  })
})
