// SPDX-License-Identifier: Apache-2.0
/** The mintable token of local networks. Elsewhere the network file names a token. */
import type { Deployer } from '../deployer.ts'
import type { Network } from '../network.ts'

export async function deployToken(deployer: Deployer, network: Network): Promise<void> {
  if (network.token === 'test-token') await deployer.create('TestToken', 'TestToken')
}
