// SPDX-License-Identifier: Apache-2.0
/**
 * A gateway in a process of its own over a stand-in for the chain, to be killed by tests. Arguments: JSON {dataFolder, devices: [names], http, mqtt, terms}.
 * Prints {url, mqttUrl} when its doors are open.
 */
import { deviceOf, FakeChain, openGateway, terms } from '../unit/gateway/support.ts'
import type { Terms } from '../../agents/protocol/terms.ts'

export interface GatewayProcessOptions {
  dataFolder: string
  devices: string[]
  http?: number
  mqtt?: number
  /** Further configuration. */
  config?: Record<string, unknown>
  terms?: Partial<Pick<Terms, 'clockOrigin' | 'clockStart' | 'clockSpeed'>>
}

const options = JSON.parse(process.argv[2] ?? '{}') as GatewayProcessOptions
const chain = new FakeChain()
chain.terms = terms(options.terms)
for (const name of options.devices) chain.register(deviceOf(name))
const { dataFolder, http = 0, mqtt = 0 } = options
const gateway = await openGateway(chain, dataFolder, { http: { port: http }, mqtt: { port: mqtt }, ...options.config })
console.log(JSON.stringify({ url: gateway.url, mqttUrl: gateway.mqttUrl }))
process.once('SIGTERM', () => void gateway.stop().then(() => process.exit(0)))
