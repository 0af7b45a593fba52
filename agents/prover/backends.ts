// SPDX-License-Identifier: GPL-3.0-or-later
/** Which backend a configuration asks for. */
import { TrellisError } from '../kit/errors.ts'
import type { ProverBackend } from './backend.ts'
import type { ProverConfig } from './config.ts'

/** @throws TrellisError ARTIFACTS_MISSING when the circuits are not built */
export async function openBackend(config: ProverConfig): Promise<ProverBackend> {
  throw new TrellisError({ code: 'ARTIFACTS_MISSING', message: 'There is no backend.', details: { folder: config.artifactsFolder } })
}
