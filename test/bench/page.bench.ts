// SPDX-License-Identifier: Apache-2.0
/** `npm run bench -- page`: what the page asks of a long history. */
import type { Bench } from '../../scripts/bench.ts'
import { indexRows, withNetwork } from './page/history.ts'

const bench: Bench = { name: 'page', contracts: true, run: () => withNetwork(indexRows) }

export default bench
