// SPDX-License-Identifier: Apache-2.0
import { expect } from 'chai'
import { createQuota } from '../../../agents/gateway/quota.ts'

describe('a quota', () => {
  it('gives each address its burst, and a tenth of it back in a minute', () => {
    let now = 0
    const take = createQuota({ burst: 20, now: () => now })
    const taken = (address: string): number => {
      let count = 0
      while (count < 100 && take(address)) count += 1
      return count
    }
    expect([taken('a'), taken('a'), taken('b')]).to.deep.equal([20, 0, 20])
    now += 60_000
    expect([taken('a'), taken('a')]).to.deep.equal([2, 0])
    now += 3_600_000
    expect(taken('a')).to.equal(20)
    now -= 1_000_000
    expect(taken('a')).to.equal(0)
  })

  it('forgets the address that asked longest ago', () => {
    const take = createQuota({ burst: 1, now: () => 0 })
    expect([take('first'), take('first')]).to.deep.equal([true, false])
    for (let n = 0; n < 10_000; n++) take(`other ${n}`)
    expect(take('first')).to.equal(true)
  })
})
