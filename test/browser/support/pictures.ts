// SPDX-License-Identifier: Apache-2.0
/** Screenshots against those in docs/images, coarsely: 32 by 32 places, the mean difference of their light. `TRELLIS_PICTURES=write` writes them. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import type { Browser } from 'playwright-core'
import { at } from '../../../scripts/shell.ts'

const PLACES = 32

/** Mean difference of light, 0 to 255; undefined where the picture was written. */
export async function differenceTo(browser: Browser, name: string, shot: Buffer): Promise<number | undefined> {
  const file = at('docs', 'images', `${name}.png`)
  if (process.env['TRELLIS_PICTURES'] === 'write') {
    mkdirSync(at('docs', 'images'), { recursive: true })
    writeFileSync(file, shot)
    return undefined
  }
  if (!existsSync(file)) throw new Error(`docs/images/${name}.png is missing: TRELLIS_PICTURES=write npm test -- --only browser`)
  const page = await browser.newPage()
  const images = [readFileSync(file), shot].map((bytes) => `data:image/png;base64,${bytes.toString('base64')}`)
  try {
    return await page.evaluate(
      async ({ sources, places }) => {
        const lights = await Promise.all(
          sources.map(async (source) => {
            const bitmap = await createImageBitmap(await (await fetch(source)).blob())
            const context = new OffscreenCanvas(places, places).getContext('2d')!
            context.drawImage(bitmap, 0, 0, places, places)
            const { data } = context.getImageData(0, 0, places, places)
            return Array.from(
              { length: places * places },
              (_, i) => 0.299 * data[4 * i]! + 0.587 * data[4 * i + 1]! + 0.114 * data[4 * i + 2]!,
            )
          }),
        )
        return lights[0]!.reduce((sum, light, i) => sum + Math.abs(light - lights[1]![i]!), 0) / (places * places)
      },
      { sources: images, places: PLACES },
    )
  } finally {
    await page.close()
  }
}
