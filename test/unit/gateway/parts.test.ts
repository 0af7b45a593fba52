// SPDX-License-Identifier: Apache-2.0
/** Parts of the gateway: packet guard, cache, signature verifier, chain view, ledger. */
import { randomBytes } from 'node:crypto'
import { DatabaseSync } from 'node:sqlite'
import { join } from 'node:path'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import type { Writable } from 'node:stream'
import { expect } from 'chai'
import fc from 'fast-check'
import { hexToBytes, toHex } from 'viem'
import { BoundedCache } from '../../../agents/gateway/bounded-cache.ts'
import { createChainView } from '../../../agents/gateway/chain-view.ts'
import { gatheredWrites } from '../../../agents/gateway/gathered-writes.ts'
import { openLedger } from '../../../agents/gateway/ledger.ts'
import { MqttGuard, OVERSIZE_MARKER } from '../../../agents/gateway/mqtt-guard.ts'
import { createSignatureVerifier } from '../../../agents/gateway/signatures.ts'
import { es256kSign } from '../../../agents/crypto/es256k.ts'
import { ledgerFolder } from '../../../agents/kit/store.ts'
import type { ChainClient } from '../../../agents/kit/chain.ts'
import { type Address, projectId } from '../../../agents/protocol/ids.ts'
import { contracts, deviceOf, keysOf, project, temporaryFolder } from './support.ts'

describe('gateway/mqtt-guard', () => {
  const through = (bytes: Buffer, cuts: number[], limit: number): { out: Buffer; error: Error | null } => {
    const guard = new MqttGuard(limit)
    const parts: Buffer[] = []
    guard.on('error', () => undefined)
    let from = 0
    for (const cut of [...cuts.map((c) => c % (bytes.length + 1)).sort((a, b) => a - b), bytes.length]) {
      if (cut > from) guard.write(bytes.subarray(from, cut))
      from = Math.max(from, cut)
      for (let part = guard.read() as Buffer | null; part !== null; part = guard.read() as Buffer | null) parts.push(part)
    }
    return { out: Buffer.concat(parts), error: guard.errored }
  }
  /** A PUBLISH packet as MQTT 3.1.1 writes it. */
  const publish = (topic: string, payload: Buffer, qos: 0 | 1): Buffer => {
    const head = Buffer.concat([
      Buffer.of(topic.length >> 8, topic.length & 0xff),
      Buffer.from(topic),
      qos === 1 ? Buffer.of(0, 7) : Buffer.alloc(0),
    ])
    const length = head.length + payload.length
    const size = length < 128 ? Buffer.of(length) : Buffer.of((length & 0x7f) | 0x80, length >> 7)
    return Buffer.concat([Buffer.of(0x30 | (qos << 1)), size, head, payload])
  }

  it('passes what is small and replaces what is large, wherever the stream is cut', () => {
    const packet = fc.record({
      topic: fc.constantFrom('a', 'trellis/v1/7/up'),
      size: fc.integer({ min: 0, max: 600 }),
      qos: fc.constantFrom(0 as const, 1 as const),
    })
    fc.assert(
      fc.property(fc.array(packet, { maxLength: 8 }), fc.array(fc.nat(), { maxLength: 20 }), (packets, cuts) => {
        const sent = packets.map(({ topic, size, qos }) => publish(topic, Buffer.alloc(size, 'x'), qos))
        const wanted = packets.map(({ topic, size, qos }, at) => {
          const body = 2 + topic.length + (qos === 1 ? 2 : 0) + size
          return body <= 300 ? sent[at]! : publish(topic, OVERSIZE_MARKER, qos)
        })
        const { out, error } = through(Buffer.concat(sent), cuts, 300)
        expect(error).to.equal(null)
        expect(out.equals(Buffer.concat(wanted))).to.equal(true)
      }),
    )
  })

  it('ends a connection that sends another large packet, a long topic, or no MQTT', () => {
    const subscribe = Buffer.concat([Buffer.of(0x82, 0x80, 0x80, 0x01), Buffer.alloc(100)])
    expect(through(subscribe, [], 300).error?.message).to.match(/larger than this broker takes/)
    expect(through(publish('t'.repeat(600), Buffer.alloc(10), 0), [], 300).error?.message).to.match(/topic is longer/)
    expect(through(Buffer.of(0x30, 0xff, 0xff, 0xff, 0xff, 0x01), [], 300).error?.message).to.match(/not MQTT/)
  })
})

describe('gateway/gathered-writes', () => {
  let server: Server
  beforeEach(async () => {
    server = createServer()
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  })
  afterEach(() => void server.close())

  const joined = async (): Promise<{ writer: Writable; client: Socket }> => {
    const accepted = new Promise<Socket>((resolve) => server.once('connection', resolve))
    const client = connect({ port: (server.address() as AddressInfo).port, host: '127.0.0.1' })
    const socket = await accepted
    socket.resume()
    return { writer: gatheredWrites(socket), client }
  }

  it('sends everything in order, more than the buffers of a socket take, and ends with its writer', async () => {
    const { writer, client } = await joined()
    const sent = Array.from({ length: 1_024 }, (_, i) => Buffer.alloc(4_096, i % 251))
    for (const chunk of sent) writer.write(chunk)
    writer.end()
    const received: Buffer[] = []
    for await (const chunk of client) received.push(chunk as Buffer)
    expect(Buffer.concat(received).equals(Buffer.concat(sent))).to.equal(true)
  })

  it('dies with its socket', async () => {
    const { writer, client } = await joined()
    const closed = new Promise((resolve) => writer.once('close', resolve))
    client.destroy()
    await closed
    expect(writer.destroyed).to.equal(true)
  })
})

describe('gateway/bounded-cache', () => {
  it('never holds more than its limit, and lets the oldest go', () => {
    const cache = new BoundedCache<number, string>(2)
    cache.set(1, 'a')
    cache.set(2, 'b')
    cache.set(1, 'c')
    cache.set(3, 'd')
    expect([cache.size, cache.has(2), cache.get(1), cache.get(3)]).to.deep.equal([2, false, 'c', 'd'])
  })
})

describe('gateway/signatures', () => {
  const { identity } = keysOf('one')
  const { signer } = deviceOf('one').publicKeys
  const digest = randomBytes(32)
  const good = es256kSign(identity, digest)
  const bad = es256kSign(identity, randomBytes(32))

  it('knows a key after its first message, and tells a retired key from a forgery', async () => {
    const retired = new Set<Address>()
    const verifier = createSignatureVerifier({ isRetired: async (key) => retired.has(key) })
    expect(await verifier.verify(signer, digest, bad)).to.equal('bad')
    expect(await verifier.verify(signer, digest, good)).to.equal('good')
    expect(await verifier.verify(signer, digest, good)).to.equal('good')
    expect(await verifier.verify(signer, digest, bad)).to.equal('bad')
    expect(await verifier.verify(signer, digest, Buffer.alloc(64))).to.equal('bad')
    // The other s verifies in node:crypto too; taken, it would give every message a second form.
    const order = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n
    const s = order - BigInt(toHex(good.subarray(32)))
    expect(await verifier.verify(signer, digest, Buffer.concat([good.subarray(0, 32), hexToBytes(toHex(s, { size: 32 }))]))).to.equal('bad')
    const old = deviceOf('old').publicKeys.signer
    retired.add(old)
    expect(await verifier.verify(signer, digest, es256kSign(keysOf('old').identity, digest))).to.equal('retired')
  })

  it('recovers a key once for all messages that come before it is known, and asks no registry for that', async () => {
    const asked: Address[] = []
    const isRetired = async (key: Address): Promise<boolean> => asked.push(key) === 0
    for (let turn = 0; turn < 8; turn++) {
      // About half of all signatures recover to the other key first.
      const message = randomBytes(32)
      const verifier = createSignatureVerifier({ isRetired, recoveriesPerSecond: 1, now: () => 0 })
      const signature = es256kSign(identity, message)
      const verdicts = await Promise.all(Array.from({ length: 4 }, () => verifier.verify(signer, message, signature)))
      expect(verdicts).to.deep.equal(['good', 'good', 'good', 'good'])
    }
    expect(asked).to.deep.equal([])
  })

  it('pays for a bounded number of unknown keys a second, and for known ones always', async () => {
    let at = 0
    const verifier = createSignatureVerifier({ isRetired: async () => false, recoveriesPerSecond: 2, now: () => at })
    expect(await verifier.verify(signer, digest, good)).to.equal('good')
    expect(await verifier.verify(signer, digest, bad)).to.equal('bad')
    expect(await verifier.verify(deviceOf('two').publicKeys.signer, digest, good)).to.equal('busy')
    expect(await verifier.verify(signer, digest, good)).to.equal('good')
    expect(await verifier.verify(signer, digest, bad)).to.equal('bad')
    at = 1_000
    expect(await verifier.verify(deviceOf('two').publicKeys.signer, digest, good)).to.equal('bad')
  })
})

describe('gateway/chain-view', () => {
  const { device } = deviceOf('one').publicKeys
  const address = `0x${'ab'.repeat(20)}` as const
  const at = {
    ioIDRegistry: contracts.ioIDRegistry,
    ioID: address,
    memberships: `0x${'ef'.repeat(20)}` as const,
    dataKeyRegistry: contracts.dataKeyRegistry,
    projectStore: contracts.projectStore,
    credentialRegistry: contracts.dataKeyRegistry,
  }

  /** A chain of blocks that are only numbers, whose answers and logs the test writes. */
  const fake = () => {
    const state = {
      head: 1,
      fork: 'a',
      signer: address as string,
      calls: 0,
      logs: [] as { topics: string[]; address?: string }[],
      removed: false,
      checks: 0,
      rotatesAt: Infinity,
      status: 2,
    }
    const block = (number: bigint): { number: bigint; hash: string; timestamp: bigint } => ({
      number,
      hash: `${state.fork}${number}`,
      timestamp: 1000n + number,
    })
    const client = {
      getBlock: async ({ blockNumber }: { blockNumber?: bigint } = {}) => block(blockNumber ?? BigInt(state.head)),
      getLogs: async () => state.logs.map((log) => ({ address: contracts.ioIDRegistry, ...log })),
      readContract: async ({ functionName, args }: { functionName: string; args: readonly unknown[] }) => {
        state.calls += 1
        if (functionName === 'signerOf') return state.signer
        if (functionName === 'deviceProject') return project
        if (functionName === 'projectsOf') return [99n]
        if (functionName === 'keyAt') {
          if (state.signer !== address || args[0] !== project) return [{ x: 0n, y: 0n }, 0n]
          return Number(args[2]) < state.rotatesAt ? [{ x: 1n, y: 2n }, 5n] : [{ x: 3n, y: 4n }, 6n]
        }
        if (functionName === 'termsVersion') return 0
        if (functionName === 'statusOf') return state.status
        if (functionName === 'credentialOf') return { validFrom: 1005, validUntil: 1010 }
        if (functionName === 'nonces') return state.removed ? 2n : 0n
        return false
      },
    }
    const chain = { public: client, check: async () => void (state.checks += 1) } as unknown as ChainClient
    return { state, view: createChainView(chain, at) }
  }

  it('asks once, and again when an event names the device', async () => {
    const { state, view } = fake()
    await view.follow()
    expect(await view.device(device)).to.deep.equal({ status: 'live', projects: [project, 99n], signer: address })
    expect(await view.dataKey(project, device, 0)).to.deep.equal({ x: 1n, y: 2n })
    // A key of one project is none of another, in whatever order they are asked for.
    expect(await view.dataKey(projectId(99n), device, 0)).to.equal(undefined)
    expect(await view.dataKey(project, device, 0)).to.deep.equal({ x: 1n, y: 2n })
    const { calls } = state
    await view.device(device)
    await view.dataKey(project, device, 0)
    expect(state.calls).to.equal(calls)
    state.signer = `0x${'cd'.repeat(20)}`
    state.head = 2
    await view.follow()
    expect(await view.device(device)).to.have.property('signer', address)
    state.head = 3
    state.logs = [{ topics: ['0x00', `0x${device.slice(2).padStart(64, '0')}`] }]
    await view.follow()
    expect(await view.device(device)).to.have.property('signer', state.signer)
    expect(await view.dataKey(project, device, 0)).to.equal(undefined)
  })

  it('asks for a credential once, and again when its time comes, another type is asked for, or anything happens to credentials', async () => {
    const { state, view } = fake()
    const typeId = `0x${'ee'.repeat(32)}` as const
    const next = async (head: number, logs: typeof state.logs = []): Promise<string> => {
      Object.assign(state, { head, logs })
      await view.follow()
      return view.credential(device, typeId)
    }
    expect(await next(2)).to.equal('not valid yet')
    const { calls } = state
    state.status = 1
    expect(await next(4)).to.equal('not valid yet')
    expect(state.calls).to.equal(calls)
    expect(await next(5)).to.equal('valid')
    state.status = 4
    expect(await next(6)).to.equal('valid')
    expect(await next(7, [{ topics: ['0x00'], address: contracts.dataKeyRegistry.toUpperCase().replace('0X', '0x') }])).to.equal('revoked')
    state.status = 5
    expect(await view.credential(device, `0x${'ef'.repeat(32)}`)).to.equal('suspended')
    state.status = 3
    expect(await next(10)).to.equal('expired')
  })

  it('asks once for the data key of all windows to come, and again where another key is announced', async () => {
    const { state, view } = fake()
    await view.follow()
    const [old, fresh] = [
      { x: 1n, y: 2n },
      { x: 3n, y: 4n },
    ]
    expect(await view.dataKey(project, device, 7)).to.deep.equal(old)
    const { calls } = state
    expect(await view.dataKey(project, device, 8)).to.deep.equal(old)
    expect(await view.dataKey(project, device, 2 ** 32 - 1)).to.deep.equal(old)
    expect(state.calls).to.equal(calls)
    expect(await view.dataKey(project, device, 6)).to.deep.equal(old)
    expect(state.calls).to.be.greaterThan(calls)

    state.rotatesAt = 10
    state.head = 2
    state.logs = [{ topics: ['0x00', `0x${'0'.repeat(63)}7`, `0x${device.slice(2).padStart(64, '0')}`] }]
    await view.follow()
    for (const [window, key] of [
      [8, old],
      [9, old],
      [10, fresh],
      [11, fresh],
      [9, old],
      [10, fresh],
    ] as const)
      expect(await view.dataKey(project, device, window)).to.deep.equal(key)
  })

  it('forgets everything when blocks that it saw are gone, and checks that the chain is the same', async () => {
    const { state, view } = fake()
    state.head = 5
    await view.follow()
    await view.device(device)
    state.signer = `0x${'0'.repeat(40)}`
    state.fork = 'b'
    state.head = 6
    await view.follow()
    expect(state.checks).to.equal(2)
    expect(await view.device(device)).to.deep.equal({ status: 'unknown' })
    state.fork = 'c'
    state.removed = true
    await view.follow()
    expect(await view.device(device)).to.deep.equal({ status: 'removed' })
  })

  it('does not keep an answer that was asked for before a change', async () => {
    const { state, view } = fake()
    await view.follow()
    const early = view.device(device)
    state.head = 2
    state.logs = [{ topics: ['0x00', `0x${device.slice(2).padStart(64, '0')}`] }]
    const following = view.follow()
    await Promise.all([early, following])
    state.signer = `0x${'cd'.repeat(20)}`
    expect(await view.device(device)).to.have.property('signer', state.signer)
  })

  it('knows no project without terms', async () => {
    expect(await fake().view.project(project)).to.equal(undefined)
  })
})

describe('gateway/ledger', () => {
  it('keeps a refusal whatever its position says, and gives out rows that an older version wrote', async () => {
    const options = {
      dataFolder: temporaryFolder(),
      genesisHash: `0x${'22'.repeat(32)}`,
      deployment: contracts.ioIDRegistry,
      refusalsKept: 99,
      documentsKept: 1,
    } as const
    const ledger = openLedger(options)
    const refuse = (kind: 'reading' | 'window', position: number): Promise<void> => {
      const subject = { device: null, kind, position }
      return ledger.commit((writes) =>
        writes.addRefusal('7', { status: 'refused', subject, reason: 'MALFORMED', detail: null, expected: null }, 1),
      )
    }
    const unusable = [1e18, 1e300, -1e18, 2 ** 53, -1, 1.5, NaN, 2 ** 32]
    for (const position of unusable) await refuse('window', position)
    await refuse('window', 2 ** 32 - 1)
    await refuse('reading', 2 ** 40)
    await refuse('reading', 2 ** 40 - 1)
    const positions = (): (number | null)[] => ledger.refusals(0, 500).map(({ position }) => position)
    const kept = [...unusable.map(() => null), 2 ** 32 - 1, null, 2 ** 40 - 1]
    expect(positions()).to.deep.equal(kept)
    expect(ledger.accounting('7').refused).to.deep.equal({ MALFORMED: kept.length })
    const file = join(ledgerFolder(options.dataFolder, options.genesisHash, options.deployment), 'gateway.sqlite')
    const db = new DatabaseSync(file)
    db.exec("insert into refusals (at, kind, position, reason) values (1, 'window', 1000000000000000000, 'MALFORMED')")
    db.close()
    expect(positions()).to.deep.equal([...kept, null])
    ledger.close()
  })

  it('undoes one failed write alone, and keeps documents up to its limit', async () => {
    const options = {
      dataFolder: temporaryFolder(),
      genesisHash: `0x${'22'.repeat(32)}`,
      deployment: contracts.ioIDRegistry,
      refusalsKept: 9,
      documentsKept: 1,
    } as const
    const ledger = openLedger(options)
    const record = { sequence: 0, time: 5, laneValue: 1, digest: randomBytes(32), signature: randomBytes(64) }
    const results = await Promise.allSettled([
      ledger.commit((writes) => writes.addReading(writes.state('7', '0xa'), record, 1)),
      ledger.commit((writes) => writes.addReading(writes.state('7', '0xa'), record, 2)),
      ledger.commit((writes) => writes.addReading(writes.state('7', '0xa'), { ...record, sequence: 1 }, 3)),
    ])
    expect(results.map(({ status }) => status)).to.deep.equal(['fulfilled', 'rejected', 'fulfilled'])
    expect(ledger.accounting('7').acceptedReadings).to.equal(2)
    expect(await ledger.addDocument('0x01', '{}', 1)).to.equal(true)
    expect(await ledger.addDocument('0x01', '{}', 1)).to.equal(true)
    expect(await ledger.addDocument('0x02', '{}', 1)).to.equal(false)
    ledger.close()
    const again = openLedger({ ...options, documentsKept: 2 })
    expect(await again.addDocument('0x02', '{}', 1)).to.equal(true)
    expect(await again.addDocument('0x03', '{}', 1)).to.equal(false)
    again.close()
  })
})
