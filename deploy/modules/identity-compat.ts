// SPDX-License-Identifier: Apache-2.0
/** What v1's and v2's clients of ioID look for beside the core: factories of verifying proxies, the public resolver, v2's registry and collections. */
import { type Address, zeroAddress, zeroHash } from 'viem'
import { ERC6551_REGISTRY } from '../canonical/erc6551.ts'
import type { Deployer } from '../deployer.ts'
import type { Network } from '../network.ts'
import { holder } from '../roles.ts'

export async function deployIdentityCompat(deployer: Deployer, network: Network): Promise<void> {
  const at = (name: string): Address => deployer.contracts.get(name)!.address

  // One book of homes for both versions: a verifier's v1 signature counts in one proxy of all.
  await deployer.create('VerifierHomes', 'VerifierHomes')
  const parts = [at('IoIDStore'), at('ProjectRegistry'), at('DeviceNFTImplementation'), at('VerifierHomes')]
  for (const version of ['', 'V2'] as const) {
    const logic = await deployer.create(`VerifyingProxy${version}Implementation`, `VerifyingProxy${version}`, parts)
    await deployer.create(`UniversalFactory${version}`, `UniversalFactory${version}`, [logic.address])
  }
  await deployer.create('PublicResolver', 'PublicResolver', [at('IoID')])

  const owner = holder(deployer, network.administrator)
  await deployer.proxy('IoIDRegistryV2', 'IoIDRegistryV2', { functionName: 'initialize', args: [owner] }, [
    at('AccessManager'),
    at('IoIDRegistry'),
  ])
  // Its owner makes it the operator (IoIDRegistryV2.setOperator) when he wants to write many at once.
  const accounts = [ERC6551_REGISTRY, at('DeviceAccountProxy'), zeroAddress, zeroHash]
  await deployer.create('IoIDRegistryBatchWrapper', 'IoIDRegistryBatchWrapper', [owner, at('IoIDRegistryV2'), ...accounts])
  const template = await deployer.create('DeviceNFTTemplateImplementation', 'DeviceNFTTemplate')
  await deployer.create('DeviceNFTFactory', 'DeviceNFTFactory', [template.address])
}
