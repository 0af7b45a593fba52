// SPDX-License-Identifier: Apache-2.0
/** What transactions offer for gas, for any market: pools take every replacement, and nothing is offered over the limit or far over the market. */
import { expect } from 'chai'
import fc from 'fast-check'
import { firstFees, isOver, replacementFees, type Fees, type Market } from '../../../agents/kit/fees.ts'

const gwei = 1_000_000_000n
const wei = fc.bigInt(0n, 100_000n * gwei)
const markets: fc.Arbitrary<Market> = fc.record({ baseFee: wei, tip: fc.bigInt(0n, 1_000n * gwei) })
const offers: fc.Arbitrary<Fees> = fc
  .tuple(wei, wei)
  .map(([a, b]) => (a < b ? { maxFeePerGas: b, maxPriorityFeePerGas: a } : { maxFeePerGas: a, maxPriorityFeePerGas: b }))

describe('fees', () => {
  const sound = ({ maxFeePerGas, maxPriorityFeePerGas }: Fees, { baseFee }: Market, cap: bigint): void => {
    expect(maxFeePerGas <= cap && maxFeePerGas > baseFee && maxPriorityFeePerGas <= maxFeePerGas).to.equal(true)
  }

  it('of a first offer fit the next block and the limit, or there is no offer', () => {
    fc.assert(
      fc.property(markets, wei, (market, cap) => {
        const fees = firstFees(market, cap)
        if (fees === null) expect(market.baseFee >= cap).to.equal(true)
        else sound(fees, market, cap)
      }),
    )
  })

  it('of a replacement are at least a tenth more, fit the next block and the limit, or there is no replacement', () => {
    fc.assert(
      fc.property(offers, markets, wei, (before, market, cap) => {
        const fees = replacementFees(before, market, cap)
        const tenth = (fee: bigint): bigint => (fee * 11n + 9n) / 10n
        if (fees !== null) {
          sound(fees, market, cap)
          expect(fees.maxFeePerGas >= tenth(before.maxFeePerGas)).to.equal(true)
          expect(fees.maxPriorityFeePerGas >= tenth(before.maxPriorityFeePerGas)).to.equal(true)
          return
        }
        // Refused for the limit, or because it pays ten times the market already.
        const dear = before.maxFeePerGas * 9n >= 8n * 10n * (market.baseFee + market.tip) && before.maxFeePerGas * 2n >= gwei
        expect(isOver(before, market, cap) || dear).to.equal(true)
      }),
    )
  })

  it('reach any base fee under the limit with the next replacement', () => {
    fc.assert(
      fc.property(fc.bigInt(1n, 100n * gwei), fc.bigInt(1n, 10_000n), (baseFee, factor) => {
        const cap = 10_000_000n * gwei
        const before = firstFees({ baseFee, tip: gwei }, cap)!
        const spike = { baseFee: baseFee * factor, tip: gwei }
        const after = replacementFees(before, spike, cap)
        if (after !== null) expect(after.maxFeePerGas > spike.baseFee).to.equal(true)
        // Without a replacement the offer of before fits the market of now.
        else expect(before.maxFeePerGas > spike.baseFee).to.equal(true)
      }),
    )
  })

  it('stop rising when the market does not ask for more, however often a transaction hangs', () => {
    fc.assert(
      fc.property(markets, (market) => {
        const cap = 1_000_000n * gwei
        let fees = firstFees(market, cap)!
        for (let step = 0; step < 500; step++) fees = replacementFees(fees, market, cap) ?? fees
        const most = 10n * (market.baseFee + market.tip) > gwei ? 10n * (market.baseFee + market.tip) : gwei
        expect(fees.maxFeePerGas <= most || fees.maxFeePerGas === firstFees(market, cap)!.maxFeePerGas).to.equal(true)
      }),
    )
  })
})
