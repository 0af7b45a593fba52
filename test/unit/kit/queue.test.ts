// SPDX-License-Identifier: Apache-2.0
import { spawnSync } from 'node:child_process'
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

  it('is opened and worked with in less than 600 MiB', async () => {
    const at = { ...place, folder: folder() }
    await (await openQueue({ ...at, migrations: [] })).close()
    const module = (name: string): string => JSON.stringify(join(import.meta.dirname, `../../../agents/kit/${name}.ts`))
    const script = `import { openQueue } from ${module('queue')}; import { createLog } from ${module('log')}
      const place = { folder: ${JSON.stringify(at.folder)}, schema: 'x', log: createLog('x', 'silent') }
      const queue = await openQueue({ ...place, migrations: [] })
      await queue.jobs.createQueue('q')
      for (let n = 0; n < 200; n++) await queue.transaction(() => queue.jobs.send('q', { n }))
      if ((await queue.jobs.fetch('q', { batchSize: 200 })).length !== 200) throw new Error('jobs are missing')
      await queue.close()
      console.log(process.resourceUsage().maxRSS)
      process.exit()`
    const { status, stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' })
    expect(status, stderr).to.equal(0)
    expect(Number(stdout) / 1024, 'MiB at most')
      .to.be.above(100)
      .and.below(600)
  })
})
