// SPDX-License-Identifier: Apache-2.0
/** The page without a service, without its server, and over a chain that begins anew: it says so, and shows nothing of the chain before. */
import { expect } from 'chai'
import { open } from './support/browser.ts'
import { settledNetwork } from './support/network.ts'

describe('the page without what it shows', function () {
  this.timeout(240_000)

  it('says that the gateway is silent, keeps its last figures, and goes on when it is back', async function () {
    const { browser, url, run } = await settledNetwork(this)
    const { page } = await open(browser)
    await page.goto(url)
    await page.getByText('512').first().waitFor()
    const { pid } = run.record()!.children['gateway']!
    process.kill(pid, 'SIGSTOP')
    try {
      await page.getByText('The gateway does not answer').waitFor()
      expect(await page.locator('.stats').innerText()).to.contain('512')
      await page.getByRole('link', { name: 'Devices', exact: true }).click()
      await page.getByRole('alert').filter({ hasText: 'Try again' }).waitFor({ timeout: 45_000 })
    } finally {
      process.kill(pid, 'SIGCONT')
    }
    await page.getByText('The gateway does not answer').waitFor({ state: 'detached' })
    await page
      .getByRole('cell', { name: /humidity/ })
      .first()
      .waitFor()
    await page.context().close()
  })

  it('says that its server is gone', async function () {
    const { browser, url } = await settledNetwork(this)
    const { page } = await open(browser)
    await page.goto(url)
    await page.getByText('512').first().waitFor()
    await page.context().setOffline(true)
    await page.route('**/api/v1/**', (route) => route.abort())
    // A stream that is open outlives the switch: a page that is loaded again has none.
    await page.evaluate(() => globalThis.dispatchEvent(new Event('online')))
    await page.context().setOffline(false)
    await page.reload()
    await page.getByText('The portal server does not answer').first().waitFor()
    await page.unroute('**/api/v1/**')
    await page.getByText('512').first().waitFor()
    await page.getByText('The portal server does not answer').waitFor({ state: 'detached' })
    await page.context().close()
  })

  it('empties itself when the chain begins anew', async function () {
    const { browser, url, run } = await settledNetwork(this)
    const { page } = await open(browser)
    await page.goto(`${url}/contracts`)
    const genesis = page.locator('dt:text-is("Genesis") + dd .mono')
    const before = await genesis.getAttribute('title')
    run.kill('chain')
    await page.getByText('The chain began anew').waitFor({ timeout: 180_000 })
    // The same windows are settled anew; what the page shows of the chain is the new one's.
    await page.locator(`[title="${before!}"]`).waitFor({ state: 'detached' })
    await genesis.waitFor({ timeout: 120_000 })
    expect(await genesis.getAttribute('title')).not.to.equal(before)
    await page.context().close()
  })
})
