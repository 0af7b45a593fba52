// SPDX-License-Identifier: Apache-2.0
/** Envelopes: digests against viem's vectors, round trips, and every way in which a message is not one. */
import { readFileSync } from 'node:fs'
import { expect } from 'chai'
import fc from 'fast-check'
import { hashTypedData, toHex } from 'viem'
import { type Ack, ackTopic, encodeAck, parseAck, parseTopic, upTopic } from '../../../agents/protocol/ack.ts'
import {
  encodeEnvelope,
  type Envelope,
  envelopeDigests,
  envelopeToJson,
  envelopeTypes,
  parseEnvelope,
  type ReadingEnvelope,
  refusalCodes,
  type WindowEnvelope,
} from '../../../agents/protocol/envelope.ts'
import { type Address, deviceId, type Hex, projectId } from '../../../agents/protocol/ids.ts'
import { lanesFromHex } from '../../../agents/protocol/window.ts'

interface Vectors {
  domain: { chainId: string; ioIDRegistry: Address }
  readings: {
    project: string
    device: Hex
    channel: string
    sequence: string
    time: string
    value: string
    scaled: string
    decimals: number
    digest: Hex
  }[]
  windows: {
    project: string
    device: Hex
    channel: string
    index: number
    firstSequence: number
    firstTime: number
    lanes: string
    root: Hex
    digest: Hex
  }[]
}
const vectors = JSON.parse(readFileSync(`${import.meta.dirname}/../../fixtures/protocol/envelope.json`, 'utf8')) as Vectors
const domain = { chainId: BigInt(vectors.domain.chainId), ioIDRegistry: vectors.domain.ioIDRegistry }

const device = deviceId(`0x${'d1'.repeat(20)}`)
const reading: ReadingEnvelope = {
  ...{ v: 1, kind: 'reading', project: projectId(7), device, sequence: 3, time: 1_273_363_215, channel: 'humidity', value: '45.93' },
  signature: `0x${'ab'.repeat(64)}`,
}
const window: WindowEnvelope = {
  ...{ v: 1, kind: 'window', project: projectId(7), device, index: 2, firstSequence: 128, firstTime: 1_273_363_215, channel: 'humidity' },
  ...{ lanes: [1n, 2n], dataSignature: `0x${'cd'.repeat(96)}`, signature: `0x${'ab'.repeat(64)}` },
}

describe('protocol/envelope', () => {
  it('digests readings and windows as viem does', () => {
    const digests = envelopeDigests(domain)
    for (const { project, sequence, time, scaled, decimals, digest, device: of, channel, value } of vectors.readings) {
      const unsigned = {
        v: 1,
        kind: 'reading',
        project: projectId(project),
        device: deviceId(of),
        sequence: Number(sequence),
        time: Number(time),
        channel,
        value,
      } as const
      expect(toHex(digests.reading(unsigned, BigInt(scaled), decimals))).to.equal(digest)
    }
    for (const vector of vectors.windows) {
      const unsigned = {
        ...window,
        ...vector,
        project: projectId(vector.project),
        device: deviceId(vector.device),
        lanes: lanesFromHex(vector.lanes)!,
      }
      expect(toHex(digests.window(unsigned, BigInt(vector.root)))).to.equal(vector.digest)
    }
  })

  it('digests any sequence of readings as viem does, whatever came before in the same buffers', () => {
    const digests = envelopeDigests(domain)
    const message = fc.record({
      project: fc.bigInt({ min: 1n, max: 2n ** 64n - 1n }),
      sequence: fc.integer({ min: 0, max: 2 ** 40 - 1 }),
      time: fc.integer({ min: 0, max: 2 ** 40 - 1 }),
      channel: fc.string({ minLength: 1, maxLength: 64, unit: 'grapheme' }),
      value: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
      decimals: fc.integer({ min: 0, max: 18 }),
    })
    fc.assert(
      fc.property(message, ({ project, sequence, time, channel, value, decimals }) => {
        const ours = digests.reading({ ...reading, project: projectId(project), sequence, time, channel }, value, decimals)
        const theirs = hashTypedData({
          domain: { name: 'Trellis', version: '1', chainId: domain.chainId, verifyingContract: domain.ioIDRegistry },
          types: { Reading: envelopeTypes.Reading },
          primaryType: 'Reading',
          message: { project, device, sequence: BigInt(sequence), time: BigInt(time), channel, value, decimals },
        })
        expect(toHex(ours)).to.equal(theirs)
      }),
    )
  })

  it('reads back every envelope that it writes', () => {
    const hex = (bytes: number): fc.Arbitrary<Hex> => fc.uint8Array({ minLength: bytes, maxLength: bytes }).map((data) => toHex(data))
    const common = {
      v: fc.constant(1 as const),
      project: fc.bigInt({ min: 1n, max: 2n ** 64n - 1n }).map(projectId),
      device: hex(20).map(deviceId),
      channel: fc.string({ minLength: 1, maxLength: 64 }),
      signature: hex(64),
    }
    const bits40 = fc.integer({ min: 0, max: 2 ** 40 - 1 })
    const readings = fc.record({
      ...{ ...common, kind: fc.constant('reading' as const), sequence: bits40, time: bits40 },
      value: fc.integer().map((value) => String(value)),
    })
    const windows = fc.record({
      ...{
        ...common,
        kind: fc.constant('window' as const),
        index: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
        firstSequence: bits40,
        firstTime: bits40,
      },
      lanes: fc.array(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), { minLength: 1, maxLength: 64 }),
      dataSignature: hex(96),
    })
    fc.assert(
      fc.property(fc.oneof(readings, windows), (envelope: Envelope) => {
        expect(parseEnvelope(encodeEnvelope(envelope))).to.deep.equal({ ok: true, envelope })
        expect(parseEnvelope(new TextEncoder().encode(encodeEnvelope(envelope)))).to.deep.equal({ ok: true, envelope })
      }),
    )
  })

  it('never throws, whatever bytes it is given', () => {
    fc.assert(fc.property(fc.oneof(fc.string(), fc.uint8Array(), fc.json()), (input) => !parseEnvelope(input).ok))
  })

  const verdict = (text: string): string => {
    const parsed = parseEnvelope(text)
    return parsed.ok ? 'ok' : parsed.code
  }
  const cases: [string, Envelope, Record<string, unknown>, string][] = [
    ['another version', reading, { v: 2 }, 'UNKNOWN_VERSION'],
    ['no version', reading, { v: undefined }, 'UNKNOWN_VERSION'],
    ['another kind', reading, { kind: 'batch' }, 'MALFORMED'],
    ['an unknown field', reading, { extra: 1 }, 'MALFORMED'],
    ['a window field in a reading', reading, { index: 1 }, 'MALFORMED'],
    ['a numeric project', reading, { project: 7 }, 'MALFORMED'],
    ['project zero', reading, { project: '0' }, 'MALFORMED'],
    ['a project of 65 bits', reading, { project: '18446744073709551616' }, 'MALFORMED'],
    ['an upper-case device', reading, { device: `0x${'D1'.repeat(20)}` }, 'MALFORMED'],
    ['a numeric sequence', reading, { sequence: 3 }, 'MALFORMED'],
    ['a sequence of 41 bits', reading, { sequence: String(2 ** 40) }, 'MALFORMED'],
    ['a padded sequence', reading, { sequence: '03' }, 'MALFORMED'],
    ['a negative time', reading, { time: '-1' }, 'MALFORMED'],
    ['an empty channel', reading, { channel: '' }, 'MALFORMED'],
    ['a long channel', reading, { channel: 'x'.repeat(65) }, 'MALFORMED'],
    ['a numeric value', reading, { value: 45.93 }, 'BAD_VALUE'],
    ['NaN', reading, { value: 'NaN' }, 'BAD_VALUE'],
    ['a null value', reading, { value: null }, 'BAD_VALUE'],
    ['an exponent', reading, { value: '1e3' }, 'BAD_VALUE'],
    ['a short signature', reading, { signature: '0xab' }, 'MALFORMED'],
    ['an upper-case signature', reading, { signature: `0x${'AB'.repeat(64)}` }, 'MALFORMED'],
    ['a fractional index', window, { index: 1.5 }, 'MALFORMED'],
    ['an index of 33 bits', window, { index: 2 ** 32 }, 'MALFORMED'],
    ['no lanes', window, { lanes: '0x' }, 'MALFORMED'],
    ['65 lanes', window, { lanes: `0x${'00'.repeat(8 * 65)}` }, 'MALFORMED'],
    ['half a lane', window, { lanes: '0x00000000' }, 'MALFORMED'],
    ['a short data signature', window, { dataSignature: '0xcd' }, 'MALFORMED'],
  ]
  for (const [name, base, change, code] of cases) {
    it(`refuses ${name} with ${code}`, () => {
      expect(verdict(JSON.stringify({ ...envelopeToJson(base), ...change }))).to.equal(code)
    })
  }

  it('refuses every missing field', () => {
    for (const base of [reading, window]) {
      for (const field of Object.keys(envelopeToJson(base))) {
        const { [field]: _, ...rest } = envelopeToJson(base)
        expect(verdict(JSON.stringify(rest)), field).to.not.equal('ok')
      }
    }
  })

  it('refuses what is too large before it parses', () => {
    expect(verdict(`{"v":1,"pad":"${'x'.repeat(64 * 1024)}"}`)).to.equal('TOO_LARGE')
  })

  it('says which message it refused, as far as it could read', () => {
    const parsed = parseEnvelope(JSON.stringify({ ...envelopeToJson(reading), value: 'NaN' }))
    expect(parsed).to.deep.include({ ok: false, subject: { device, kind: 'reading', position: 3 } })
    expect(parseEnvelope('{')).to.deep.include({ ok: false, subject: { device: null, kind: null, position: null } })
  })

  it('names no position that version 1 cannot have, so that it can be stored and read back', () => {
    const positionOf = (message: string): number | null | undefined => {
      const parsed = parseEnvelope(message)
      return parsed.ok ? undefined : parsed.subject.position
    }
    for (const index of ['1000000000000000000', '1e300', '-1e18', '-1', '9007199254740992', '4294967296', '1.5', '"0"'])
      expect(positionOf(`{"v":1,"kind":"window","index":${index}}`), index).to.equal(null)
    expect(positionOf('{"v":1,"kind":"window","index":4294967295}')).to.equal(2 ** 32 - 1)
    for (const sequence of ['1099511627776', '18446744073709551615', '99999999999999999999', '-1', '1e3'])
      expect(positionOf(`{"v":1,"kind":"reading","sequence":"${sequence}"}`), sequence).to.equal(null)
    expect(positionOf('{"v":1,"kind":"reading","sequence":"1099511627775"}')).to.equal(2 ** 40 - 1)
  })
})

describe('protocol/ack', () => {
  it('reads back every acknowledgement that it writes', () => {
    const position = fc.option(fc.integer({ min: 0, max: 2 ** 32 - 1 }))
    const acks = fc.record({
      status: fc.constantFrom('accepted' as const, 'duplicate' as const, 'refused' as const),
      subject: fc.record({
        device: fc.option(fc.constant(device)),
        kind: fc.constantFrom('reading' as const, 'window' as const, null),
        position,
      }),
      reason: fc.option(fc.constantFrom(...refusalCodes)),
      detail: fc.option(fc.string()),
      expected: position,
    })
    fc.assert(fc.property(acks, (ack: Ack) => void expect(parseAck(encodeAck(ack))).to.deep.equal(ack)))
  })

  it('reads nothing else as an acknowledgement', () => {
    for (const bad of ['', '{', '[]', 'null', '{"v":2,"status":"accepted"}', '{"v":1,"status":"maybe"}'])
      expect(parseAck(bad)).to.equal(undefined)
  })

  it('knows its topics, and no others', () => {
    expect(parseTopic(upTopic(projectId(7), device))).to.deep.equal({ project: '7', device, direction: 'up' })
    expect(parseTopic(ackTopic('7', device))).to.deep.equal({ project: '7', device, direction: 'ack' })
    const wrong = [
      'trellis/v1/7/0xd1/up',
      `trellis/v2/7/${device}/up`,
      `trellis/v1/07/${device}/up`,
      `trellis/v1/7/${device}/up/x`,
      `trellis/v1/+/${device}/up`,
      '',
    ]
    for (const topic of wrong) expect(parseTopic(topic), topic).to.equal(undefined)
  })
})
