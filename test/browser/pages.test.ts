// SPDX-License-Identifier: Apache-2.0
/** Every page over a real network: what it shows is what the run says, for eyes, keyboard and screen reader, in both themes and on a phone. */
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { expect } from 'chai'
import type { Page } from 'playwright-core'
import { type Look, open } from './support/browser.ts'
import { type Network, settledNetwork } from './support/network.ts'
import { differenceTo } from './support/pictures.ts'

/** Mean difference of light that a picture may have: two runs differ by 0.7 at most, two pages of one theme by 11. */
const TOLERANCE = 4

interface Axe {
  run: (context: Document) => Promise<{ violations: { id: string; nodes: { html: string; failureSummary?: string }[] }[] }>
}

const axeSource = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

async function violations(page: Page): Promise<string[]> {
  // The page's own policy allows no script of others: the checker comes in by the debugger.
  await page.evaluate(axeSource)
  return page.evaluate(async () => {
    const { violations: found } = await (globalThis as unknown as { axe: Axe }).axe.run(document)
    return found.map(({ id, nodes }) => `${id}: ${nodes[0]!.html.slice(0, 160)} ${nodes[0]!.failureSummary ?? ''}`)
  })
}

describe('the pages', function () {
  this.timeout(180_000)
  let net: Network
  let device: string
  let task: { id: string; prover: string; tx: string; window: number }
  let paths: Record<string, string>

  before(async function () {
    net = await settledNetwork(this)
    const { ports, job } = net.run.record()!
    device = job!.devices[0]!.device.toLowerCase()
    const response = await fetch(`http://127.0.0.1:${ports.coordinator}/v1/tasks`)
    const { tasks } = (await response.json()) as { tasks: (typeof task & { device: string })[] }
    task = tasks.find((one) => one.device === device)!
    paths = {
      overview: '/',
      devices: '/devices',
      device: `/devices/${device}`,
      tasks: '/tasks',
      provers: '/provers',
      prover: `/provers/${task.prover.toLowerCase()}`,
      proof: `/proofs/${task.id}`,
      refusals: '/refusals',
      contracts: '/contracts',
    }
  })

  /** The page with its data there. */
  async function visit(page: Page, name: string): Promise<void> {
    await page.goto(net.url + paths[name]!)
    await page.waitForSelector('h1')
    await page.waitForFunction(
      () =>
        document.querySelectorAll('main .skeleton, main [aria-busy="true"]').length === 0 &&
        /Live.*block/.test(document.querySelector('.chain-chip')?.textContent ?? ''),
    )
  }

  it('show what the run says', async () => {
    const { page, hosts, errors } = await open(net.browser)
    const says: Record<string, (string | RegExp)[]> = {
      overview: [/Readings proven\s+512/, 'paid', 'Settled\n8', 'The lattice'],
      devices: [device.slice(0, 6), 'humidity', '4 devices'],
      device: [`did:io:${device}`, 'Window 0', 'Window 1', 'Settled', 'Trellis sensors #', '0.128 TTT'],
      tasks: ['All\n8', 'Window 1', 'Settled'],
      provers: ['Idle', /[1-9]\d* of|0 of/],
      prover: ['To be claimed', /0\.[1-8] TTT/],
      proof: ['64, from sequence', 'Paid to device', '0.064 TTT', 'public local set-up'],
      refusals: ['Nothing was refused', 'No task was put aside'],
      contracts: ['TaskEscrow', 'never changes', 'administrator', 'guardian', 'addOperator', 'Terms of project'],
    }
    for (const [name, texts] of Object.entries(says)) {
      await visit(page, name)
      const text = (): Promise<string> => page.locator('main').innerText()
      // Figures of the stream come a moment after the page.
      if (name === 'devices') await page.getByText('4 devices').waitFor()
      for (const wanted of texts) {
        if (typeof wanted === 'string') expect(await text(), name).to.include(wanted)
        else expect(await text(), name).to.match(wanted)
      }
    }
    expect(errors).to.deep.equal([])
    expect([...hosts]).to.deep.equal([new URL(net.url).host])
    await page.context().close()
  })

  it('verify a proof again, in the browser and by the chain, and a changed one is refused by both', async () => {
    const { page } = await open(net.browser)
    await visit(page, 'proof')
    await page.getByRole('button', { name: 'Verify again' }).click()
    await page.waitForFunction(() => document.querySelectorAll('.verdict[data-tone=settled]').length === 2)
    expect(await page.locator('.verdicts').innerText()).to.match(/This browser\s+Valid[^]*Verifier contract\s+Valid/)
    // The chain's answer, with one byte of the proof's last word changed on its way.
    await page.route('**/api/v1/rpc', async (route) => {
      const response = await route.fetch()
      const text = await response.text()
      await route.fulfill({
        response,
        body: text.replace(/("input":"0x[0-9a-f]+)([0-9a-f])"/, (_, head: string, last: string) => `${head}${last === '0' ? '1' : '0'}"`),
      })
    })
    await visit(page, 'proof')
    await page.getByRole('button', { name: 'Verify again' }).click()
    await page.waitForFunction(() => document.querySelectorAll('.verdict[data-tone=refused]').length === 2)
    await page.context().close()
  })

  for (const look of [{ theme: 'light' }, { theme: 'dark' }, { theme: 'light', phone: true }] satisfies Look[]) {
    const name = `${look.theme}${'phone' in look ? ', phone' : ''}`
    it(`have no fault that axe finds, and nothing lies beside the page (${name})`, async () => {
      const { page } = await open(net.browser, look)
      for (const one of Object.keys(paths)) {
        await visit(page, one)
        expect(await violations(page), one).to.deep.equal([])
        const beside = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth)
        expect(beside, `${one} scrolls sideways`).to.be.at.most(0)
      }
      await page.context().close()
    })
  }

  it('look like the pictures of the documentation', async () => {
    const pictures: [string, string, Look][] = [
      ['overview-light', 'overview', { theme: 'light' }],
      ['overview-dark', 'overview', { theme: 'dark' }],
      ['overview-phone', 'overview', { theme: 'light', phone: true }],
      ['device-light', 'device', { theme: 'light' }],
      ['proof-dark', 'proof', { theme: 'dark' }],
    ]
    for (const [picture, name, look] of pictures) {
      const { page } = await open(net.browser, look)
      await visit(page, name)
      const difference = await differenceTo(net.browser, picture, await page.screenshot())
      if (difference !== undefined) expect(difference, picture).to.be.below(TOLERANCE)
      await page.context().close()
    }
  })

  it('are walked with the keyboard alone', async () => {
    const { page } = await open(net.browser)
    await visit(page, 'overview')
    const focused = (): Promise<string> => page.evaluate(() => document.activeElement?.textContent?.trim() ?? '')
    await page.keyboard.press('Tab')
    expect(await focused()).to.equal('Skip to the content')
    await page.keyboard.press('Enter')
    expect(await page.evaluate(() => document.activeElement?.id)).to.equal('content')
    await page.goto(net.url)
    await page.waitForSelector('.nav')
    for (let presses = 0; presses < 12 && (await focused()) !== 'Devices'; presses++) await page.keyboard.press('Tab')
    await page.keyboard.press('Enter')
    await page.waitForURL('**/devices')
    const link = page.locator('td a').first()
    await link.waitFor()
    for (let presses = 0; presses < 40 && !(await link.evaluate((node) => node === document.activeElement)); presses++)
      await page.keyboard.press('Tab')
    const outline = await link.evaluate((node) => getComputedStyle(node).outlineStyle)
    expect(outline, 'the focus is seen').to.equal('solid')
    await page.keyboard.press('Enter')
    await page.waitForURL('**/devices/0x*')
    // A reader of the screen stands at the new page, not where the old link was.
    await page.waitForFunction(() => document.activeElement?.id === 'content')
    await page.context().close()
  })

  it('keep the chosen theme', async () => {
    const { page } = await open(net.browser, { theme: 'light' })
    await visit(page, 'overview')
    const paper = (): Promise<string> => page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor)
    const light = await paper()
    const button = page.getByRole('button', { name: /^Theme/ })
    await button.click()
    await button.click()
    expect(await paper()).not.to.equal(light)
    await page.reload()
    await page.waitForSelector('h1')
    expect(await button.getAttribute('aria-label')).to.match(/^Theme: dark/)
    await page.context().close()
  })

  it('say what is not there', async () => {
    const { page } = await open(net.browser)
    const nobody = '0x00000000000000000000000000000000000000aa'
    const cases: [string, string][] = [
      ['/nothing', 'There is no such page'],
      ['/devices/0x12', 'This is no device'],
      [`/devices/${nobody}`, 'not registered as a device'],
      [`/provers/${nobody}`, 'No prover has this address'],
      ['/proofs/0x12', 'This is no task id'],
      [`/proofs/0x${'ab'.repeat(32)}`, 'Neither the chain nor the coordinator knows this task'],
      ['/tasks?state=dead', 'None in this state'],
    ]
    for (const [path, text] of cases) {
      await page.goto(net.url + path)
      await page.getByText(text).first().waitFor()
    }
    await page.context().close()
  })
})
