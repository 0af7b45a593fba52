// SPDX-License-Identifier: Apache-2.0
/** Places of proofs: as many at once as there are, in the order they were asked for, free again after a failure. */
import { expect } from 'chai'
import { createPlaces } from '../../../agents/prover/loop.ts'

describe('prover/places', () => {
  it('lets as many works run at once as there are places, in their order', async () => {
    const places = createPlaces(2)
    const seen: string[] = []
    const ends: (() => void)[] = []
    const work = (name: string) =>
      places(async () => {
        seen.push(name)
        await new Promise<void>((resolve) => ends.push(resolve))
        return name
      })
    const all = ['a', 'b', 'c', 'd'].map(work)
    await Promise.resolve()
    expect(seen).to.deep.equal(['a', 'b'])
    ends[1]!()
    await all[1]
    await new Promise(setImmediate)
    expect(seen).to.deep.equal(['a', 'b', 'c'])
    ends[0]!()
    ends[2]!()
    await all[2]
    await new Promise(setImmediate)
    ends[3]!()
    expect(await Promise.all(all)).to.deep.equal(['a', 'b', 'c', 'd'])
  })

  it('frees the place of a work that fails', async () => {
    const places = createPlaces(1)
    const failed = places(() => Promise.reject(new Error('no')))
    const next = places(() => Promise.resolve('next'))
    expect(await failed.catch((error: unknown) => (error as Error).message)).to.equal('no')
    expect(await next).to.equal('next')
    expect(await places(() => Promise.resolve('after'))).to.equal('after')
  })
})
