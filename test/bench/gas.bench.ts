// SPDX-License-Identifier: Apache-2.0
/** Gas of every operation that the budgets name, on the bytecode that is deployed; each room keeps its rows in gas/<room>.ts. */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Bench, Row } from '../../scripts/bench.ts'

const folder = join(import.meta.dirname, 'gas')

const bench: Bench = {
  name: 'gas',
  contracts: true,
  async run() {
    const rows: Row[] = []
    for (const file of readdirSync(folder)
      .filter((name) => name.endsWith('.ts'))
      .sort()) {
      const room = (await import(join(folder, file))) as { rows: () => Promise<Row[]> }
      rows.push(...(await room.rows()))
    }
    return rows
  },
}

export default bench
