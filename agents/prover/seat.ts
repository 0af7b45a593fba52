// SPDX-License-Identifier: GPL-3.0-or-later
/** What a prover does with one key: heartbeats, leases, proofs, deliveries, and the store of them. A prover whose key changes has two seats for a while. */
import { join } from 'node:path'
import type { LocalAccount } from 'viem'
import type { ChainClient } from '../kit/chain.ts'
import { addressOf, type Deployment } from '../kit/deployment.ts'
import { chainFaults, toTrellisError } from '../kit/errors.ts'
import { createStack, sleep, startLoop, type Next } from '../kit/lifecycle.ts'
import { lockFolder } from '../kit/lock.ts'
import type { Logger } from '../kit/log.ts'
import { ask, type MarketView } from '../kit/market.ts'
import { errorsOf } from '../kit/reverts.ts'
import { createSender } from '../kit/sender.ts'
import { ledgerFolder } from '../kit/store.ts'
import { ioIDRegistryAbi, proverStoreAbi } from '../protocol/generated/abi.ts'
import type { Hex } from '../protocol/ids.ts'
import type { ProverBackend } from './backend.ts'
import type { ProverConfig } from './config.ts'
import { createCoordinatorClient } from './coordinator-client.ts'
import { createHeartbeat } from './heartbeat.ts'
import { deliverPass, leasePass, provePass, type Places, type ProverModules } from './loop.ts'
import type { ProverMetrics } from './metrics.ts'
import { openWork } from './work.ts'

/** What the seats of a process share. */
export interface Bench {
  config: ProverConfig
  deployment: Deployment
  chain: ChainClient
  view: MarketView
  backend: ProverBackend
  places: Places
  log: Logger
  metrics: ProverMetrics
  signal: AbortSignal
  fail: (error: unknown) => void
}

export interface Seat {
  readonly prover: Hex
  /**
   * Takes no part in new assignments any more, proves and delivers what the chain has assigned to this key, and closes when that is nothing.
   * Never rejects: what is left at the limit is recalled after its deadline and goes to another prover.
   */
  retire(): Promise<void>
  close(): Promise<void>
}

/** Longest time that an old key is kept for what was assigned to it. */
const retireLimitMs = 3_600_000

/** @throws TrellisError FOLDER_IN_USE | STORE_TOO_NEW */
export async function openSeat(bench: Bench, account: LocalAccount): Promise<Seat> {
  const { config, deployment, chain, view, backend, places, log, metrics, signal, fail } = bench
  const stack = createStack(log)
  try {
    const prover = account.address.toLowerCase() as Hex
    const folder = join(ledgerFolder(config.dataFolder, deployment.genesisHash, addressOf(deployment, 'Router')), prover)
    const lock = lockFolder(folder)
    stack.add('lock', () => lock.release())
    const work = openWork(join(folder, 'work.sqlite'))
    stack.add('work', () => work.close())
    const errors = errorsOf(proverStoreAbi, ioIDRegistryAbi)
    const sender = createSender({ chain, key: { account }, errors, log })
    stack.add('sender', () => sender.close())

    const stop = new AbortController()
    const ending = AbortSignal.any([signal, stop.signal])
    const modules: ProverModules = {
      config,
      chainId: chain.chainId,
      prover,
      view,
      programs: new Set(backend.programs),
      backend,
      coordinators: new Map(config.coordinatorUrls.map((url) => [url, createCoordinatorClient(url, account)])),
      work,
      log,
      metrics,
      running: new Set(),
      places,
      wake: { prove: () => undefined, deliver: () => undefined, lease: () => undefined },
      now: Date.now,
    }
    let retiring = false
    let closing: Promise<void> | null = null
    const close = (): Promise<void> => (closing ??= stack.close())
    const beat = createHeartbeat({ chain, deployment, view, sender, metrics, log, now: Date.now })
    const loop = (name: string, idleMs: number, pass: (signal: AbortSignal) => Promise<Next>, capMs = 10_000) =>
      startLoop({ name, idleMs, signal: ending, log, fatal: chainFaults, pass, backoff: { firstMs: 250, capMs } })
    const heartbeat = loop('heartbeat', 1_000, async () => {
      await chain.check()
      return retiring ? 'wait' : beat()
    })
    // A coordinator that is back has work at once, so it is asked often.
    const leases = [...modules.coordinators.keys()].map((url) => loop('lease', 500, (own) => leasePass(modules, url, own), 2_000))
    const prove = loop('prove', 1_000, (own) => provePass(modules, own))
    const deliver = loop('deliver', 500, () => deliverPass(modules))
    modules.wake = { prove: () => prove.wake(), deliver: () => deliver.wake(), lease: () => leases.forEach((lease) => lease.wake()) }
    const done = Promise.all([heartbeat, ...leases, prove, deliver].map((each) => each.done))
    done.catch(fail)
    stack.add('loops', async () => {
      stop.abort()
      await done.catch(() => undefined)
    })

    const proverStore = { address: addressOf(deployment, 'ProverStore'), abi: proverStoreAbi } as const
    const inflight = (): Promise<number> =>
      ask(
        chain,
        { to: proverStore.address, function: 'inflight' },
        chain.public.readContract({ ...proverStore, functionName: 'inflight', args: [prover] }),
      )
    const offline = async (): Promise<boolean> => {
      const reading = chain.public.readContract({ ...proverStore, functionName: 'statusOf', args: [prover], blockTag: 'pending' })
      return (await ask(chain, { to: proverStore.address, function: 'statusOf' }, reading)) < 2
    }
    return {
      prover,
      async retire() {
        retiring = true
        // A pause ends new assignments now; a key that was rotated on chain already may not pause, and is offline when its last heartbeat is old.
        await sender.send({ ...proverStore, functionName: 'pause', args: [] }).catch((error: unknown) => {
          log.debug({ prover, err: toTrellisError(error) }, 'the old key does not pause')
        })
        const until = Date.now() + retireLimitMs
        while (!ending.aborted && Date.now() < until) {
          try {
            if ((await offline()) && (await inflight()) === 0) break
          } catch (error) {
            log.debug({ prover, err: toTrellisError(error) }, 'the old key is not looked at')
          }
          await sleep(1_000, ending)
        }
        await close()
        log.info({ prover }, 'the old key has nothing left to do')
      },
      close,
    }
  } catch (error) {
    await stack.close()
    throw error
  }
}
