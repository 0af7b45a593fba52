// SPDX-License-Identifier: Apache-2.0
/** Action of `npx hardhat deploy --network NAME [--json]`. */
import type { HardhatRuntimeEnvironment } from 'hardhat/types/hre'
import { TrellisError } from '../agents/protocol/errors.ts'
import { readNetwork } from './network.ts'
import { deploySuite } from './suite.ts'

export default async function deploy({ json }: { json: boolean }, hre: HardhatRuntimeEnvironment): Promise<void> {
  const say = json ? console.error : console.log
  try {
    const network = readNetwork(hre.globalOptions.network ?? 'localhost')
    const keyFile = process.env['TRELLIS_DEPLOYER_KEYSTORE']
    const result = await deploySuite({
      network,
      stateFolder: process.env['TRELLIS_STATE'],
      key: keyFile === undefined ? undefined : { keyFile, passwordFile: process.env['TRELLIS_DEPLOYER_PASSWORD_FILE'] },
      onStep: ({ what, sent }) => say(`${sent ? 'sent ' : 'there'}  ${what}`),
    })
    for (const { name, address } of result.contracts.values()) say(`${name.padEnd(30)} ${address}`)
    say(`${result.sent} transactions; addresses are in ${result.file}`)
    if (json) console.log(JSON.stringify(Object.fromEntries([...result.contracts.values()].map(({ name, address }) => [name, address]))))
  } catch (error) {
    if (!(error instanceof TrellisError)) throw error
    console.error(`\n${error.format()}\n`)
    process.exitCode = 1
  }
}
