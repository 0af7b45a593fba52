// SPDX-License-Identifier: Apache-2.0
/** Ids, terms, DIDs, fixed point and clocks against vectors made with viem, and as properties. */
import { readFileSync } from 'node:fs'
import { expect } from 'chai'
import fc from 'fast-check'
import { checkClock, projectSeconds, wallMsOf } from '../../../agents/protocol/clock.ts'
import { deviceOfDid, didOf, didUrl } from '../../../agents/protocol/did.ts'
import { formatFixed, parseFixed, scale } from '../../../agents/protocol/fixed-point.ts'
import {
  type Address,
  channelIdOf,
  contextOf,
  deviceId,
  type Hex,
  programIdOf,
  projectId,
  taskId,
  taskIdOf,
  taskIdsRoot,
} from '../../../agents/protocol/ids.ts'
import { clockOf, termsFromJson, termsIdOf, termsToJson } from '../../../agents/protocol/terms.ts'

interface Vectors {
  task: { chainId: string; taskManager: Address; project: string; device: Address; window: number; root: Hex; taskId: Hex }
  terms: { chainId: string; projectStore: Address; project: string; version: number; terms: Record<string, unknown>; termsId: Hex }
  context: {
    chainId: string
    router: Address
    project: string
    device: Address
    taskIds: Hex[]
    prover: Address
    window: number
    programId: Hex
    termsId: Hex
    taskIdsRoot: Hex
    context: string
  }
  channel: { name: string; id: string }
  program: { name: string; version: number; programId: Hex }
}
const vectors = JSON.parse(readFileSync(`${import.meta.dirname}/../../fixtures/protocol/ids.json`, 'utf8')) as Vectors

describe('protocol/ids', () => {
  it('derives task id, context, terms id, channel and program as the vectors say', () => {
    const { task, terms, context, channel, program } = vectors
    expect(taskIdOf({ ...task, chainId: BigInt(task.chainId), project: BigInt(task.project) })).to.equal(task.taskId)
    expect(taskIdsRoot(context.taskIds)).to.equal(context.taskIdsRoot)
    const subject = { ...context, chainId: BigInt(context.chainId), project: BigInt(context.project) }
    expect(contextOf(subject).toString()).to.equal(context.context)
    expect(contextOf({ ...subject, window: 10 })).to.not.equal(contextOf(subject))
    const read = termsFromJson(terms.terms)
    expect(termsIdOf({ ...terms, chainId: BigInt(terms.chainId), project: BigInt(terms.project) }, read)).to.equal(terms.termsId)
    expect(channelIdOf(channel.name).toString()).to.equal(channel.id)
    expect(programIdOf(program.name, program.version)).to.equal(program.programId)
  })

  it('reads terms back from their JSON and names every bad field', () => {
    const terms = termsFromJson(vectors.terms.terms)
    expect(termsFromJson(JSON.parse(JSON.stringify(termsToJson(terms))))).to.deep.equal(terms)
    expect(clockOf(terms)).to.deep.equal({ kind: 'replay', origin: 1_273_363_200, start: 1_790_000_000, speed: 60 })
    expect(clockOf({ ...terms, clock: 0 })).to.deep.equal({ kind: 'wall' })
    expect(() => termsFromJson({ ...vectors.terms.terms, decimals: '2', rangeMin: 5 }))
      .to.throw()
      .with.property('details')
      .that.deep.equals({ fields: ['rangeMin', 'decimals'] })
    expect(() => termsFromJson(null)).to.throw('lack fields')
  })

  it('brands only what is valid', () => {
    expect(projectId('18446744073709551615')).to.equal(2n ** 64n - 1n)
    for (const bad of ['0', '01', '-1', '1.5', '18446744073709551616', '', 0, 1.5, -1n])
      expect(() => projectId(bad), String(bad)).to.throw('project id')
    expect(deviceId('0xABCDEFabcdefABCDEFabcdefABCDEFabcdefABCD')).to.equal('0xabcdefabcdefabcdefabcdefabcdefabcdefabcd')
    expect(() => deviceId('0x12')).to.throw('device identifier')
    expect(() => taskId('0x12')).to.throw('task id')
  })

  it('writes the DID that the wallet is keyed by', () => {
    const device = deviceId('0xABCDEFabcdefABCDEFabcdefABCDEFabcdefABCD')
    expect(didOf(device)).to.equal('did:io:0xabcdefabcdefabcdefabcdefabcdefabcdefabcd')
    expect(deviceOfDid('did:io:0xABCDEFabcdefABCDEFabcdefABCDEFabcdefABCD')).to.equal(device)
    expect(didUrl(didOf(device), 'key-1')).to.equal(`did:io:${device}#key-1`)
    for (const bad of ['did:io:0x12', 'did:key:0xabcdefabcdefabcdefabcdefabcdefabcdefabcd', ''])
      expect(() => deviceOfDid(bad)).to.throw('did:io')
  })
})

describe('protocol/fixed-point', () => {
  it('reads decimal strings exactly', () => {
    expect(parseFixed('45.93', 2)).to.equal(4593n)
    expect(parseFixed('45.9', 2)).to.equal(4590n)
    expect(parseFixed('-0', 2)).to.equal(0n)
    expect(parseFixed('-0.05', 2)).to.equal(-5n)
    expect(parseFixed('0.1', 18)).to.equal(10n ** 17n)
    expect(parseFixed('9223372036854775807', 0)).to.equal(2n ** 63n - 1n)
    expect(parseFixed('-9223372036854775808', 0)).to.equal(-(2n ** 63n))
  })

  it('refuses what is not an exact decimal in range', () => {
    for (const bad of ['NaN', 'Infinity', '1e3', '+1', '01', '.5', '1.', '', ' 1', '1 ', '0x10', '1,5', '1_000', '--1', '١']) {
      expect(scale(bad, 2), bad).to.deep.equal({ ok: false, why: 'not a decimal number' })
    }
    expect(scale('1.234', 2)).to.deep.equal({ ok: false, why: 'more than 2 fraction digits' })
    expect(scale('9223372036854775808', 0)).to.deep.equal({ ok: false, why: 'outside int64' })
    expect(() => parseFixed('NaN', 2)).to.throw('not a decimal number')
  })

  it('formats what it parses, for every int64 and every number of decimals', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), fc.integer({ min: 0, max: 18 }), (value, decimals) => {
        expect(parseFixed(formatFixed(value, decimals), decimals)).to.equal(value)
      }),
    )
  })
})

describe('protocol/clock', () => {
  const replay = { kind: 'replay', origin: 1_273_363_200, start: 1_790_000_000, speed: 60 } as const

  it('tells project time on a wall and on a replay clock', () => {
    expect(projectSeconds({ kind: 'wall' }, 1999)).to.equal(1)
    expect(projectSeconds(replay, 1_790_000_000_000)).to.equal(1_273_363_200)
    expect(projectSeconds(replay, 1_790_000_000_500)).to.equal(1_273_363_230)
    expect(projectSeconds(replay, 1_789_999_999_000)).to.equal(1_273_363_140)
  })

  it('reaches a time exactly at the instant that it names', () => {
    const clock = fc.record({
      kind: fc.constant('replay' as const),
      origin: fc.nat(),
      start: fc.nat(),
      speed: fc.integer({ min: 1, max: 100_000 }),
    })
    fc.assert(
      fc.property(clock, fc.nat(10_000_000), (at, ahead) => {
        const time = at.origin + ahead
        const instant = wallMsOf(at, time)
        expect(projectSeconds(at, instant)).to.be.at.least(time)
        expect(projectSeconds(at, instant - 1)).to.be.below(time)
      }),
    )
  })

  it('refuses a clock that the chain could not hold', () => {
    expect(checkClock(replay)).to.equal(replay)
    for (const bad of [{ speed: 0 }, { speed: 1.5 }, { origin: -1 }, { start: 2 ** 40 }])
      expect(() => checkClock({ ...replay, ...bad })).to.throw('replay clock')
  })
})
