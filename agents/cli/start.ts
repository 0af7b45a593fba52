// SPDX-License-Identifier: Apache-2.0
/** `trellis start`: the whole job, which then stays up until Ctrl-C. A second start says what runs; one after a kill goes on where it was. */
import { DEFAULT_PORTS, stateAt } from './local/state.ts'
import { livingRun } from './local/earlier-run.ts'
import { type Job, type JobOptions, startJob } from './local/job.ts'
import { printSummary, summarise } from './local/summary.ts'
import { settled } from './local/wait.ts'
import { printer } from './print.ts'
import { printStatus } from './status.ts'

export async function start(stateOption: string | undefined, given: Record<string, unknown>): Promise<void> {
  const options = given as unknown as JobOptions
  const state = stateAt(stateOption)
  const print = printer(false)
  const running = livingRun(state)
  if (running !== undefined) {
    print.line(`Trellis runs already (process ${running.supervisor.pid}, since ${running.startedAt}).`)
    await printStatus(state, print)
    print.line()
    print.line('npm run trellis -- logs --follow | audit | stop')
    return
  }

  const stopped = new AbortController()
  let askedAt = 0
  const onSignal = (): void => {
    // Ctrl-C arrives twice: from the terminal, and passed on by npm. Only a later one means "at once".
    if (askedAt > 0 && Date.now() - askedAt > 1500) process.exit(130)
    if (askedAt === 0) {
      print.line()
      print.line('stopping; Ctrl-C again to leave at once')
    }
    askedAt ||= Date.now()
    stopped.abort()
  }
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, onSignal)

  for (let again = false; ; again = true) {
    const round = new AbortController()
    let failure: Error | undefined
    let chainEnded = false
    const job = await startJob(
      state,
      'start',
      options,
      print,
      {
        onRestart: (name, reason, delayMs) => print.step(`${name}: ${reason}; starting it again in ${delayMs} ms`),
        onGivenUp: (error, name) => {
          // The network does without its history.
          if (name === 'indexer') return print.step(`the indexer is given up: ${error.message}`)
          failure = error
          chainEnded = name === 'chain'
          round.abort()
        },
      },
      stopped.signal,
      again,
    ).catch((error: unknown) => {
      if (stopped.signal.aborted) return undefined
      throw error
    })
    if (job === undefined) return
    const ended = AbortSignal.any([stopped.signal, round.signal])
    try {
      await runRound(job, ended)
    } finally {
      await job.supervisor.stopAll()
    }
    if (stopped.signal.aborted) return
    // The chain keeps its state in memory: with it the deployment is gone, and everything starts anew on a fresh one.
    if (!chainEnded) throw failure ?? new Error('the run ended')
    print.step('the chain ended; starting again on a fresh one')
  }

  async function runRound(job: Job, ended: AbortSignal): Promise<void> {
    const { firstProof } = await settled(job, print, ended)
    if (ended.aborted) return
    const { summary } = await summarise(job, firstProof)
    printSummary(print, summary, job.source)
    // Last: what it needs to start would slow down the proofs.
    if (await job.startIndexer()) print.step(`indexer on http://127.0.0.1:${job.record.ports.indexer} reads the history`)
    print.line()
    print.line('Everything is settled and stays up. In another terminal:')
    print.line('  npm run trellis -- status | logs gateway --follow | audit | stop')
    print.line(`The page: http://127.0.0.1:${job.record.ports.portal}`)
    if (job.record.ports.gateway === DEFAULT_PORTS.gateway) print.line(`  curl ${job.gatewayUrl}/v1/accounting?project=${job.project}`)
    print.line('Ctrl-C stops it.')
    await new Promise<void>((resolve) => ended.addEventListener('abort', () => resolve(), { once: true }))
  }
}
