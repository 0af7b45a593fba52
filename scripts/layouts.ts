// SPDX-License-Identifier: Apache-2.0
/**
 * Storage layouts of upgradeable contracts, kept in deploy/layouts/<Contract>.json: plain variables with slot and offset, and every
 * ERC-7201 struct with its members in order. What is kept may only grow at the end of a namespace. `--check` only compares; without it
 * compatible changes are written; `--accept` writes any change, for a contract that was never deployed.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { GOVERNED_PROXIES } from '../deploy/roles.ts'
import { incompatibilities, layoutsOf, type Layout } from '../deploy/storage-layout.ts'
import { at, refuse } from './shell.ts'

/** Contracts behind proxies: those that governance upgrades, and those that their owners do. */
export const UPGRADEABLE = [...GOVERNED_PROXIES, 'DeviceAccount', 'DeviceNFT'] as const

if (import.meta.main) {
  const check = process.argv.includes('--check')
  const layouts = layoutsOf(at('artifacts', 'build-info'), UPGRADEABLE)
  const wrong: string[] = []
  mkdirSync(at('deploy', 'layouts'), { recursive: true })
  for (const name of UPGRADEABLE) {
    const now = layouts.get(name)
    if (now === undefined) {
      wrong.push(`${name}  was not compiled`)
      continue
    }
    const file = at('deploy', 'layouts', `${name}.json`)
    const text = `${JSON.stringify(now, undefined, 2)}\n`
    const kept = existsSync(file) ? readFileSync(file, 'utf8') : undefined
    if (kept === text) continue
    const problems = kept === undefined || process.argv.includes('--accept') ? [] : incompatibilities(JSON.parse(kept) as Layout, now)
    wrong.push(...problems.map((problem) => `${name}  ${problem}`))
    if (problems.length > 0) continue
    if (check) wrong.push(`${name}  deploy/layouts/${name}.json is not up to date`)
    else {
      writeFileSync(file, text)
      console.log(`wrote deploy/layouts/${name}.json`)
    }
  }
  if (wrong.length > 0) {
    refuse(
      'LAYOUT_CHANGED',
      `${wrong.length} findings.`,
      wrong,
      'append at the end of a namespace; node scripts/layouts.ts writes what is compatible',
    )
  }
  const failed = new Set(wrong.map((line) => line.split('  ', 1)[0])).size
  console.log(`${UPGRADEABLE.length - failed} passed, ${failed} failed`)
}
