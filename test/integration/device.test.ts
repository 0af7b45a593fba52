// SPDX-License-Identifier: Apache-2.0
/** Devices and a gateway as processes, killed by SIGKILL in mid-run: nothing is lost and nothing counts twice. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { expect } from 'chai'
import { bytesToHex } from 'viem'
import type { Accounting, WindowItem } from '../../agents/gateway/ledger.ts'
import { lanesFromHex, openWindow } from '../../agents/protocol/window.ts'
import { datasetTime, readMote } from '../../agents/sdk/drivers/node/dataset.ts'
import type { DeviceReport } from '../../agents/sdk/drivers/node/service.ts'
import { chainId, contracts, deviceOf, FakeChain, keysOf, openGateway, project, temporaryFolder, terms } from '../unit/gateway/support.ts'
import type { GatewayProcessOptions } from './gateway-process.ts'

const FROM = 2_241
const ROWS = 160
const MOTE = 1

describe('device', function () {
  this.timeout(120_000)
  const children = new Set<ChildProcess>()

  const start = (file: string, options: unknown): ChildProcess => {
    const child = spawn(process.execPath, [join(import.meta.dirname, file), JSON.stringify(options)], { stdio: ['ignore', 'pipe', 'pipe'] })
    children.add(child)
    child.once('exit', () => children.delete(child))
    return child
  }
  const kill = async (child: ChildProcess): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return
    child.kill('SIGKILL')
    await once(child, 'exit')
  }
  afterEach(() => Promise.all([...children].map(kill)))

  const line = async <T>(child: ChildProcess, wanted: (json: Record<string, unknown>) => boolean): Promise<T> => {
    let errors = ''
    child.stderr?.on('data', (data: Buffer) => (errors += data.toString()))
    for await (const text of createInterface({ input: child.stdout! })) {
      const json = JSON.parse(text) as Record<string, unknown>
      if (wanted(json)) return json as T
    }
    throw new Error(`the process ended without the line: ${errors}`)
  }

  /** A device with the keys that the gateway of the tests knows as `name`. */
  const deviceConfig = (
    folder: string,
    name: string,
    gateway: { url: string; mqttUrl: string },
    change: Record<string, unknown> = {},
  ): Record<string, unknown> => {
    const { identity, data } = keysOf(name)
    const keysFile = join(folder, `${name}.keys.json`)
    const addressesFile = join(folder, 'addresses.json')
    writeFileSync(keysFile, JSON.stringify({ identity: bytesToHex(identity), data: bytesToHex(data) }), { mode: 0o600 })
    const address = (of: string): { address: string } => ({ address: of })
    const known = {
      IoIDRegistry: address(contracts.ioIDRegistry),
      DataKeyRegistry: address(contracts.dataKeyRegistry),
      ProjectStore: address(contracts.projectStore),
    }
    writeFileSync(addressesFile, JSON.stringify({ chainId, contracts: known }))
    return {
      ...{
        project: project.toString(),
        keysFile,
        addressesFile,
        storeFile: join(folder, `${name}.sqlite`),
        gatewayUrl: gateway.url,
        mqttUrl: gateway.mqttUrl,
      },
      ...{ mote: { id: MOTE, column: 'humidity', from: FROM, to: FROM + ROWS - 1 }, retryMs: 200, retryCapMs: 500, logLevel: 'silent' },
      ...change,
    }
  }
  /** The clock plays the rows of the test within `seconds` from now. */
  const clock = (seconds: number): GatewayProcessOptions['terms'] => ({
    clockOrigin: datasetTime(FROM),
    clockStart: Math.floor(Date.now() / 1000),
    clockSpeed: Math.ceil((ROWS * 5) / seconds),
  })
  const isReport = (json: Record<string, unknown>): boolean => json['report'] === 'device'

  /** Every reading that a gateway gives out for a device, opened from its windows. */
  const readingsOf = async (url: string): Promise<{ sequence: number; time: number; laneValue: number }[]> => {
    const { items } = (await (await fetch(`${url}/v1/projects/7/windows?limit=500`)).json()) as { items: WindowItem[] }
    return items.flatMap(({ firstSequence, firstTime, lanes }, index) => {
      expect(items[index]!.index).to.equal(index)
      const opened = openWindow({
        firstSequence: Number(firstSequence),
        firstTime: Number(firstTime),
        channel: 0n,
        lanes: lanesFromHex(lanes)!,
      })
      if (!opened.ok) throw new Error(`window ${index} does not open: ${opened.why}`)
      return opened.readings.map((reading, at) => ({ ...reading, sequence: Number(firstSequence) + at }))
    })
  }
  const expected = (): { sequence: number; time: number; laneValue: number }[] =>
    readMote(MOTE)
      .filter(({ row }) => row >= FROM && row < FROM + ROWS)
      .map(({ row, humidity }, sequence) => ({ time: datasetTime(row), laneValue: Math.round(Number(humidity) * 100) + 4_000, sequence }))
  const accounting = async (url: string): Promise<Accounting> =>
    (await (await fetch(`${url}/v1/accounting?project=7`)).json()) as Accounting

  it('sends every reading and window, reports, and leaves with 0', async () => {
    const chain = new FakeChain()
    chain.terms = terms({ clockOrigin: datasetTime(FROM) + 36_000 })
    chain.register(deviceOf('one'))
    const gateway = await openGateway(chain)
    try {
      for (const transport of ['mqtt', 'http']) {
        if (transport === 'http') chain.register(deviceOf('two'))
        const child = start(
          'device-process.ts',
          deviceConfig(temporaryFolder(), transport === 'mqtt' ? 'one' : 'two', gateway, {
            transport,
            retryMs: 10_000,
            retryCapMs: 10_000,
          }),
        )
        const exit = once(child, 'exit')
        const report = await line<DeviceReport>(child, isReport)
        expect(await exit).to.deep.equal([0, null])
        expect(report).to.deep.include({ readings: ROWS, windows: 3, sent: ROWS + 3, accepted: ROWS + 3, duplicate: 0, refused: {} })
        expect(report.source).to.deep.equal({ read: ROWS, missing: 0, gaps: 0, disorder: 0, inexact: 0, outOfRange: 0 })
      }
      expect((await accounting(gateway.url)).acceptedReadings).to.equal(2 * ROWS)
    } finally {
      await gateway.stop()
    }
  })

  it('loses and doubles nothing when it is killed again and again', async () => {
    const gateway = await line<{ url: string; mqttUrl: string }>(
      start('gateway-process.ts', { dataFolder: temporaryFolder(), devices: ['one'], terms: clock(5) }),
      (json) => 'url' in json,
    )
    const config = deviceConfig(temporaryFolder(), 'one', gateway)
    for (const ms of [900, 1_300, 1_100]) {
      const child = start('device-process.ts', config)
      await new Promise((resolve) => setTimeout(resolve, ms))
      await kill(child)
    }
    const child = start('device-process.ts', config)
    const report = await line<DeviceReport>(child, isReport)
    expect(report).to.deep.include({ readings: ROWS, windows: 3 })
    expect(report.source.read).to.equal(ROWS)
    expect(await readingsOf(gateway.url)).to.deep.equal(expected())
    expect(await accounting(gateway.url)).to.deep.include({ acceptedReadings: ROWS, windowedReadings: ROWS, windows: 3 })
  })

  it('loses and doubles nothing when its gateway is killed again and again', async () => {
    const dataFolder = temporaryFolder()
    const options: GatewayProcessOptions = { dataFolder, devices: ['one'], terms: clock(5)! }
    let process = start('gateway-process.ts', options)
    const gateway = await line<{ url: string; mqttUrl: string }>(process, (json) => 'url' in json)
    const ports = { http: Number(new URL(gateway.url).port), mqtt: Number(new URL(gateway.mqttUrl).port) }
    const child = start('device-process.ts', deviceConfig(temporaryFolder(), 'one', gateway))
    const report = line<DeviceReport>(child, isReport)
    const exit = once(child, 'exit')
    for (const ms of [1_500, 900, 700]) {
      await new Promise((resolve) => setTimeout(resolve, ms))
      await kill(process)
      process = start('gateway-process.ts', { ...options, ...ports })
      await line(process, (json) => 'url' in json)
    }
    expect(await report).to.deep.include({ readings: ROWS, windows: 3 })
    expect(await exit).to.deep.equal([0, null])
    expect(await readingsOf(gateway.url)).to.deep.equal(expected())
    expect(await accounting(gateway.url)).to.deep.equal({ acceptedReadings: ROWS, windowedReadings: ROWS, windows: 3, refused: {} })
  })

  it('stops with a clear error when it is refused for good', async () => {
    const chain = new FakeChain()
    chain.devices.set(deviceOf('one').publicKeys.device, { status: 'removed' })
    const gateway = await openGateway(chain)
    try {
      const child = start(
        'device-process.ts',
        deviceConfig(temporaryFolder(), 'one', gateway, { retryMs: 50, retryCapMs: 100, refusalLimit: 3 }),
      )
      let errors = ''
      child.stderr!.on('data', (data: Buffer) => (errors += data.toString()))
      expect(await once(child, 'exit')).to.deep.equal([78, null])
      expect(errors).to.match(/^DEVICE_REFUSED {2}/)
      expect(errors).to.match(/reason +REMOVED/)
      expect(errors).to.match(/next +the owner removed this device/)
    } finally {
      await gateway.stop()
    }
  })

  it('offers its registration, with keys of its own that nobody else can read', async () => {
    const gateway = await openGateway(new FakeChain())
    try {
      const folder = temporaryFolder()
      const keysFile = join(folder, 'own', 'keys.json')
      const registration = { owner: `0x${'01'.repeat(20)}`, deviceContract: `0x${'02'.repeat(20)}`, tokenId: '1', deadline: '1900000000' }
      const child = start(
        'device-process.ts',
        deviceConfig(folder, 'one', gateway, { offer: true, keysFile, registration, dataKey: { tokenId: '4', deadline: '1900000000' } }),
      )
      const exit = once(child, 'exit')
      const offer = await line<Record<string, unknown>>(child, (json) => 'did' in json)
      expect(await exit).to.deep.equal([0, null])
      expect(offer).to.have.all.keys('device', 'did', 'document', 'hash', 'uri', 'publicDataKey', 'registration', 'dataKey')
      expect(offer['did']).to.equal(`did:io:${String(offer['device'])}`)
      expect((await fetch(String(offer['uri']))).status).to.equal(200)
      expect(statSync(keysFile).mode & 0o777).to.equal(0o600)
    } finally {
      await gateway.stop()
    }
  })
})
