// SPDX-License-Identifier: Apache-2.0
/** Says whether a proving key may serve a network that is not local: `check-key.ts --r1cs F --key F --ptau F --ptau-sha256 HEX`. Exit code 0: yes. */
import { parseArgs } from 'node:util'
import { TrellisError, toTrellisError } from '../agents/protocol/errors.ts'
import { checkProvingKey } from '../agents/prover/circom/key-check.ts'

const text = { type: 'string' } as const
try {
  const { values } = parseArgs({ options: { r1cs: text, key: text, ptau: text, 'ptau-sha256': text } })
  const { r1cs, key, ptau, 'ptau-sha256': ptauSha256 } = values
  if (r1cs === undefined || key === undefined || ptau === undefined || ptauSha256 === undefined) {
    throw new TrellisError({
      code: 'FLAGS_MISSING',
      message: 'A key is checked against a circuit and powers of tau.',
      next: 'give --r1cs, --key, --ptau and --ptau-sha256',
    })
  }
  const { contributions, beacon } = await checkProvingKey({ r1cs, provingKey: key, ptau, ptauSha256 })
  console.log(`key ok  ${contributions} contributions, beacon ${beacon}`)
  process.exit(0)
} catch (error) {
  console.error(toTrellisError(error).format())
  process.exit(1)
}
