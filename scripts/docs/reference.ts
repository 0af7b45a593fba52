// SPDX-License-Identifier: Apache-2.0
/** All pages of docs/reference. */
import { refuse } from '../shell.ts'
import { cliPage } from './cli.ts'
import { configPage } from './config.ts'
import { contractsPage } from './contracts.ts'
import { errorsPage } from './errors.ts'
import { httpPage } from './http.ts'
import type { Page } from './markdown.ts'

/** @returns undefined when something that is generated has no words: it was told then */
export async function referencePages(): Promise<Page[] | undefined> {
  const [config, http] = [await configPage(), httpPage()]
  const silent = [...config.silent, ...http.silent]
  if (silent.length === 0) return [cliPage(), config.page, contractsPage(), errorsPage(), http.page]
  refuse(
    'UNDESCRIBED',
    `${silent.length} fields or routes have no words.`,
    silent,
    'write a comment above each: what it is, in one sentence',
  )
  return undefined
}
