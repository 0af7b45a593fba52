// SPDX-License-Identifier: GPL-3.0-or-later
/**
 * One real service in this process: `node run.ts coordinator CONFIG` or `node run.ts prover CONFIG MODE`, where the prover's backend is a double
 * that makes what `VerifierDouble` takes: good, slow:<ms>, wrong (a bad proof), other (a proof of other signals), silent (never ends).
 */
import { encodeAbiParameters, keccak256, stringToBytes } from 'viem'
import { createProverService } from '../../../agents/prover/service.ts'
import { windowSignals } from '../../../agents/prover/circom/input.ts'
import { service as coordinator } from '../../../agents/coordinator/service.ts'
import { runService, type Service } from '../../../agents/kit/service.ts'
import { programIdOf } from '../../../agents/protocol/ids.ts'

const keyId = keccak256(stringToBytes('key'))
const [, , name, file, mode = 'good'] = process.argv

const prover = createProverService(async () => ({
  programs: [programIdOf('sensing/window', 1)],
  async prove(claim) {
    if (mode === 'silent') await new Promise(() => undefined)
    if (mode.startsWith('slow:')) await new Promise((resolve) => setTimeout(resolve, Number(mode.slice(5))))
    const { context, readingsRoot, statistics, keyCommitment } = windowSignals(claim)
    const publicSignals = [context, readingsRoot, statistics, keyCommitment]
    const signed = mode === 'other' ? [context, readingsRoot, statistics + 1n, keyCommitment] : publicSignals
    const word = BigInt(keccak256(encodeAbiParameters([{ type: 'bytes32' }, { type: 'uint256[]' }], [keyId, signed])))
    return { proof: [mode === 'wrong' ? word ^ 1n : word, 0n, 0n, 0n, 0n, 0n, 0n, 0n], publicSignals }
  },
  close: async () => undefined,
}))

const service = (name === 'coordinator' ? coordinator : prover) as unknown as Service
process.exit(await runService(service, { file, env: {}, flags: {} }))
