// SPDX-License-Identifier: Apache-2.0
/** The outbox on disk, and when its messages are sent again. */
import { chmodSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import { createLane } from '../../../agents/sdk/drivers/node/delivery.ts'
import { loadOrCreateKeys } from '../../../agents/sdk/drivers/node/keys-file.ts'
import { initialState } from '../../../agents/sdk/drivers/node/replay.ts'
import { openDeviceStore, type OutboxMessage } from '../../../agents/sdk/drivers/node/store.ts'
import { createWindowCutter } from '../../../agents/sdk/window-cutter.ts'
import { temporaryFolder } from '../gateway/support.ts'

const message = (position: number): OutboxMessage => ({ kind: 'reading', position, payload: String(position) })
const range = (from: number, to: number): OutboxMessage[] => Array.from({ length: to - from }, (_, at) => message(from + at))

describe('sdk/delivery', () => {
  let at = 0
  const lane = () => {
    at = 1_000
    return createLane({ pipeline: 3, retryMs: 100, retryCapMs: 400, now: () => at })
  }
  const positions = (list: readonly OutboxMessage[]): number[] => list.map(({ position }) => position)

  it('sends a pipeline once, and more as answers come', () => {
    const some = lane()
    expect(positions(some.due(range(0, 5)))).to.deep.equal([0, 1, 2])
    expect(positions(some.due(range(0, 5)))).to.deep.equal([])
    some.progressed()
    expect(positions(some.due(range(1, 5)))).to.deep.equal([3])
  })

  it('goes back to the oldest when an answer is late, later each time up to the cap', () => {
    const some = lane()
    some.due(range(0, 3))
    const waits: number[] = []
    for (let round = 0; round < 4; round++) {
      const wake = some.wakeAt()!
      waits.push(wake - at)
      at = wake - 1
      expect(some.due(range(0, 3))).to.deep.equal([])
      at = wake
      expect(positions(some.due(range(0, 3)))).to.deep.equal([0, 1, 2])
    }
    expect(waits).to.deep.equal([100, 200, 400, 400])
    expect(some.due([])).to.deep.equal([])
    expect(some.wakeAt()).to.equal(undefined)
  })

  it('waits as long as the gateway says, whatever else is answered and whenever it connects again', () => {
    const some = lane()
    some.due(range(0, 3))
    some.refused(5_000)
    some.progressed()
    some.restart()
    expect(some.due(range(1, 5))).to.deep.equal([])
    at += 4_999
    expect(some.due(range(1, 5))).to.deep.equal([])
    at += 1
    expect(positions(some.due(range(1, 5)))).to.deep.equal([1, 2, 3])
  })

  it('counts refusals by round, waits after one, and forgets them with progress', () => {
    const some = lane()
    some.due(range(0, 3))
    expect([some.refused(), some.refused()]).to.deep.equal([1, 1])
    expect(some.due(range(0, 3))).to.deep.equal([])
    at = some.wakeAt()!
    expect(positions(some.due(range(0, 3)))).to.deep.equal([0, 1, 2])
    expect(some.refused()).to.equal(2)
    some.progressed()
    expect(some.refused()).to.equal(1)
  })

  it('starts over on a new connection', () => {
    const some = lane()
    some.due(range(0, 3))
    some.restart()
    expect(positions(some.due(range(0, 3)))).to.deep.equal([0, 1, 2])
  })
})

describe('sdk/store', () => {
  const reading = (sequence: number) => ({
    sequence,
    row: sequence + 1,
    time: sequence * 5,
    value: '1',
    laneValue: 1,
    payload: `r${sequence}`,
  })

  it('keeps steps, outbox and counts over a restart, and forgets what the gateway has', () => {
    const file = join(temporaryFolder(), 'device.sqlite')
    let store = openDeviceStore(file, 'me')
    const cutter = createWindowCutter({ channel: 1n, nextIndex: 0, nextSequence: 0, capacity: 2 })
    const windows = [0, 1].flatMap((s) => cutter.add(reading(s))).map((closed) => ({ ...closed, payload: `w${closed.index}` }))
    store.append({ ...initialState(), row: 3 }, [reading(0), reading(1), reading(2)], windows)
    store.acknowledge([{ kind: 'reading', position: 0 }], { sent: 3, accepted: 1, duplicate: 0, refused: {} })
    store.close()

    store = openDeviceStore(file, 'me')
    expect([store.replay.row, store.nextSequence, store.nextWindow, store.delivery.accepted]).to.deep.equal([3, 3, 1, 1])
    expect(store.openReadings()).to.deep.equal([{ time: 10, laneValue: 1 }])
    expect(store.outbox(9).map(({ payload }) => payload)).to.deep.equal(['r1', 'r2', 'w0'])
    expect([store.oldest('reading'), store.oldest('window'), store.windowEnd(0), store.outboxSize()]).to.deep.equal([1, 0, 1, 3])
    expect([store.readingsAcknowledged(0), store.readingsAcknowledged(1)]).to.deep.equal([true, false])
    store.acknowledge(
      [
        { kind: 'reading', position: 1 },
        { kind: 'window', position: 0 },
      ],
      store.delivery,
    )
    expect(store.outbox(9).map(({ payload }) => payload)).to.deep.equal(['r2'])
    expect([store.oldest('window'), store.windowEnd(0)]).to.deep.equal([undefined, undefined])
    store.close()
  })

  it('writes a step whole or not at all', () => {
    const file = join(temporaryFolder(), 'device.sqlite')
    const store = openDeviceStore(file, 'me')
    store.append(initialState(), [reading(0)], [])
    expect(() => store.append({ ...initialState(), row: 9 }, [reading(1), reading(0)], [])).to.throw()
    expect([store.nextSequence, store.replay.row, store.outboxSize()]).to.deep.equal([1, 0, 1])
    store.close()
  })

  it('refuses the store of another device', () => {
    const file = join(temporaryFolder(), 'device.sqlite')
    openDeviceStore(file, 'me').close()
    expect(() => openDeviceStore(file, 'you')).to.throw('another device')
  })
})

describe('sdk/keys-file', () => {
  it('makes keys once, for its owner only, and reads them again', () => {
    const file = join(temporaryFolder(), 'deep', 'keys.json')
    const made = loadOrCreateKeys(file)
    expect(loadOrCreateKeys(file)).to.deep.equal(made)
    expect(statSync(file).mode & 0o777).to.equal(0o600)
    expect(Buffer.from(made.identity).equals(Buffer.from(made.data))).to.equal(false)
  })

  it('refuses a file that others can read, or that is damaged, without printing it', () => {
    const file = join(temporaryFolder(), 'keys.json')
    loadOrCreateKeys(file)
    chmodSync(file, 0o644)
    expect(() => loadOrCreateKeys(file)).to.throw('Other users')
    writeFileSync(file, readFileSync(file, 'utf8').slice(0, 80))
    chmodSync(file, 0o600)
    expect(() => loadOrCreateKeys(file))
      .to.throw('damaged')
      .with.property('message')
      .that.does.not.match(/0x/)
  })
})
