// SPDX-License-Identifier: Apache-2.0
/** The circuits refuse every attack; without the constraint group that stands against it, each attack succeeds. */
import { readFileSync } from 'node:fs'
import { expect } from 'chai'
import { attacks, type Harness, harnesses, honestContents, honestEquation, honestWindow } from './attacks.ts'
import { accepts, type Compiled, compileHarness, groupsOf, librarySources, mutateAll, succeeds } from './mutants.ts'

describe('circuits: attacks and constraint groups', function () {
  // A minute on two idle cores; every core that others use makes it longer.
  this.timeout(540_000)
  const sources = librarySources()
  const whole = new Map<Harness, Compiled>()
  before(async () => {
    const names = Object.keys(harnesses) as Harness[]
    const worker = async (): Promise<void> => {
      for (let name = names.shift(); name !== undefined; name = names.shift()) {
        whole.set(name, await compileHarness(name, sources, `whole-${name}`))
      }
    }
    await Promise.all([worker(), worker()])
  })

  it('accepts what is true', () => {
    for (const input of honestContents) expect(accepts(whole.get('content')!, input)).to.equal(true)
    expect(accepts(whole.get('equation')!, honestEquation)).to.equal(true)
    expect(accepts(whole.get('window')!, honestWindow)).to.equal(true)
  })

  for (const attack of attacks) {
    it(`refuses ${attack.title} (${attack.group})`, () => {
      expect(succeeds(whole.get(attack.harness)!, attack)).to.equal(false)
    })
  }

  it('lists its groups in circuits.json', () => {
    const facts = JSON.parse(readFileSync(new URL('../../circuits/circuits.json', import.meta.url), 'utf8')) as Record<string, { groups: string[] }>
    expect(facts['sensing_window']?.groups).to.have.members(groupsOf(sources))
  })

  it('notices a group that no attack needs', async () => {
    const real = attacks.filter(({ group }) => group === 'bits-top')
    // Attacks that fail with and without the group, or none at all.
    const harmless = real.map((attack) => ({ ...attack, group: 'bits-low' }))
    const verdicts = await mutateAll(['bits-top', 'bits-low', 'on-curve'], [...real, ...harmless])
    expect(verdicts.map(({ killedBy }) => killedBy.length > 0)).to.deep.equal([true, false, false])
  })

  it('needs each group: removed, an attack succeeds', async () => {
    const survivors = (await mutateAll()).filter(({ killedBy }) => killedBy.length === 0).map(({ group }) => group)
    expect(survivors, 'groups that no attack needs').to.deep.equal([])
  })
})
