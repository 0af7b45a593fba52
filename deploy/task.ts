// SPDX-License-Identifier: Apache-2.0
/** Action of `npx hardhat deploy --network NAME [--json]`. */
import type { HardhatRuntimeEnvironment } from 'hardhat/types/hre'
import { TrellisError } from '../agents/protocol/errors.ts'
import { readNetwork } from './network.ts'
import { deploySuite } from './suite.ts'

export default async function deploy(
  { json, backOut }: { json: boolean; backOut: boolean },
  hre: HardhatRuntimeEnvironment,
): Promise<void> {
  const say = json ? console.error : console.log
  try {
    const network = readNetwork(hre.globalOptions.network ?? 'localhost')
    const keyFile = process.env['TRELLIS_DEPLOYER_KEYSTORE']
    const result = await deploySuite({
      network,
      stateFolder: process.env['TRELLIS_STATE'],
      key: keyFile === undefined ? undefined : { keyFile, passwordFile: process.env['TRELLIS_DEPLOYER_PASSWORD_FILE'] },
      backOut,
      onStep: ({ what, sent }) => say(`${sent ? 'sent ' : 'there'}  ${what}`),
    })
    for (const { name, address } of result.contracts.values()) say(`${name.padEnd(30)} ${address}`)
    for (const { name, proxy, to, state, due, data } of result.upgrades) {
      const when = due === null ? '' : `, from ${new Date(due * 1000).toISOString()} on: run this again then`
      say(`${state.padEnd(9)} upgrade of ${name} to ${to}${when}`)
      if (state === 'not ours')
        say(`          the upgrade role calls AccessManager.schedule(${proxy}, ${data}, 0), after its delay execute(${proxy}, ${data})`)
    }
    // As sysexits' EX_TEMPFAIL: nothing is wrong, and something is left to do.
    if (result.upgrades.some(({ state }) => state !== 'done')) process.exitCode = 75
    say(`${result.sent} transactions; addresses are in ${result.file}`)
    if (json) console.log(JSON.stringify(Object.fromEntries([...result.contracts.values()].map(({ name, address }) => [name, address]))))
  } catch (error) {
    if (!(error instanceof TrellisError)) throw error
    console.error(`\n${error.format()}\n`)
    process.exitCode = 1
  }
}
