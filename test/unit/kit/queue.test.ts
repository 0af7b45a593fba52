// SPDX-License-Identifier: Apache-2.0
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PGlite } from '@electric-sql/pglite'
import { expect } from 'chai'
import { createLog } from '../../../agents/kit/log.ts'
import { backOutQueue, openQueue } from '../../../agents/kit/queue.ts'
import { behavesAsQueue } from '../../behaviors/queue.ts'

describe('a queue on PGlite', function () {
  this.timeout(60_000)
  const folder = (): string => mkdtempSync(join(tmpdir(), 'trellis-queue-'))
  const place = { folder: folder(), schema: 'x', log: createLog('x', 'silent') }
  behavesAsQueue({ open: (migrations) => openQueue({ ...place, migrations }), backOut: (to) => backOutQueue(place, to) })

  it('lets nobody else open the folder', async () => {
    const error = await openQueue({ ...place, migrations: [] }).then(
      () => null,
      (reason: unknown) => reason,
    )
    expect(error).to.have.property('code', 'FOLDER_IN_USE')
  })

  it('goes on with a folder of the first version, which kept no history', async () => {
    const old = folder()
    const db = await PGlite.create(join(old, 'pg'))
    await db.exec(
      'create table t (a int); insert into t values (5); create table migrations (version int primary key); insert into migrations values (1)',
    )
    await db.close()
    const at = { ...place, folder: old }
    const queue = await openQueue({
      ...at,
      migrations: [
        { up: 'create table t (a int)', down: 'drop table t' },
        { up: 'alter table t add column b int', down: 'alter table t drop column b' },
      ],
    })
    expect(await queue.query('select * from t')).to.deep.equal([{ a: 5, b: null }])
    await queue.close()
    expect(await backOutQueue(at, 1)).to.include({ from: 2, to: 1 })
  })
})
