// SPDX-License-Identifier: Apache-2.0
/** Gateways that share one PostgreSQL database: the behaviour of every store, killed gateways, a stopped database, readers beside writers. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { expect } from 'chai'
import { type Ack, ackFromJson } from '../../agents/protocol/ack.ts'
import { encodeEnvelope, type Envelope } from '../../agents/protocol/envelope.ts'
import { projectId } from '../../agents/protocol/ids.ts'
import type { Accounting, WindowItem } from '../../agents/gateway/ledger.ts'
import { openMqtt } from '../../agents/sdk/drivers/node/mqtt.ts'
import { behavesAsGatewayStore } from '../behaviors/gateway-store.ts'
import {
  chainId,
  contracts,
  deviceOf,
  FakeChain,
  openGateway,
  project,
  readingAt,
  temporaryFolder,
  windowAt,
} from '../unit/gateway/support.ts'
import { needs } from './support/engines.ts'
import { startMosquitto } from './support/mosquitto.ts'
import { type PostgresServer, startPostgres } from './support/postgres.ts'
import type { GatewayProcessOptions } from './gateway-process.ts'

describe('gateway/store', function () {
  this.timeout(30_000)

  describe('on SQLite', () => {
    const folders = new Map<string, string>()
    behavesAsGatewayStore((chain, name, change) => {
      const folder = folders.get(name) ?? temporaryFolder()
      folders.set(name, folder)
      return openGateway(chain, folder, change)
    })
  })

  describe('on PostgreSQL', () => {
    let server: PostgresServer
    before(async function () {
      this.timeout(60_000)
      needs(this, 'initdb')
      server = await startPostgres()
    })
    after(() => server?.remove())

    const database = async (name: string): Promise<string> => {
      await server.query(`create database ${name}`).catch(() => undefined)
      return server.url.replace(/\/postgres$/, `/${name}`)
    }
    behavesAsGatewayStore(async (chain, name, change) => openGateway(chain, undefined, { databaseUrl: await database(name), ...change }))

    const post = async (url: string, envelope: Envelope): Promise<Ack> =>
      ackFromJson(await (await fetch(`${url}/v1/messages`, { method: 'POST', body: encodeEnvelope(envelope) })).json())!
    const windowsOf = async (url: string, after = 0): Promise<{ items: WindowItem[]; next: number }> =>
      (await (await fetch(`${url}/v1/projects/7/windows?limit=500&after=${after}`)).json()) as { items: WindowItem[]; next: number }

    it('never lets a reader with a cursor miss a window while two gateways commit', async () => {
      const chain = new FakeChain()
      const devices = ['a', 'b', 'c', 'd', 'e', 'f'].map((name) => deviceOf(name))
      for (const device of devices) chain.register(device)
      const databaseUrl = await database('readers')
      const gateways = [await openGateway(chain, undefined, { databaseUrl }), await openGateway(chain, undefined, { databaseUrl })]
      try {
        const each = 12
        let writing = true
        const seen: number[] = []
        const reading = (async () => {
          for (let after = 0; ;) {
            const last = !writing
            const { items, next } = await windowsOf(gateways[0]!.url, after)
            seen.push(...items.map(({ cursor }) => cursor))
            after = next
            if (last && items.length === 0) return
          }
        })()
        await Promise.all(
          devices.map(async (device, at) => {
            for (let index = 0; index < each; index++)
              expect((await post(gateways[(at + index) % 2]!.url, windowAt(device, index, index, 1))).status).to.equal('accepted')
          }),
        )
        writing = false
        await reading
        expect(seen).to.have.length(devices.length * each)
        expect(new Set(seen).size).to.equal(seen.length)
        const all = await server.query('select 1').then(() => windowsOf(gateways[1]!.url))
        expect(seen).to.deep.equal(all.items.map(({ cursor }) => cursor))
      } finally {
        for (const gateway of gateways) await gateway.stop()
      }
    })

    it('takes a reading that two gateways get at once, once', async () => {
      const chain = new FakeChain()
      const device = deviceOf('one')
      chain.register(device)
      const databaseUrl = await database('twice')
      const gateways = [await openGateway(chain, undefined, { databaseUrl }), await openGateway(chain, undefined, { databaseUrl })]
      try {
        for (let sequence = 0; sequence < 20; sequence++) {
          const acks = await Promise.all(gateways.map(({ url }) => post(url, readingAt(device, sequence))))
          expect(acks.map(({ status }) => status).sort()).to.deep.equal(['accepted', 'duplicate'])
        }
      } finally {
        for (const gateway of gateways) await gateway.stop()
      }
    })

    it('answers OVERLOADED while the database is away, and goes on by itself when it is back', async () => {
      const chain = new FakeChain()
      const device = deviceOf('one')
      chain.register(device)
      const gateway = await openGateway(chain, undefined, { databaseUrl: await database('away') })
      try {
        expect((await post(gateway.url, readingAt(device, 0))).status).to.equal('accepted')
        await server.stop('SIGKILL')
        const refused = await post(gateway.url, readingAt(device, 1))
        expect(refused).to.deep.include({ reason: 'OVERLOADED' })
        expect(refused.retryAfterMs).to.be.greaterThan(0)
        await server.start()
        for (let tries = 0; tries < 100; tries++) {
          const { status } = await post(gateway.url, readingAt(device, 1))
          if (status !== 'refused') break
          await new Promise((resolve) => setTimeout(resolve, 50))
        }
        expect((await post(gateway.url, readingAt(device, 1))).status).to.equal('duplicate')
        expect((await post(gateway.url, readingAt(device, 0))).status).to.equal('duplicate')
      } finally {
        await gateway.stop()
      }
    })

    it('keeps all that it acknowledged behind one Mosquitto while gateways are killed and the database stops', async function () {
      this.timeout(120_000)
      needs(this, 'mosquitto')
      const device = deviceOf('one')
      const id = device.publicKeys.device
      const broker = await startMosquitto([id])
      const children = new Set<ChildProcess>()
      const config = {
        databaseUrl: await database('killed'),
        broker: { url: broker.url, username: 'gateway', passwordFile: broker.passwordFile },
      }
      const start = async (): Promise<{ child: ChildProcess; url: string }> => {
        const options: GatewayProcessOptions = { dataFolder: temporaryFolder(), devices: ['one'], config }
        const child = spawn(process.execPath, [join(import.meta.dirname, 'gateway-process.ts'), JSON.stringify(options)], {
          stdio: ['ignore', 'pipe', 'inherit'],
        })
        children.add(child)
        for await (const line of createInterface({ input: child.stdout! })) return { child, url: (JSON.parse(line) as { url: string }).url }
        throw new Error('the gateway did not start')
      }
      const kill = async (child: ChildProcess): Promise<void> => {
        if (child.exitCode !== null || child.signalCode !== null) return
        child.kill('SIGKILL')
        await once(child, 'exit')
      }
      try {
        const gateways = await Promise.all([start(), start()])
        const { ackKeys } = (await (await fetch(`${gateways[0]!.url}/v1/projects/7`)).json()) as { ackKeys: string[] }
        const acked = new Set<number>()
        let accepted = 0
        const transport = openMqtt(
          {
            ...{ url: broker.url, project: projectId(project.toString()), device: id, domain: { chainId, ...contracts } },
            ...{ username: id, password: broker.password, ackKeys: () => ackKeys },
          },
          {
            onAck: ({ status, subject }) => {
              if (status === 'refused' || subject.position === null) return
              acked.add(subject.position)
              if (status === 'accepted') accepted += 1
            },
            onConnect: () => undefined,
            onError: () => undefined,
          },
        )
        const total = 150
        const payloads = Array.from({ length: total }, (_, sequence) => encodeEnvelope(readingAt(device, sequence)))
        let first = 0
        // One faults after another, each at a share of the way; the device goes back to the oldest unanswered message each time.
        const faults: (() => Promise<void>)[] = [
          () => kill(gateways[0]!.child),
          async () => {
            await server.stop('SIGKILL')
            await server.start()
          },
          async () => {
            gateways[0] = await start()
            await kill(gateways[1]!.child)
          },
        ]
        for (let rounds = 0; first < total && rounds < 200; rounds++) {
          if (transport.connected) transport.send(payloads.slice(first, first + 16))
          const end = Math.min(total, first + 16)
          for (let waits = 0; waits < 20 && first < end; waits++) {
            await new Promise((resolve) => setTimeout(resolve, 25))
            while (acked.has(first)) first += 1
          }
          if (first > ((4 - faults.length) * total) / 5) await faults.shift()?.()
        }
        await transport.close()
        expect(first).to.equal(total)
        expect(faults).to.have.length(0)
        const accounting = (await (await fetch(`${gateways[0]!.url}/v1/accounting?project=7`)).json()) as Accounting
        expect(accounting.acceptedReadings).to.equal(total)
        // Answers of killed gateways may be lost, never given twice.
        expect(accepted).to.be.at.most(total)
      } finally {
        for (const child of children) await kill(child)
        await broker.remove()
      }
    })
  })
})
