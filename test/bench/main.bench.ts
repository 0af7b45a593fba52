// SPDX-License-Identifier: Apache-2.0
/**
 * Speed of the main job on this machine: the gateway alone, the prover alone, the whole job over real processes. `--deep` adds the job with 40 devices.
 * TRELLIS_BENCH_PARTS=gateway,proofs,job runs some of it. About five minutes on two cores; nothing else should run meanwhile.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Bench, Row } from '../../scripts/bench.ts'
import { at, node } from '../../scripts/shell.ts'
import { startFleet } from './main/fleet.ts'
import { gatewayRows } from './main/gateway.ts'
import { jobRows } from './main/job.ts'
import { openPlain } from './main/plain.ts'
import { proofRows } from './main/proofs.ts'
import { say } from './main/rows.ts'

async function gateway(folder: string): Promise<Row[]> {
  const fleet = await startFleet(folder, 40)
  try {
    return await gatewayRows(fleet, await openPlain(fleet.places))
  } finally {
    await fleet.stop()
  }
}

const bench: Bench = {
  name: 'main',
  async run({ deep }) {
    say('contracts and circuits (cached by the hash of the sources)')
    const built = await node(at('scripts', 'build.ts'))
    if (built.code !== 0) throw new Error(`contracts or circuits do not build\n${built.output}`)
    const folder = mkdtempSync(join(tmpdir(), 'trellis-bench-'))
    const parts: Record<string, () => Promise<Row[]>> = {
      gateway: () => gateway(folder),
      proofs: () => proofRows(),
      job: () => jobRows(folder, { deep }),
    }
    const wanted = process.env['TRELLIS_BENCH_PARTS']?.split(',') ?? Object.keys(parts)
    try {
      const rows: Row[] = []
      for (const [name, part] of Object.entries(parts)) if (wanted.includes(name)) rows.push(...(await part()))
      return rows
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  },
}

export default bench
