// SPDX-License-Identifier: Apache-2.0
/** Removes each constraint group of the circuits once and prints which attack then succeeds. Exits with 1 when a group survives its removal. */
import { mutateAll } from '../test/circuits/mutants.ts'

const verdicts = await mutateAll()
const width = Math.max(...verdicts.map(({ group }) => group.length))
for (const { group, killedBy } of verdicts) console.log(`${group.padEnd(width)}  ${killedBy.join('; ') || 'SURVIVED'}`)
const survived = verdicts.filter(({ killedBy }) => killedBy.length === 0).length
console.log(`${verdicts.length - survived} passed, ${survived} failed`)
process.exitCode = survived === 0 ? 0 : 1
