// SPDX-License-Identifier: Apache-2.0
/** A deployment in a process of its own, to be killed: RPC and folder of the state are its arguments; prints a line for each transaction. */
import { readNetwork } from '../../deploy/network.ts'
import { deploySuite } from '../../deploy/suite.ts'

const [rpc, stateFolder] = process.argv.slice(2) as [string, string]
await deploySuite({
  network: readNetwork('localhost', { rpc }),
  stateFolder,
  onStep: ({ sent }) => {
    if (sent) process.stdout.write('sent\n')
  },
})
