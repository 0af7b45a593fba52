// SPDX-License-Identifier: Apache-2.0
/** `trellis demo`: the job from nothing to settled, then exit. With `--json` the last line of stdout is the summary. */
import { TrellisError } from '../protocol/errors.ts'
import { livingRun } from './local/earlier-run.ts'
import { type JobOptions, startJob } from './local/job.ts'
import { stateAt } from './local/state.ts'
import { printSummary, summarise } from './local/summary.ts'
import { settled, sinceStart } from './local/wait.ts'
import { printer } from './print.ts'
import { stopRun } from './stop.ts'

export async function demo(stateOption: string | undefined, given: Record<string, unknown>): Promise<void> {
  const options = given as unknown as JobOptions & { json: boolean }
  const state = stateAt(stateOption)
  const print = printer(options.json)
  const running = livingRun(state)
  if (running !== undefined) {
    throw new TrellisError({
      code: 'ALREADY_RUNNING',
      message: 'A local run is going on.',
      details: { process: running.supervisor.pid, command: running.command },
      next: 'npm run trellis -- stop, or another state folder and ports: npm run demo -- --free-ports with TRELLIS_STATE=FOLDER',
    })
  }
  // A demo starts from nothing: what an earlier run left running ends, its chain too.
  await stopRun(state)

  const abort = new AbortController()
  let failure: Error | undefined
  const interrupted = (): void => {
    failure ??= new TrellisError({ code: 'INTERRUPTED', message: 'Stopped before the end.', next: 'npm run demo' })
    abort.abort()
  }
  process.on('SIGINT', interrupted)
  process.on('SIGTERM', interrupted)
  const job = await startJob(
    state,
    'demo',
    options,
    print,
    {
      onRestart: (name, reason, delayMs) => print.step(`${name}: ${reason}; starting it again in ${delayMs} ms`),
      onGivenUp: (error) => {
        failure ??= error
        abort.abort()
      },
    },
    abort.signal,
  ).catch((error: unknown) => {
    throw failure ?? error
  })
  try {
    const { firstProof } = await settled(job, print, abort.signal)
    if (failure !== undefined) throw failure
    job.seconds['total'] = sinceStart()
    const { summary, audit } = await summarise(job, firstProof)
    printSummary(print, summary, job.source)
    if (audit.problems.length > 0 || summary.pending > 0) process.exitCode = 1
    await job.supervisor.stopAll()
    if (options.json) process.stdout.write(`${JSON.stringify(summary)}\n`)
  } finally {
    await job.supervisor.stopAll()
  }
}
