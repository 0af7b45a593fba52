// SPDX-License-Identifier: Apache-2.0
/** Any number of devices registered on a development chain: the same calls as onboarding makes, signed by the same keys, many to a request. */
import { type Address, encodeFunctionData, type Hex, keccak256, type PublicClient, toBytes } from 'viem'
import type { ProjectOwner } from '../../../agents/cli/local/project-owner.ts'
import { dataKeyRegistryAbi, deviceNFTAbi, ioIDRegistryAbi, ioIDStoreAbi } from '../../../agents/protocol/generated/abi.ts'
import type { DeviceSigner } from '../../../agents/sdk/signer.ts'

const AT_ONCE = 25
/** Enough for each call, and for all at once in a block. */
const GAS = '0xc3500'

/** Registers devices and binds their data keys. `from` must be unlocked at the chain, which mines for nobody else meanwhile. @throws Error when one of them is not live in the end */
export async function registerInBulk(
  client: PublicClient,
  owner: ProjectOwner,
  place: { project: bigint; collection: Address; deadline: bigint },
  signers: readonly DeviceSigner[],
): Promise<void> {
  const { project, collection, deadline } = place
  const from = owner.address
  const send = async (calls: readonly { to: Address; data: Hex }[]): Promise<void> => {
    for (let i = 0; i < calls.length; i += AT_ONCE) {
      const requests = calls.slice(i, i + AT_ONCE).map(({ to, data }) => ({ from, to, data, gas: GAS }))
      // In the order they were made: nonces are given by the node. One block for all of them: each block costs the node more than the calls in it.
      const hashes: Hex[] = []
      for (const request of requests)
        hashes.push(await client.request({ method: 'eth_sendTransaction' as never, params: [request] as never }))
      await client.request({ method: 'evm_mine' as never })
      const receipts = await Promise.all(hashes.map((hash) => client.waitForTransactionReceipt({ hash })))
      const reverted = receipts.findIndex(({ status }) => status !== 'success')
      if (reverted >= 0)
        throw new Error(`call ${i + reverted} of ${calls.length} reverted: ${hashes[reverted]!} to ${calls[i + reverted]!.to}`)
    }
  }
  await client.request({ method: 'evm_setAutomine' as never, params: [false] as never })
  const minted = await client.readContract({ address: collection, abi: deviceNFTAbi, functionName: 'total' })
  const count = BigInt(signers.length)
  const firstToken = await owner.nextTokenId()
  const mint = { to: collection, data: encodeFunctionData({ abi: deviceNFTAbi, functionName: 'mint', args: [from] }) }
  await send([
    { to: owner.at('IoIDStore'), data: encodeFunctionData({ abi: ioIDStoreAbi, functionName: 'applyIoIDs', args: [project, count] }) },
    { to: collection, data: encodeFunctionData({ abi: deviceNFTAbi, functionName: 'configureMinter', args: [from, count] }) },
    ...signers.map(() => mint),
  ])
  for (let i = 0; i < signers.length; i += AT_ONCE) {
    const calls = signers.slice(i, i + AT_ONCE).map(async (signer, j) => {
      const { device } = signer.publicKeys
      const tokenId = minted + BigInt(i + j) + 1n
      const item = { deviceContract: collection, tokenId, hash: keccak256(toBytes(device)), uri: `bulk:${device}` }
      const { typed } = await signer.registration({ owner: from as Address, nonce: 0n, deadline, ...item })
      const { deviceContract, hash, uri } = item
      // Fields in the order of the ABI: the overload is found by them.
      const args = [{ deviceContract, tokenId, user: from, device, hash, uri }, deadline, typed.signature, '0x'] as const
      const register = { to: owner.at('IoIDRegistry'), data: encodeFunctionData({ abi: ioIDRegistryAbi, functionName: 'register', args }) }
      const key = await signer.dataKey({ tokenId: firstToken + BigInt(i + j), fromWindow: 0, deadline })
      const bound = [project, device, key.key, key.eighth, key.fromWindow, key.deadline, key.deviceSignature, key.keySignature] as const
      const bind = {
        to: owner.at('DataKeyRegistry'),
        data: encodeFunctionData({ abi: dataKeyRegistryAbi, functionName: 'bind', args: bound }),
      }
      return [register, bind]
    })
    await send((await Promise.all(calls)).flat())
  }
  await client.request({ method: 'evm_setAutomine' as never, params: [true] as never })
  for (const signer of [signers[0]!, signers.at(-1)!])
    if (!(await owner.hasDataKey(project, signer.publicKeys.device))) throw new Error('devices were not registered in bulk')
}
