// SPDX-License-Identifier: Apache-2.0
/** Wallets of devices: the canonical ERC-6551 registry and ERC-4337 EntryPoint where a chain lacks them, the logic, and the implementation that every wallet clones. */
import { TrellisError } from '../../agents/protocol/errors.ts'
import { ENTRY_POINT, entryPointCreation } from '../canonical/erc4337.ts'
import { CREATE2_FACTORY, ERC6551_REGISTRY, ERC6551_REGISTRY_CODE, ERC6551_REGISTRY_TRANSACTION_DATA } from '../canonical/erc6551.ts'
import type { Deployer } from '../deployer.ts'

export async function deployWallet(deployer: Deployer): Promise<void> {
  await deployer.ensure(
    'canonical ERC-6551 registry',
    () => deployer.hasCode(ERC6551_REGISTRY),
    true,
    () => deployer.send({ to: CREATE2_FACTORY, data: ERC6551_REGISTRY_TRANSACTION_DATA }, 'place the ERC-6551 registry'),
  )
  if ((await deployer.client.getCode({ address: ERC6551_REGISTRY })) !== ERC6551_REGISTRY_CODE) {
    throw new TrellisError({
      code: 'ERC6551_REGISTRY_STRANGE',
      message: 'The code at the canonical ERC-6551 registry is not the canonical code.',
      details: { address: ERC6551_REGISTRY },
      next: 'do not deploy on this chain: wallets would not be where everybody expects them',
    })
  }
  // Its address is the hash of its creation code: no other code can be there, on no network.
  await deployer.ensure(
    'canonical ERC-4337 EntryPoint v0.8',
    () => deployer.hasCode(ENTRY_POINT),
    true,
    () => deployer.send({ to: CREATE2_FACTORY, data: entryPointCreation() }, 'place the ERC-4337 EntryPoint'),
  )
  // The proxy keeps the logic that it was made with; a newer one is there for owners who choose it.
  const logic = await deployer.create('DeviceAccount', 'DeviceAccount', [ENTRY_POINT], {}, true)
  await deployer.create('DeviceAccountProxy', 'DeviceAccountProxy', [logic.address])
}
