// SPDX-License-Identifier: Apache-2.0
/** A device as a process: replays a source by the project's clock, and ends when everything is acknowledged. The frame is the kit's, by shape only. */
import { readFileSync } from 'node:fs'
import { basename, dirname } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { isTrellisError } from '../../../protocol/errors.ts'
import { type Address, channelIdOf, deviceId, projectId } from '../../../protocol/ids.ts'
import type { BackOut } from '../../../protocol/migrations.ts'
import { createDeviceSigner, type DeviceSigner } from '../../signer.ts'
import { deviceConfig, type DeviceConfig } from './config.ts'
import { csvSource } from './csv.ts'
import { datasetSource } from './dataset.ts'
import { deviceError } from './errors.ts'
import { type DeviceContracts, fetchTerms, openHttp } from './http.ts'
import { loadOrCreateKeys } from './keys-file.ts'
import { createDeviceLoop } from './loop.ts'
import { deviceMetrics, type MetricsLike } from './metrics.ts'
import { openMqtt } from './mqtt.ts'
import { makeOffer, offerToJson } from './offer.ts'
import { openRows, type ReplayCounts } from './replay.ts'
import type { Source } from './source.ts'
import { type DeliveryCounts, backOutDeviceStore, migrations, openDeviceStore } from './store.ts'
import type { TransportEvents } from './transport.ts'

/** What the frame of a service gives; the part of the kit's context that a device uses. */
export interface DeviceContext {
  log: Record<'debug' | 'info' | 'warn', (details: object, message: string) => void>
  metrics: MetricsLike
  signal: AbortSignal
  fail: (error: unknown) => void
}

/** `done` resolves when the device has nothing left to do. */
export interface RunningDevice {
  done: Promise<void>
  stop(): Promise<void>
}

/** The last line of a device on stdout. */
export interface DeviceReport extends DeliveryCounts {
  report: 'device'
  device: string
  project: string
  source: ReplayCounts
  readings: number
  windows: number
}

/** Terms are asked for this often while the gateway does not answer. */
const TERMS_RETRY_MS = 1_000
/** Least time between two questions for the gateway's keys. */
const KEYS_AGAIN_MS = 5_000

export const service = {
  name: 'device',
  config: deviceConfig,
  async start(config: DeviceConfig, context: DeviceContext): Promise<RunningDevice> {
    const contracts = readContracts(config.addressesFile)
    const signer = openSigner(config, contracts)
    if (config.offer) {
      process.stdout.write(`${offerToJson(await makeOffer(signer, config))}\n`)
      return { done: Promise.resolve(), stop: () => Promise.resolve() }
    }
    const source = openSource(config)
    const abort = new AbortController()
    const signal = AbortSignal.any([context.signal, abort.signal])
    const running = run(config, context, contracts, signer, source, signal)
    return {
      // The frame hears of a failure once: by `fail`.
      done: running.catch(context.fail),
      async stop() {
        abort.abort()
        await running.catch(() => undefined)
      },
    }
  },
  /** For a backup, as the kit's frame has it. The keys are not encrypted; a backup of them is as secret as they are. */
  stores: ({ storeFile, keysFile }: DeviceConfig) => [
    { kind: 'sqlite' as const, folder: dirname(storeFile), pattern: basename(storeFile), version: migrations.length },
    { kind: 'files' as const, folder: dirname(keysFile), pattern: basename(keysFile) },
  ],
  backOut: (config: DeviceConfig, to?: number): BackOut[] => [backOutDeviceStore(config.storeFile, to)],
}

async function run(
  config: DeviceConfig,
  context: DeviceContext,
  contracts: DeviceContracts,
  signer: DeviceSigner,
  source: Source,
  signal: AbortSignal,
): Promise<void> {
  const { log } = context
  const { device } = signer.publicKeys
  const known = await waitForTerms(config, contracts, signal, log)
  if (known === undefined) return
  const { terms } = known
  let { ackKeys } = known
  if (terms.channel !== channelIdOf(config.channel)) {
    throw deviceError(
      'CHANNEL_MISMATCH',
      'The project’s terms name another channel than this device.',
      { channel: config.channel },
      'correct `channel` in the configuration of this device',
    )
  }
  const store = openDeviceStore(config.storeFile, `${contracts.chainId}/${contracts.ioIDRegistry}/${config.project}/${device}`)
  const rows = openRows(source, store.replay.row)
  let wake = (): void => undefined
  const events: TransportEvents = {
    onAck: (ack) => {
      loop.onAck(ack)
      wake()
    },
    onConnect: () => {
      loop.onConnect()
      wake()
    },
    onError: (error) => log.debug({ err: error }, 'transport failed'),
  }
  const url = config.gatewayUrl.replace(/\/$/, '')
  const project = projectId(config.project)
  let askedAt = 0
  /** A gateway may have got another key: it is asked over HTTP, now and then. One that signs never stops to. */
  const onStranger = (): void => {
    if (Date.now() - askedAt < KEYS_AGAIN_MS) return
    askedAt = Date.now()
    fetchTerms(url, config.project, contracts).then(
      (found) => {
        if (found.ackKeys.length > 0) ({ ackKeys } = found)
      },
      (error: unknown) => log.debug({ err: error }, 'the gateway does not tell its keys'),
    )
  }
  const account = { username: config.mqttUsername, password: readPassword(config.mqttPasswordFile) }
  const options = { url: config.mqttUrl, project, device, domain: contracts, version: config.mqttVersion, ...account }
  const transport =
    config.transport === 'mqtt' ? openMqtt({ ...options, ackKeys: () => ackKeys, onStranger }, events) : openHttp(url, events)
  const loop = createDeviceLoop({ signer, store, rows, transport, metrics: deviceMetrics(context.metrics), log }, { ...config, terms })
  try {
    while (!signal.aborted) {
      const woken = new Promise<void>((resolve) => (wake = resolve))
      const next = await loop.pass()
      if (next === 'done') break
      const timer = new AbortController()
      const ms = Math.max(0, next.wakeAt - Date.now())
      await Promise.race([woken, delay(ms, undefined, { signal: AbortSignal.any([timer.signal, signal]) }).catch(() => undefined)])
      timer.abort()
    }
    const { replay, delivery, nextSequence: readings, nextWindow: windows } = store
    const report: DeviceReport = {
      report: 'device',
      device,
      project: config.project.toString(),
      source: replay.counts,
      readings,
      windows,
      ...delivery,
    }
    process.stdout.write(`${JSON.stringify(report)}\n`)
  } finally {
    await transport.close().catch(() => undefined)
    await rows.close()
    store.close()
  }
}

async function waitForTerms(config: DeviceConfig, contracts: DeviceContracts, signal: AbortSignal, log: DeviceContext['log']) {
  for (let tries = 0; !signal.aborted; tries++) {
    try {
      return await fetchTerms(config.gatewayUrl.replace(/\/$/, ''), config.project, contracts, config.termsId)
    } catch (error) {
      if (!isTrellisError(error, 'GATEWAY_UNREACHABLE')) throw error
      if (tries % 30 === 0) log.warn({ err: error }, 'waiting for the gateway')
      await delay(TERMS_RETRY_MS, undefined, { signal }).catch(() => undefined)
    }
  }
  return undefined
}

function openSigner(config: DeviceConfig, contracts: DeviceContracts): DeviceSigner {
  const keys = loadOrCreateKeys(config.keysFile)
  const known = config.device === undefined ? {} : { device: deviceId(config.device) }
  return createDeviceSigner({ keys, project: projectId(config.project), ...known, ...contracts })
}

function openSource({ mote, csv }: DeviceConfig): Source {
  if ((mote === undefined) === (csv === undefined)) {
    throw deviceError(
      'SOURCE_MISSING',
      'A device replays a mote of the dataset or a CSV file: one of the two.',
      {},
      'set mote.id, or csv.file with csv.timeColumn and csv.valueColumn',
    )
  }
  if (mote !== undefined) return datasetSource(mote.id, mote.column, mote)
  const { file, timeColumn, valueColumn, deviceColumn, device } = csv!
  return csvSource({
    file,
    timeColumn,
    valueColumn,
    ...(deviceColumn === undefined ? {} : { deviceColumn }),
    ...(device === undefined ? {} : { device }),
  })
}

/** @throws TrellisError PASSWORD_UNREADABLE */
function readPassword(file: string | undefined): string | undefined {
  if (file === undefined) return undefined
  try {
    return readFileSync(file, 'utf8').replace(/\r?\n$/, '')
  } catch (error) {
    throw deviceError('PASSWORD_UNREADABLE', 'The password for the broker cannot be read.', { file }, 'correct mqttPasswordFile', error)
  }
}

/** @throws TrellisError ADDRESSES_UNREADABLE */
function readContracts(file: string): DeviceContracts {
  try {
    const { chainId, contracts } = JSON.parse(readFileSync(file, 'utf8')) as {
      chainId: unknown
      contracts: Record<string, { address?: unknown } | undefined>
    }
    const addressOf = (name: string): Address => deviceId(String(contracts[name]?.address))
    if (typeof chainId !== 'number') throw new Error('there is no chainId')
    return {
      chainId,
      ioIDRegistry: addressOf('IoIDRegistry'),
      dataKeyRegistry: addressOf('DataKeyRegistry'),
      projectStore: addressOf('ProjectStore'),
    }
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw deviceError(
      'ADDRESSES_UNREADABLE',
      'The addresses file of the deployment cannot be read.',
      { file, reason },
      'deploy first: npx hardhat deploy --network localhost',
      error,
    )
  }
}
