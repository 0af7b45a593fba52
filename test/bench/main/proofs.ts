// SPDX-License-Identifier: Apache-2.0
/**
 * Seconds per proof of sensing/window, beside snarkjs called plainly, in turns. Ours is what the prover service calls: witness, proof, and the check of
 * the proof before it is given out; the peer does not check. Every proof of both is verified after the clock has stopped.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import * as snarkjs from 'snarkjs'
import { keccak256, toBytes } from 'viem'
import { createCircomBackend, findCircuits } from '../../../agents/prover/circom/backend.ts'
import type { WindowClaim } from '../../../agents/prover/circom/input.ts'
import { windowInput, windowSignals } from '../../../agents/prover/circom/input.ts'
import { openBackend } from '../../../agents/prover/backends.ts'
import type { ProverBackend } from '../../../agents/prover/backend.ts'
import { type Address, channelIdOf, projectId } from '../../../agents/protocol/ids.ts'
import { decodeDataSignature, packWindow } from '../../../agents/protocol/window.ts'
import { createDeviceSigner } from '../../../agents/sdk/signer.ts'
import type { Row } from '../../../scripts/bench.ts'
import { at } from '../../../scripts/shell.ts'
import type { PlainAnswer, PlainRequest } from './plain-prover.ts'
import { residentMiB } from './processes.ts'
import { median, row, say } from './rows.ts'

const ALONE_ROUNDS = 5
const PAIR_ROUNDS = 3
const artifactsFolder = at('build', 'circuits')
const program = keccak256(toBytes('sensing/window/1'))
const peerName = 'snarkjs groth16.fullProve, without its check'

type Prove = (claim: WindowClaim) => Promise<() => Promise<boolean>>

/** A full window of a device; each number gives another one. */
function claimOf(number: number): WindowClaim {
  const secret = (use: string): Uint8Array => createHash('sha256').update(`trellis bench ${use}`).digest()
  const address = (byte: string): Address => `0x${byte.repeat(20)}`
  const places = { chainId: 31_337, ioIDRegistry: address('a2'), dataKeyRegistry: address('a1') }
  const keys = { identity: secret('identity'), data: secret('data') }
  const signer = createDeviceSigner({ keys, project: projectId(7), ...places })
  const readings = Array.from({ length: 64 }, (_, i) => ({ time: 1_273_363_200 + 5 * i, laneValue: (i * 7919 + number * 131) % 10_000 }))
  const window = packWindow(channelIdOf('humidity'), 64 * number, readings)
  const signature = decodeDataSignature(signer.window({ index: number, content: window }, 'humidity').dataSignature)!
  const { device, dataKey } = signer.publicKeys
  return {
    ...{ window, windowIndex: number, chainId: places.chainId, dataKeyRegistry: places.dataKeyRegistry, project: 7n },
    ...{ device, dataKey, signature, threshold: 6_000, rangeMax: 10_000, context: BigInt(number) + 1n },
  }
}

export async function proofRows(): Promise<Row[]> {
  const { wasm, provingKey, verificationKey } = findCircuits(artifactsFolder).get(program)!
  const key = JSON.parse(readFileSync(verificationKey, 'utf8')) as snarkjs.VerificationKey
  const alone = { artifactsFolder, concurrency: 1 }
  const judge = createCircomBackend({ artifactsFolder })
  const backends: ProverBackend[] = [await openBackend(alone), await openBackend(alone)]
  const plain: ChildProcess[] = [0, 1].map(() => fork(join(import.meta.dirname, 'plain-prover.ts'), { serialization: 'advanced' }))
  try {
    const states = (claim: WindowClaim, signals: readonly unknown[]): boolean =>
      Object.values(windowSignals(claim)).every((value, i) => String(value) === String(signals[i]))
    const ours = backends.map((backend): Prove => async (claim) => {
      const { proof, publicSignals } = await backend.prove(claim)
      const words = proof.map(String) as unknown as Parameters<typeof judge.verify>[1]['proof']
      return async () => states(claim, publicSignals) && judge.verify(program, { proof: words, publicSignals: publicSignals.map(String) })
    })
    const peers = plain.map((child): Prove => async (claim) => {
      const answer = await ask(child, { input: windowInput(claim), wasm, provingKey })
      if ('error' in answer) throw new Error(answer.error)
      return async () => states(claim, answer.publicSignals) && snarkjs.groth16.verify(key, answer.publicSignals, answer.proof)
    })

    let next = 0
    /** Seconds per proof when all of these provers make one at the same time. */
    const timed = async (provers: readonly Prove[]): Promise<number> => {
      const claims = provers.map(() => claimOf(next++))
      const started = performance.now()
      const checks = await Promise.all(provers.map((prove, i) => prove(claims[i]!)))
      const seconds = (performance.now() - started) / 1000 / provers.length
      for (const holds of checks) if (!(await holds())) throw new Error('a proof does not hold, or is of another statement')
      return seconds
    }
    const inTurns = async (rounds: number, provers: readonly Prove[], others: readonly Prove[]): Promise<[ours: number, peer: number]> => {
      const found: [number[], number[]] = [[], []]
      for (let round = 0; round < rounds; round++) {
        found[0].push(await timed(provers))
        found[1].push(await timed(others))
      }
      return [median(found[0]), median(found[1])]
    }

    say('proofs: warming up')
    await timed(ours)
    await timed(peers)
    const [alone, plainAlone] = await inTurns(ALONE_ROUNDS, ours.slice(0, 1), peers.slice(0, 1))
    say(`proofs: one alone ${alone.toFixed(2)} s, plain snarkjs ${plainAlone.toFixed(2)} s`)
    const [pair, plainPair] = await inTurns(PAIR_ROUNDS, ours, peers)
    say(`proofs: two at once ${pair.toFixed(2)} s each, plain snarkjs ${plainPair.toFixed(2)} s`)
    const [memory] = residentMiB([plain[0]!.pid!])
    return [
      row({ case: 'proof of a full window, one prover', unit: 's/proof', ours: alone, peer: plainAlone, peerName, better: 'less' }),
      row({ case: 'proof of a full window, two provers at once', unit: 's/proof', ours: pair, peer: plainPair, peerName, better: 'less' }),
      row({ case: 'memory of plain snarkjs after its proofs', unit: 'MiB RSS', ours: memory ?? 0, better: 'less' }),
    ]
  } finally {
    await Promise.all(backends.map((backend) => backend.close()))
    for (const child of plain) child.kill('SIGKILL')
    await judge.close()
  }
}

function ask(child: ChildProcess, request: PlainRequest): Promise<PlainAnswer> {
  return new Promise((resolve, reject) => {
    child.once('message', (answer) => resolve(answer as PlainAnswer))
    child.once('exit', (code) => reject(new Error(`the plain prover ended with ${code ?? 'a signal'}`)))
    child.send(request)
  })
}
