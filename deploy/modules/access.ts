// SPDX-License-Identifier: Apache-2.0
/** The one authority. The deploying key is its administrator until the end of the deployment. */
import type { Deployer } from '../deployer.ts'

export async function deployAccess(deployer: Deployer): Promise<void> {
  await deployer.create('AccessManager', 'AccessManager', [deployer.account])
}
