// SPDX-License-Identifier: Apache-2.0
/** One running network and one browser for all tests of the page: four motes, 512 readings, eight windows. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Context } from 'mocha'
import type { Browser } from 'playwright-core'
import { sensorDataset } from '../../../agents/cli/local/dataset.ts'
import { LocalRun, type Running, until } from '../../e2e/support/local-run.ts'
import { launch, missing } from './browser.ts'

/** From the middle of the default rows, where three motes rise above their threshold. */
const FIRST = 96
const READINGS = 128

export interface Network {
  run: LocalRun
  start: Running
  browser: Browser
  url: string
}

let network: Promise<Network> | undefined

async function begin(): Promise<Network> {
  const run = new LocalRun()
  const file = join(run.folder, 'humidity.csv')
  const rows = sensorDataset(false).series.flatMap(({ name, readings }) =>
    readings.slice(FIRST, FIRST + READINGS).map(({ time, value }) => `${name},${time},${value}`),
  )
  writeFileSync(file, `mote,time,humidity\n${rows.join('\n')}\n`)
  const columns = ['--device', 'mote', '--time', 'time', '--value', 'humidity']
  const start = run.trellis('start', '--free-ports', '--no-build', '--data', file, ...columns)
  const browser = await launch()
  // Devices are on their way: what follows is live.
  await until('the devices', () => (start.stdout().includes('devices replay') ? true : undefined), start, 120)
  return { run, start, browser, url: `http://127.0.0.1:${run.record()!.ports.portal}` }
}

/** The network, with its devices on their way. Skips the tests of the caller where there is no browser. */
export async function liveNetwork(context: Context): Promise<Network> {
  const reason = missing()
  if (reason !== undefined) {
    console.log(`SKIP ${reason}`)
    context.skip()
  }
  network ??= begin()
  return network
}

/** The network with everything settled. */
export async function settledNetwork(context: Context): Promise<Network> {
  const found = await liveNetwork(context)
  await until('the end of the job', () => (found.start.stdout().includes('Ctrl-C stops it') ? true : undefined), found.start, 120)
  return found
}

after(async function () {
  this.timeout(60_000)
  if (network === undefined) return
  const found = await network
  await found.browser.close()
  await found.run.end()
})
