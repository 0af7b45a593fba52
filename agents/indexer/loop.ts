// SPDX-License-Identifier: Apache-2.0
/** One look: is the chain the one that the index is of, does Ponder run on it, how far is it. */
import { createPublicClient, http, type Hex } from 'viem'
import { readGenesis } from '../kit/chain.ts'
import { readDeployment } from '../kit/deployment.ts'
import { rpcFailed, toTrellisError } from '../kit/errors.ts'
import type { Next } from '../kit/lifecycle.ts'
import type { Logger } from '../kit/log.ts'
import type { Child } from './child.ts'
import { startChild } from './child.ts'
import type { IndexerConfig } from './config.ts'
import { ponderEnded } from './errors.ts'
import type { IndexerMetrics } from './metrics.ts'
import { openPlace, type Place } from './place.ts'

/** Blocks under the newest that Ponder does not undo on any chain that it does not know better. */
const FINALITY = 30
/** Starts in a row that came to nothing, after which the tables are held for broken. */
const MOST_FAILURES = 3

export interface Watch {
  config: IndexerConfig
  /** Shown to the child, so that it answers nobody else. */
  secret: string
  log: Logger
  metrics: IndexerMetrics
  /** What the door says of the index. */
  state: IndexState
  running?: { place: Place; child: Child; wasReady: boolean }
  failures: number
}

export interface IndexState {
  genesisHash: Hex | null
  head: number | null
  block: number | null
  generation: number
  url: string | null
  /** Why not, or null. */
  notReady: string | null
}

export async function watchPass(watch: Watch): Promise<Next> {
  const { config, state } = watch
  try {
    await look(watch)
  } catch (error) {
    const { code, message } = toTrellisError(error)
    state.notReady = `${code}: ${message}`
    throw error
  }
  const { running } = watch
  if (running === undefined) return 'wait'
  state.url = running.child.url
  state.block = await running.child.block()
  // Ready once it has come to the head that it saw: what is younger is told as lag.
  running.wasReady ||= state.block !== null && state.block >= (state.head ?? 0) && (await running.child.ready())
  state.notReady = running.wasReady ? null : 'the history is being read'
  if (running.wasReady) watch.failures = 0
  if (state.block === null || state.head === null) return 'wait'
  watch.metrics.indexed.set(state.block)
  watch.metrics.lag.set(Math.max(0, state.head - state.block))
  const final = state.block - FINALITY - 1
  const { place } = running
  if (final > (place.anchor?.number ?? 0)) {
    const { hash } = await clientOf(config).getBlock({ blockNumber: BigInt(final) })
    place.anchor = { number: final, hash }
  }
  return 'wait'
}

export async function stopWatch(watch: Watch): Promise<void> {
  await watch.running?.child.stop()
  delete watch.running
  watch.state.url = null
}

async function look(watch: Watch): Promise<void> {
  const { config, state, log } = watch
  const { rpcUrl } = config.chain
  const [found, head] = await Promise.all([readGenesis(rpcUrl), clientOf(config).getBlockNumber()]).catch((error: unknown) => {
    throw rpcFailed(rpcUrl, error)
  })
  Object.assign(state, { genesisHash: found.genesisHash, head: Number(head) })
  const deployment = readDeployment(config.chain.addressesFile)
  if (found.genesisHash !== deployment.genesisHash || found.chainId !== deployment.chainId) {
    // After a reset somebody deploys again: the addresses file then names the new chain.
    if (watch.running !== undefined) log.warn(found, 'the chain is another: the index is left')
    await stopWatch(watch)
    Object.assign(state, { block: null, notReady: 'the chain is not the one of the deployment' })
    return
  }
  let place = openPlace(config.dataFolder, deployment)
  if (watch.running !== undefined && watch.running.place.key !== place.key) await stopWatch(watch)

  const why = await wrong(watch, place)
  if (why !== null) {
    log.warn({ why, anchor: place.anchor }, 'the index is begun anew')
    watch.metrics.rebuilds.inc({ why })
    await stopWatch(watch)
    place = place.next()
    watch.failures = 0
  }
  const ended = watch.running?.child.ended ?? null
  if (ended !== null) {
    if (watch.running?.wasReady === false) watch.failures += 1
    delete watch.running
    Object.assign(state, { url: null })
    throw ponderEnded(ended)
  }
  if (watch.running !== undefined) return
  state.generation = place.generation
  await place.clear(config.databaseUrl)
  const { rpcUrl: first, otherRpcUrls, pollMs } = config.chain
  const job = place.job({ rpcUrls: [first, ...otherRpcUrls], pollMs: Math.max(100, pollMs), door: watch.secret }, config.databaseUrl)
  watch.metrics.starts.inc()
  watch.running = { place, child: await startChild({ root: place.root, schema: place.schema, job, log }), wasReady: false }
}

/** Why the tables cannot be gone on with, or null. */
async function wrong(watch: Watch, { anchor }: Place): Promise<string | null> {
  if (watch.running?.child.deepReorg === true) return 'deep reorg'
  if (watch.failures >= MOST_FAILURES) return 'does not start'
  if (anchor === undefined || watch.state.head === null) return null
  // A node that is behind says nothing; one that was set back says so by another block, once it has come so far.
  if (anchor.number > watch.state.head) return readDeployment(watch.config.chain.addressesFile).kind === 'local' ? 'shorter chain' : null
  const { hash } = await clientOf(watch.config).getBlock({ blockNumber: BigInt(anchor.number) })
  return hash === anchor.hash ? null : 'other blocks'
}

const clientOf = ({ chain }: IndexerConfig) =>
  createPublicClient({ transport: http(chain.rpcUrl, { timeout: chain.timeoutMs, retryCount: 0 }), cacheTime: 0 })
