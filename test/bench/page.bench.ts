// SPDX-License-Identifier: Apache-2.0
/** `npm run bench -- page`: the page in a browser, and what it asks of a long history. */
import type { Bench } from '../../scripts/bench.ts'
import { browserRows } from './page/browser.ts'
import { indexRows, withNetwork } from './page/history.ts'

const bench: Bench = { name: 'page', contracts: true, run: async () => [...(await browserRows()), ...(await withNetwork(indexRows))] }

export default bench
