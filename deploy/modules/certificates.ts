// SPDX-License-Identifier: Apache-2.0
/** Certificates of devices, which know the registry of devices and nobody else. */
import type { Deployer } from '../deployer.ts'

export async function deployCertificates(deployer: Deployer): Promise<void> {
  const [manager, registry] = ['AccessManager', 'IoIDRegistry'].map((name) => deployer.contracts.get(name)!.address)
  await deployer.proxy('CertificateRegistry', 'CertificateRegistry', { functionName: 'initialize', args: [] }, [manager, registry])
}
