// SPDX-License-Identifier: Apache-2.0
/** Debian's Chromium, and pages that note what they should not do: requests to outside hosts, errors, breaches of the content policy. */
import { existsSync } from 'node:fs'
import { type Browser, chromium, type Page } from 'playwright-core'

const EXECUTABLE = '/usr/bin/chromium'
const flags = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

export const missing = (): string | undefined =>
  existsSync(EXECUTABLE) ? undefined : `${EXECUTABLE} is not there: apt-get install chromium`

export const launch = (): Promise<Browser> => chromium.launch({ executablePath: EXECUTABLE, args: flags })

export interface Watched {
  page: Page
  /** Hosts that were asked for anything. */
  hosts: Set<string>
  errors: string[]
}

export interface Look {
  phone?: boolean
  theme?: 'light' | 'dark'
}

export async function open(browser: Browser, { phone = false, theme = 'light' }: Look = {}): Promise<Watched> {
  const viewport = phone ? { width: 360, height: 740 } : { width: 1280, height: 860 }
  const context = await browser.newContext({ viewport, colorScheme: theme, reducedMotion: 'reduce', timezoneId: 'UTC', locale: 'en-GB' })
  const page = await context.newPage()
  const watched: Watched = { page, hosts: new Set(), errors: [] }
  page.on('request', (request) => watched.hosts.add(new URL(request.url()).host))
  page.on('pageerror', (error) => watched.errors.push(error.message))
  page.on('console', (message) => {
    // That a service is down is said by the page; the browser's own line about it is not a fault of the page.
    if (message.type() === 'error' && !/Failed to load resource|ERR_/.test(message.text())) watched.errors.push(message.text())
  })
  page.setDefaultTimeout(20_000)
  return watched
}
