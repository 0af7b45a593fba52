// SPDX-License-Identifier: Apache-2.0
/** The Groth16 verifier, the program registry, and the verification keys of this repository's circuits. */
import type { Deployer } from '../deployer.ts'
import type { ProgramKey } from '../program-keys.ts'

export async function deployVerifiers(deployer: Deployer, local: boolean, keys: readonly ProgramKey[]): Promise<void> {
  const manager = deployer.contracts.get('AccessManager')!.address
  const verifier = (await deployer.create('Groth16Verifier', 'Groth16Verifier')).address
  const registry = (await deployer.create('ProgramRegistry', 'ProgramRegistry', [manager, local])).address

  for (const key of keys) {
    await deployer.ensure(
      `${key.name}: verification key ${key.keyId.slice(0, 10)}…`,
      () => deployer.read<bigint>('Groth16Verifier', verifier, 'signalsOf', [key.keyId]),
      BigInt(key.signals),
      () => deployer.write('Groth16Verifier', verifier, 'registerKey', [key.bytes]),
    )
    const want = [verifier, key.keyId, key.keyHash, key.insecure]
    await deployer.ensure(
      `${key.name}: program`,
      // `program` reverts for an unknown id; `verifierOf` answers zeros.
      async () => {
        const [known] = await deployer.read<readonly [string, string]>('ProgramRegistry', registry, 'verifierOf', [key.programId])
        return /^0x0+$/.test(known) ? [] : deployer.read<readonly unknown[]>('ProgramRegistry', registry, 'program', [key.programId])
      },
      want,
      () => deployer.write('ProgramRegistry', registry, 'register', [key.programId, ...want]),
    )
  }
}
