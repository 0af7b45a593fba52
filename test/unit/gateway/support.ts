// SPDX-License-Identifier: Apache-2.0
/** Devices with real keys and a stand-in for the chain's answers, for tests of the gateway alone. */
import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Point } from '../../../agents/crypto/babyjubjub.ts'
import type { ChainView, DeviceFacts } from '../../../agents/gateway/chain-view.ts'
import { gatewayConfig } from '../../../agents/gateway/config.ts'
import { type GatewayChain, type RunningGateway, startGateway } from '../../../agents/gateway/service.ts'
import { createLog } from '../../../agents/kit/log.ts'
import { createMetrics } from '../../../agents/kit/metrics.ts'
import type { CredentialStatus } from '../../../agents/protocol/eip712/credential.ts'
import { type Address, channelIdOf, type DeviceId, type Hex, projectId } from '../../../agents/protocol/ids.ts'
import { type Terms, termsIdOf } from '../../../agents/protocol/terms.ts'
import { packWindow, type WindowReading } from '../../../agents/protocol/window.ts'
import { createDeviceSigner, type DeviceSigner } from '../../../agents/sdk/signer.ts'
import type { DeviceKeys } from '../../../agents/sdk/keys.ts'
import type { ReadingEnvelope, WindowEnvelope } from '../../../agents/protocol/envelope.ts'

const address = (byte: string): Address => `0x${byte.repeat(20)}`
export const chainId = 31_337
export const contracts = { ioIDRegistry: address('a2'), dataKeyRegistry: address('a1'), projectStore: address('a3') }
export const project = projectId(7)
export const channel = 'humidity'

/** Terms of the tests: humidity in hundredths from -40.00, a replay clock that stands an hour after `origin` and nearly stops there. */
export const origin = 1_273_363_200
export function terms(change: Partial<Terms> = {}): Terms {
  return {
    ...{
      programId: `0x${'11'.repeat(32)}`,
      channel: channelIdOf(channel),
      rangeMin: -4_000n,
      rangeMax: 16_000,
      threshold: 9_000,
      decimals: 2,
    },
    ...{ pricePerReading: 1n, proverFee: 1n, sequencerFee: 1n, token: address('c1'), receiver: address('00'), dappGas: 0 },
    ...{
      clock: 1,
      clockOrigin: origin + 36_000,
      clockStart: Math.floor(Date.now() / 1000),
      clockSpeed: 1,
      taskSeconds: 600,
      maxAge: 0,
      maxSkew: 30,
    },
    ...change,
  }
}

/** Keys that every run derives from the same words. */
export function keysOf(name: string): DeviceKeys {
  const secret = (use: string): Uint8Array => createHash('sha256').update(`trellis test ${use} ${name}`).digest()
  return { identity: secret('identity'), data: secret('data') }
}

export function deviceOf(name: string, of = project): DeviceSigner {
  return createDeviceSigner({ keys: keysOf(name), project: of, chainId, ...contracts })
}

/** The chain's answers, to be changed by tests. */
export class FakeChain implements ChainView {
  readonly devices = new Map<DeviceId, DeviceFacts>()
  readonly keys = new Map<DeviceId, Point>()
  readonly retired = new Set<Address>()
  readonly credentials = new Map<DeviceId, CredentialStatus>()
  requiredCredential: Hex | undefined
  terms: Terms = terms()
  failing = false

  register(signer: DeviceSigner, of = project): void {
    const { device, signer: key, dataKey } = signer.publicKeys
    this.devices.set(device, { status: 'live', projects: [of], signer: key })
    this.keys.set(device, dataKey)
  }

  async project(of: bigint): ReturnType<ChainView['project']> {
    if (this.failing) throw new Error('no answer')
    if (of !== project) return undefined
    const { requiredCredential } = this
    return {
      version: 1,
      requiredCredential,
      terms: this.terms,
      termsId: termsIdOf({ chainId, ...contracts, project: of, version: 1 }, this.terms),
    }
  }

  async device(device: DeviceId): Promise<DeviceFacts> {
    return this.devices.get(device) ?? { status: 'unknown' }
  }

  async dataKey(of: bigint, device: DeviceId): Promise<Point | undefined> {
    return of === project ? this.keys.get(device) : undefined
  }

  async credential(device: DeviceId): Promise<CredentialStatus> {
    return this.credentials.get(device) ?? 'missing'
  }

  async isRetired(key: Address): Promise<boolean> {
    return this.retired.has(key)
  }
}

export function gatewayChain(view: ChainView): GatewayChain {
  return { chainId, genesisHash: `0x${'22'.repeat(32)}`, contracts, view, ready: () => null }
}

/** A gateway on free ports of loopback over a folder of its own, or over `dataFolder`. */
export async function openGateway(
  view: ChainView,
  dataFolder = temporaryFolder(),
  change: Record<string, unknown> = {},
): Promise<RunningGateway & { dataFolder: string }> {
  const config = gatewayConfig.parse({ http: { port: 0 }, mqtt: { port: 0 }, dataFolder, logLevel: 'silent', ...change })
  const context = { log: createLog('gateway', config.logLevel), metrics: createMetrics('gateway', { defaults: false }) }
  return { ...(await startGateway(config, context, gatewayChain(view))), dataFolder }
}

const folders: string[] = []
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'trellis-gateway-'))
  folders.push(folder)
  return folder
}

process.once('exit', () => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true })
})

/** Reading number `sequence` of a device's day: one every five seconds from `origin`, values that wander. */
export function readingAt(
  device: DeviceSigner,
  sequence: number,
  change: Partial<{ time: number; value: string; channel: string }> = {},
): ReadingEnvelope {
  return device.reading({ sequence, time: origin + 5 * sequence, channel, value: valueAt(sequence), ...change }, 2)
}

export function valueAt(sequence: number): string {
  return (40 + ((sequence * 37) % 1_000) / 100).toFixed(2)
}

/** The window of readings `first`..`first + count - 1` as `readingAt` makes them. */
export function windowAt(
  device: DeviceSigner,
  index: number,
  first: number,
  count: number,
  change: (reading: WindowReading, at: number) => WindowReading = (r) => r,
): WindowEnvelope {
  const readings = Array.from({ length: count }, (_, at) => {
    const sequence = first + at
    return change({ time: origin + 5 * sequence, laneValue: Math.round(Number(valueAt(sequence)) * 100) + 4_000 }, at)
  })
  return device.window({ index, content: packWindow(channelIdOf(channel), first, readings) }, channel)
}
