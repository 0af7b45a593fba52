// SPDX-License-Identifier: Apache-2.0
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { expect } from 'chai'
import fc from 'fast-check'
import type { Migration } from '../../../agents/kit/migrations.ts'
import { backOutStore, openStore, type Store } from '../../../agents/kit/store.ts'
import { backOutDeviceStore, openDeviceStore } from '../../../agents/sdk/drivers/node/store.ts'
import { settings } from '../../fixtures/properties.ts'

/** A table of the model: its columns beside `id`. */
type Tables = Record<string, string[]>
type Step = { kind: 'column' | 'table' | 'rename' | 'rebuild' | 'split' | 'index'; pick: number }

/** One more version of a schema of tables `t…(id, c…)`, as somebody would write it; changes the model. */
function next(tables: Tables, { kind, pick }: Step, version: number): Migration {
  const names = Object.keys(tables)
  const table = names[pick % names.length] ?? ''
  const columns = tables[table] ?? []
  const column = columns[pick % Math.max(1, columns.length)] ?? ''
  if (kind === 'column' || (column === '' && kind !== 'table' && kind !== 'index')) {
    const added = `c${version}`
    tables[table] = [...columns, added]
    return { up: `alter table ${table} add column ${added} integer`, down: `alter table ${table} drop column ${added}` }
  }
  if (kind === 'table') {
    tables[`t${version}`] = ['c0']
    return { up: `create table t${version} (id integer primary key, c0 integer) strict`, down: `drop table t${version}` }
  }
  if (kind === 'rename') {
    const renamed = `r${version}`
    tables[table] = columns.map((name) => (name === column ? renamed : name))
    return {
      up: `alter table ${table} rename column ${column} to ${renamed}`,
      down: `alter table ${table} rename column ${renamed} to ${column}`,
    }
  }
  if (kind === 'split') {
    const part = `p${version}`
    tables[table] = columns.filter((name) => name !== column)
    return {
      up: `create table ${part} (id integer primary key references ${table} (id), ${column} integer) strict;
           insert into ${part} select id, ${column} from ${table};
           alter table ${table} drop column ${column}`,
      // The column comes back at the end; what the new version added has none.
      down: `alter table ${table} add column ${column} integer;
             update ${table} set ${column} = (select ${column} from ${part} where ${part}.id = ${table}.id);
             drop table ${part}`,
    }
  }
  if (kind === 'rebuild') {
    const list = ['id', ...columns].join(', ')
    const make = (check: string): string => `
      create table new_${table} (id integer primary key, ${columns.map((name) => `${name} integer`).join(', ')}${check}) strict;
      insert into new_${table} (${list}) select ${list} from ${table};
      drop table ${table};
      alter table new_${table} rename to ${table}`
    return { up: make(', check (id >= 0)'), down: make('') }
  }
  return { up: `create index i${version} on ${table} (id)`, down: `drop index if exists i${version}` }
}

function rows({ db }: Store, tables: Tables): Record<string, unknown[]> {
  return Object.fromEntries(
    Object.entries(tables).map(([table, columns]) => [
      table,
      db.prepare(`select ${['id', ...columns].join(', ')} from ${table} order by id`).all(),
    ]),
  )
}

function fill({ db }: Store, tables: Tables, from: number, count: number): void {
  for (const [table, columns] of Object.entries(tables)) {
    for (let id = from; id < from + count; id++) {
      const values = [id, ...columns.map((_, i) => id * 10 + i)]
      db.prepare(`insert into ${table} (${['id', ...columns].join(', ')}) values (${values.map(() => '?').join(', ')})`).run(...values)
    }
  }
}

const folder = mkdtempSync(join(tmpdir(), 'trellis-migrations-'))
let files = 0
const fresh = (): string => join(folder, `${++files}.sqlite`)
const one: Migration = { up: 'create table t0 (id integer primary key, c0 integer) strict', down: 'drop table t0' }
const two: Migration = { up: 'alter table t0 add column c1 integer', down: 'alter table t0 drop column c1' }

describe('migrations', () => {
  after(() => rmSync(folder, { recursive: true }))

  it('up and back out keep every row that the old version knows, whatever the chain', () => {
    const step = fc.record({
      kind: fc.constantFrom('column', 'table', 'rename', 'rebuild', 'split', 'index' as const),
      pick: fc.nat(20),
    }) as fc.Arbitrary<Step>
    const chains = fc.record({
      steps: fc.array(step, { minLength: 1, maxLength: 7 }),
      old: fc.nat(6),
      between: fc.nat(6),
      count: fc.nat(4),
    })
    fc.assert(
      fc.property(chains, ({ steps, old, between, count }) => {
        const file = fresh()
        const tables: Tables = { t0: ['c0'] }
        const migrations = [one]
        const models = [structuredClone(tables)]
        steps.forEach((each, i) => {
          migrations.push(next(tables, each, i + 1))
          models.push(structuredClone(tables))
        })
        const at = Math.min(old, steps.length - 1)
        const known = models[at] ?? {}
        const before = openStore({ file, migrations: migrations.slice(0, at + 1) })
        fill(before, known, 1, count)
        const kept = rows(before, known)
        before.close()
        // Over an intermediate version, as networks are upgraded.
        openStore({ file, migrations: migrations.slice(0, Math.min(at + 1 + between, migrations.length)) }).close()
        const newer = openStore({ file, migrations })
        fill(newer, models.at(-1) ?? {}, 100, 2)
        newer.close()

        expect(() => openStore({ file, migrations: migrations.slice(0, at + 1) }))
          .to.throw()
          .with.property('code', 'STORE_TOO_NEW')
        // The old program: it knows none of the newer versions.
        expect(backOutStore({ file, to: at + 1 })).to.deep.equal({ file, from: migrations.length, to: at + 1 })
        const after = openStore({ file, migrations: migrations.slice(0, at + 1) })
        const found = rows(after, known)
        for (const [table, want] of Object.entries(kept)) {
          const had = found[table]?.filter((row) => (row as { id: number }).id < 100)
          expect(had, `${table} of ${JSON.stringify(migrations)}`).to.deep.equal(want)
          const added = (found[table]?.length ?? 0) - want.length
          expect(added, `rows of the newer version in ${table}`).to.equal(2)
        }
        after.close()
      }),
      settings(60),
    )
  }).timeout(60_000)

  it('says how to back out, in the store and in the words of the service', () => {
    const file = fresh()
    openStore({ file, migrations: [one, two] }).close()
    try {
      openStore({ file, migrations: [one], service: 'gateway' })
      expect.fail('an older program opened a newer store')
    } catch (error) {
      expect(error).to.have.property('code', 'STORE_TOO_NEW')
      expect(error).to.have.property('next').that.contains('npm run trellis -- run gateway --back-out')
    }
  })

  it('takes a store from before the history as the version that it counts', () => {
    const file = fresh()
    const old = new DatabaseSync(file)
    old.exec(`${one.up}; insert into t0 values (1, 7); pragma user_version = 1`)
    old.close()
    const store = openStore({ file, migrations: [one, two] })
    expect(
      store.db
        .prepare('select * from t0')
        .all()
        .map((row) => ({ ...row })),
    ).to.deep.equal([{ id: 1, c0: 7, c1: null }])
    store.close()
    expect(backOutStore({ file, to: 1 })).to.deep.include({ from: 2, to: 1 })
    openStore({ file, migrations: [one] }).close()
  })

  it('leaves a store as it was when a step of the way fails', () => {
    const file = fresh()
    const broken: Migration = { up: 'create table b (x int) strict', down: 'drop table nowhere' }
    openStore({ file, migrations: [one, two, broken] }).close()
    expect(() => backOutStore({ file, to: 1 })).to.throw('nowhere')
    const store = openStore({ file, migrations: [one, two, broken] })
    expect(store.db.prepare('select count(*) as n from schema_history').get()).to.deep.include({ n: 3 })
    expect(() => openStore({ file: fresh(), migrations: [one, { up: 'create nonsense', down: '' }] })).to.throw('syntax')
  })

  it('refuses a migration that leaves a row without its parent', () => {
    const file = fresh()
    const tied: Migration = { up: 'create table child (t integer references t0 (id)) strict', down: 'drop table child' }
    const store = openStore({ file, migrations: [one, tied] })
    store.db.exec('insert into t0 values (1, 1); insert into child values (1)')
    store.close()
    const careless: Migration = { up: 'delete from t0', down: '' }
    expect(() => openStore({ file, migrations: [one, tied, careless] })).to.throw('without its parent')
    const after = openStore({ file, migrations: [one, tied] })
    expect(after.db.prepare('select count(*) as n from t0').get()).to.deep.include({ n: 1 })
    expect(() => after.db.exec('insert into child values (2)')).to.throw('FOREIGN KEY')
    after.close()
  })

  it('does not touch a store that somebody has open', () => {
    const file = fresh()
    const store = openStore({ file, migrations: [one, two] })
    expect(() => backOutStore({ file, to: 1 }))
      .to.throw()
      .with.property('code', 'STORE_IN_USE')
    store.close()
    backOutStore({ file, to: 1 })
    expect(backOutStore({ file: fresh(), to: 1 })).to.deep.include({ from: 1, to: 1 })
  })

  it('refuses to go back over a version whose way down is not kept', () => {
    const file = fresh()
    const store = openStore({ file, migrations: [one, two] })
    store.db.exec('delete from schema_history where version = 2')
    store.close()
    expect(() => backOutStore({ file, to: 1 }))
      .to.throw()
      .with.property('next')
      .that.contains('run that version')
  })

  it('counts versions in stores of devices, those from before too', () => {
    const file = fresh()
    openDeviceStore(file, 'me').close()
    const db = new DatabaseSync(file)
    expect(db.prepare('pragma user_version').get()).to.deep.include({ user_version: 1 })
    db.exec('drop table schema_history; pragma user_version = 0')
    db.close()
    const store = openDeviceStore(file, 'me')
    expect(store.nextSequence).to.equal(0)
    store.close()
    const newer = new DatabaseSync(file)
    newer.exec(`alter table windows add column extra text; pragma user_version = 2;
      insert into schema_history values (2, 'alter table windows drop column extra', 0)`)
    newer.close()
    expect(() => openDeviceStore(file, 'me'))
      .to.throw()
      .with.property('code', 'STORE_TOO_NEW')
    expect(backOutDeviceStore(file)).to.deep.include({ from: 2, to: 1 })
    openDeviceStore(file, 'me').close()
  })
})
