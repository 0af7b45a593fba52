// SPDX-License-Identifier: Apache-2.0
/** The page while devices send: what is new arrives, and nothing that stands on the page moves. */
import { expect } from 'chai'
import { open } from './support/browser.ts'
import { liveNetwork } from './support/network.ts'

interface Shift {
  value: number
  what: string[]
}

describe('the page, live', function () {
  this.timeout(150_000)

  it('does not move what it shows while readings, tasks and figures change', async function () {
    const { browser, url } = await liveNetwork(this)
    for (const [path, phone] of [
      ['/', false],
      ['/', true],
      ['/tasks', false],
    ] as const) {
      const { page } = await open(browser, { phone })
      await page.goto(url + path)
      await page.waitForSelector('.figure, .track')
      await page.waitForTimeout(1_500)
      const before = await page.locator('main').innerText()
      const shifts = await page.evaluate(
        () =>
          new Promise<Shift[]>((resolve) => {
            const found: Shift[] = []
            new PerformanceObserver((list) => {
              for (const entry of list.getEntries() as unknown as { value: number; sources: { node: Node | null }[] }[])
                found.push({
                  value: entry.value,
                  what: entry.sources.map(({ node }) => node?.parentElement?.outerHTML.slice(0, 160) ?? ''),
                })
            }).observe({ type: 'layout-shift' })
            setTimeout(() => resolve(found), 5_000)
          }),
      )
      expect(shifts, `${path} moved`).to.deep.equal([])
      expect(await page.locator('main').innerText(), 'nothing changed: the test looked at a page that stands still').not.to.equal(before)
      await page.context().close()
    }
  })
})
