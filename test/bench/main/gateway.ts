// SPDX-License-Identifier: Apache-2.0
/**
 * Readings per second through the gateway over MQTT. The gateway is the CLI's own process with its real store (a sync of the disk per commit) and its
 * view of a real chain; this process only sends what was signed beforehand, and waits for every answer. Each round has an empty store; the first
 * messages of each device warm it up and are not timed. Afterwards the store must hold exactly what was sent.
 */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import type { Row } from '../../../scripts/bench.ts'
import { pumpLoad, signLoad, type SignedLoad } from '../gateway-load.ts'
import { channel, decimals, type Fleet, type FleetDevice, rangeMin } from './fleet.ts'
import { type Plain, plainReadingName, plainWindowName } from './plain.ts'
import { residentMiB } from './processes.ts'
import { median, row, say } from './rows.ts'

type Kind = SignedLoad['kind']

const FLEETS = [4, 8, 40] as const
const ROUNDS = 3
/** Messages per round and kind, shared out among the devices. */
const MESSAGES: Readonly<Record<Kind, number>> = { reading: 4_000, window: 480 }
/** Messages that the peer judges per round. */
const SAMPLE: Readonly<Record<Kind, number>> = { reading: 200, window: 40 }
const WARM_UP = 0.1
/** Readings per second. */
const TARGET: Readonly<Record<Kind, number>> = { reading: 800, window: 3_000 }

interface Round {
  readingsPerSecond: number
  peerReadingsPerSecond: number
  answerMs: number
  residentMiB: number
}

export async function gatewayRows(fleet: Fleet, plain: Plain): Promise<Row[]> {
  const rows: Row[] = []
  for (const kind of ['reading', 'window'] as const) {
    for (const count of FLEETS) {
      const devices = fleet.devices.slice(0, count)
      const messagesPerDevice = MESSAGES[kind] / count
      say(`gateway: signing ${MESSAGES[kind]} ${kind} messages of ${count} devices`)
      const load = signLoad({
        ...{ project: fleet.project, devices: devices.map(({ signer }) => signer), kind, messagesPerDevice },
        ...{ channel, decimals, rangeMin, firstTime: 1_273_363_200 },
      })
      const rounds: Round[] = []
      for (let round = 0; round < ROUNDS; round++) rounds.push(await oneRound(fleet, plain, devices, load, `${kind}-${count}-${round}`))
      const of = (field: keyof Round): number => median(rounds.map((found) => found[field]))
      const name = `gateway, ${kind === 'reading' ? 'single readings' : 'windows of 64'}, ${count} devices`
      rows.push(
        row({
          case: name,
          unit: 'readings/s',
          ours: of('readingsPerSecond'),
          peer: of('peerReadingsPerSecond'),
          peerName: kind === 'reading' ? plainReadingName : plainWindowName,
          target: TARGET[kind],
          better: 'more',
        }),
        row({ case: `${name}: answer p99, 16 unanswered per device`, unit: 'ms', ours: of('answerMs'), better: 'less' }),
      )
      if (count === FLEETS.at(-1)) rows.push(row({ case: `${name}: memory`, unit: 'MiB RSS', ours: of('residentMiB'), better: 'less' }))
    }
  }
  return rows
}

async function oneRound(fleet: Fleet, plain: Plain, devices: readonly FleetDevice[], load: SignedLoad, name: string): Promise<Round> {
  const gateway = await fleet.gateway(name)
  try {
    await pumpLoad(gateway.mqttUrl, part(load, 0, WARM_UP))
    const { readingsPerSecond, p99 } = await pumpLoad(gateway.mqttUrl, part(load, WARM_UP, 1))
    const [resident = 0] = residentMiB([gateway.pid])
    const accounting = (await (await fetch(`${gateway.url}/v1/accounting?project=${fleet.project}`)).json()) as Record<string, unknown>
    if (accounting['acceptedReadings'] !== load.readings || JSON.stringify(accounting['refused']) !== '{}')
      throw new Error(`the gateway's accounting is not that of ${load.readings} readings: ${JSON.stringify(accounting)}`)
    await gateway.stop()
    checkStore(gateway.dataFolder, load)
    say(`${name}: ${readingsPerSecond.toFixed(0)} readings/s, p99 ${p99.toFixed(0)} ms`)
    return { readingsPerSecond, answerMs: p99, residentMiB: resident, peerReadingsPerSecond: judgePlainly(plain, devices, load) }
  } finally {
    await gateway.stop()
  }
}

/** Messages from one part of each device's to another. */
function part(load: SignedLoad, from: number, to: number): SignedLoad {
  const perMessage = load.readings / load.devices.reduce((sum, { payloads }) => sum + payloads.length, 0)
  const devices = load.devices.map((device) => {
    const cut = (share: number): number => Math.ceil(device.payloads.length * share)
    return { ...device, payloads: device.payloads.slice(cut(from), cut(to)) }
  })
  return { kind: load.kind, readings: perMessage * devices.reduce((sum, { payloads }) => sum + payloads.length, 0), devices }
}

/** Readings per second of the peer over a sample from the middle of the load. */
function judgePlainly(plain: Plain, devices: readonly FleetDevice[], load: SignedLoad): number {
  const share = Math.ceil(SAMPLE[load.kind] / devices.length)
  let messages = 0
  const started = performance.now()
  for (const [at, { signer }] of devices.entries()) {
    const { payloads } = load.devices[at]!
    for (const payload of payloads.slice(Math.floor(payloads.length / 2)).slice(0, share)) {
      if (!plain.judge(payload, signer.publicKeys)) throw new Error('the peer refuses a message')
      messages += 1
    }
  }
  const perMessage = load.kind === 'window' ? 64 : 1
  return (messages * perMessage * 1000) / (performance.now() - started)
}

/** Every message that was sent is in the store, once, and nothing else: by device, place and signature. */
function checkStore(dataFolder: string, load: SignedLoad): void {
  const [ledger = ''] = readdirSync(dataFolder)
  const db = new DatabaseSync(join(dataFolder, ledger, 'gateway.sqlite'), { readOnly: true })
  const [table, place] = load.kind === 'reading' ? ['readings', 'sequence'] : ['windows', 'idx']
  const stored = db
    .prepare(
      `select d.device, m.${place} as place, lower(hex(m.signature)) as signature from ${table} m join devices d on d.id = m.device_id`,
    )
    .all()
    .map((found) => `${String(found['device'])}/${String(found['place'])}/0x${String(found['signature'])}`)
  db.close()
  const sent = load.devices.flatMap(({ payloads }) =>
    payloads.map((payload) => {
      const { device, sequence, index, signature } = JSON.parse(payload.toString()) as Record<string, string>
      return `${device!}/${sequence ?? index!}/${signature!}`
    }),
  )
  const wanted = new Set(sent)
  if (stored.length !== sent.length || !stored.every((found) => wanted.has(found)))
    throw new Error(`the store holds ${stored.length} messages and not exactly the ${sent.length} that were sent`)
}
