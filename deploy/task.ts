// SPDX-License-Identifier: Apache-2.0
/** Action of `npx hardhat deploy`. */
export default async () => {
  console.log('hi')
}
