// SPDX-License-Identifier: Apache-2.0
/** `trellis.json` of a project that `trellis init` made: what its network replays, proves with and calls. A checkout of Trellis itself has none. */
import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { z } from 'zod'
import { TrellisError } from '../../protocol/errors.ts'
import { runOnce } from './child.ts'
import { BUILD_CIRCUITS, home, repository } from './state.ts'

const schema = z.strictObject({
  name: z.string().min(1),
  data: z.strictObject({ data: z.string().min(1), device: z.string().min(1), time: z.string().min(1), value: z.string().min(1) }),
  /** Contract under contracts/ that inherits DappBase; its constructor takes the router. */
  dapp: z.string().regex(/^\w+$/),
  /** Program of circuits/circuits.json, as `name/version`. */
  program: z.string().regex(/^[\w/-]+\/\d+$/),
})

export type ProjectFile = z.output<typeof schema>

/** @throws TrellisError PROJECT_FILE_INVALID */
export function readProjectFile(): ProjectFile | undefined {
  const file = join(home, 'trellis.json')
  if (home === repository || !existsSync(file)) return undefined
  try {
    return schema.parse(JSON.parse(readFileSync(file, 'utf8')))
  } catch (cause) {
    const why = cause instanceof z.ZodError ? z.prettifyError(cause) : (cause as Error).message
    throw new TrellisError({
      code: 'PROJECT_FILE_INVALID',
      message: 'trellis.json is not what it has to be.',
      details: { file, why },
      next: 'mend the field named above',
      cause,
    })
  }
}

/** Hardhat's program, wherever npm put it. */
export const hardhatProgram = (): string =>
  join(dirname(createRequire(import.meta.url).resolve('hardhat/package.json')), 'dist', 'src', 'cli.js')

/** Builds what the network runs: contracts and circuits of this checkout, or those of the project. */
export async function build(log: string, signal: AbortSignal): Promise<void> {
  const steps =
    home === repository
      ? [['scripts/build.ts']]
      : [
          [hardhatProgram(), 'build'],
          [join(repository, BUILD_CIRCUITS), '--root', home, '--write'],
        ]
  for (const step of steps) {
    const built = await runOnce(step, log, true, signal, home)
    if (built.code === 0) continue
    throw new TrellisError({
      code: 'BUILD_FAILED',
      message: 'Contracts or circuits do not build.',
      details: { log },
      next: home === repository ? 'npm run build' : 'mend the line that the compiler names, then npm start',
    })
  }
}
