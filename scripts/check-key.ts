// SPDX-License-Identifier: Apache-2.0
/**
 * Says whether a proving key may serve a network that is not local: `check-key.ts --r1cs F --key F --ptau F --ptau-sha256 HEX [--json]`. Exit code 0:
 * yes. With --json the last line of stdout is the report (contributions, beacon, keyHash, verificationKey) or `{"error": …}`. Deploy runs this.
 */
import { parseArgs } from 'node:util'
import { TrellisError, toTrellisError } from '../agents/protocol/errors.ts'
import { checkProvingKey } from '../agents/prover/circom/key-check.ts'

const text = { type: 'string' } as const
const asJson = process.argv.includes('--json')
try {
  const options = { r1cs: text, key: text, ptau: text, 'ptau-sha256': text, json: { type: 'boolean' } } as const
  const { r1cs, key, ptau, 'ptau-sha256': ptauSha256 } = parseArgs({ options }).values
  if (r1cs === undefined || key === undefined || ptau === undefined || ptauSha256 === undefined) {
    throw new TrellisError({
      code: 'FLAGS_MISSING',
      message: 'A key is checked against a circuit and powers of tau.',
      next: 'give --r1cs, --key, --ptau and --ptau-sha256',
    })
  }
  const report = await checkProvingKey({ r1cs, provingKey: key, ptau, ptauSha256 })
  console.log(asJson ? JSON.stringify(report) : `key ok  ${report.contributions} contributions, beacon ${report.beacon}`)
  process.exit(0)
} catch (error) {
  const known = toTrellisError(error)
  if (asJson) console.log(JSON.stringify({ error: known }))
  console.error(known.format())
  process.exit(1)
}
