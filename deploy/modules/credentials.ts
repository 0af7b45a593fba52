// SPDX-License-Identifier: Apache-2.0
/** Credentials of devices, and people with their attributes. */
import type { Address } from 'viem'
import type { Deployer } from '../deployer.ts'

export async function deployCredentials(deployer: Deployer): Promise<void> {
  const at = (name: string): Address => deployer.contracts.get(name)!.address
  const manager = at('AccessManager')
  const init = (...args: readonly unknown[]): { functionName: string; args: readonly unknown[] } => ({ functionName: 'initialize', args })
  await deployer.proxy('CredentialRegistry', 'CredentialRegistry', init(), [manager, at('IoIDRegistry'), at('Burner')])
  await deployer.proxy('PersonRegistry', 'PersonRegistry', init(), [manager])
  await deployer.proxy('Attributes', 'Attributes', init('Trellis Attributes', 'ATTRIBUTE'), [manager, at('CredentialRegistry')])
}
