// SPDX-License-Identifier: Apache-2.0
/**
 * Gas of credentials, people and fees. Each row is a whole transaction, direct on the logic's code and through the ERC-1967 proxies that are deployed.
 * `is valid` is the read that an admission makes, with its 21,000 of a transaction taken off. No peer has any of it.
 */
import { type Address, encodeFunctionData, type TransactionReceipt } from 'viem'
import {
  acceptanceTypes,
  attributesDomain,
  credentialRegistryDomain,
  issueAttributeTypes,
  offerTypes,
} from '../../../agents/protocol/eip712/credential.ts'
import { ioIDRegistryDomain, permitTypes } from '../../../agents/protocol/eip712/identity.ts'
import { deployIdentity, HASH, type IdentitySuite, key, PRICE, split, URI } from '../../fixtures/identity.ts'
import type { Row } from '../../../scripts/bench.ts'

async function measure(suite: IdentitySuite): Promise<Map<string, bigint>> {
  const { admin, owner, projectOwner, stranger, registry, deviceNFT, credentials, people, attributes, store, chainId } = suite
  const gas = new Map<string, bigint>()
  const note = (name: string, receipt: TransactionReceipt): void => void gas.set(name, receipt.gasUsed)
  const deadline = 2n ** 40n

  note('buy 100 ioIDs', await suite.send(projectOwner, store, 'applyIoIDs', [1n, 100n], 100n * PRICE))
  note('buy 100 ioIDs, overpaid, first', await suite.send(projectOwner, store, 'applyIoIDs', [1n, 100n], 100n * PRICE + 1n))
  note('claim a refund', await suite.send(projectOwner, store, 'claimRefund', [projectOwner]))
  note('burn the share that waits, first', await suite.send(stranger, store, 'flushBurn', []))

  note('create a type', await suite.send(admin, credentials, 'createType', ['calibrated', HASH, 'ipfs://schema', 7n]))
  const typeId = await suite.read<`0x${string}`>(credentials, 'typeIdOf', [admin, 'calibrated'])
  note('open an issuer', await suite.send(admin, credentials, 'setIssuer', [typeId, stranger, 1]))
  const domain = credentialRegistryDomain(chainId, credentials.address)
  // The issuer is a key of ours, so that it can sign.
  const issuer = key(50)
  await suite.send(admin, credentials, 'setIssuer', [typeId, issuer.address, 1])
  const claim = async (n: number, index: number): Promise<TransactionReceipt> => {
    const offer = {
      ...{ typeId, issuer: issuer.address, device: key(n).address, credentialHash: HASH, validFrom: 0, validUntil: 2 ** 40 - 1 },
      ...{ statusList: 0, statusIndex: index, maxPrice: 7n, nonce: BigInt(index), deadline },
    }
    const offered = await issuer.signTypedData({ domain, types: offerTypes, primaryType: 'Offer', message: offer })
    const accepted = await key(n).signTypedData({ domain, types: acceptanceTypes, primaryType: 'Acceptance', message: { offer } })
    return suite.send(owner, credentials, 'claim', [offer, offered, accepted], 7n)
  }
  for (const n of [1, 2]) {
    const tokenId = await suite.mintDevice(owner)
    const typed = { domain: ioIDRegistryDomain(chainId, registry.address), types: permitTypes, primaryType: 'Permit' } as const
    const { v, r, s } = split(await key(n).signTypedData({ ...typed, message: { owner, nonce: 0n } }))
    await suite.send(owner, registry, 'register', [deviceNFT.address, tokenId, key(n).address, HASH, URI, v, r, s])
  }
  note('claim a credential, first of all', await claim(1, 1))
  note('claim a credential, next', await claim(2, 2))
  note('claim a credential, renewal', await claim(1, 3))
  const data = encodeFunctionData({ abi: credentials.abi, functionName: 'isValid', args: [key(1).address, typeId] })
  const receipt = await suite.client.estimateGas({ account: owner, to: credentials.address, data })
  gas.set('is valid', receipt - 21_000n)

  const set = (list: bigint, indices: readonly bigint[] | bigint): Promise<TransactionReceipt> =>
    typeof indices === 'bigint'
      ? suite.send(stranger, credentials, 'setStatus(uint256,uint256,bool)', [list, indices, true])
      : suite.send(stranger, credentials, 'setStatus(uint256,uint256[],bool)', [list, indices, true])
  note('revoke one, first of its 256', await set(0n, 0n))
  note('revoke one, next of its 256', await set(0n, 1n))
  const many = (size: number, step: bigint): bigint[] => Array.from({ length: size }, (_, i) => 256n + BigInt(i) * step)
  note('revoke 256 side by side', await set(0n, many(256, 1n)))
  note('revoke 256 far apart', await set(0n, many(256, 500n)))

  note('register a person', await suite.send(owner, people, 'register(bytes32,string)', [HASH, URI]))
  const holder = key(3)
  const message = {
    issuer: stranger,
    holder: holder.address,
    typeId,
    dataHash: HASH,
    uri: URI,
    validUntil: 2 ** 40 - 1,
    nonce: 0n,
    deadline,
  }
  const consent = await holder.signTypedData({
    domain: attributesDomain(chainId, attributes.address),
    types: issueAttributeTypes,
    primaryType: 'IssueAttribute',
    message,
  })
  const issue = [holder.address as Address, typeId, HASH, URI, message.validUntil, deadline, consent]
  note('issue an attribute', await suite.send(stranger, attributes, 'issue', issue))
  note('revoke an attribute', await suite.send(stranger, attributes, 'revoke', [1n]))
  return gas
}

/** Rows of the gas bench. */
export async function rows(): Promise<Row[]> {
  const proxied = await measure(await deployIdentity())
  const suite = await deployIdentity()
  for (const [proxy, logic] of suite.logics) {
    await suite.provider.request({ method: 'hardhat_setCode', params: [proxy, await suite.client.getCode({ address: logic })] })
  }
  const direct = await measure(suite)
  const row = (name: string, ours: bigint): Row => ({
    ...{ case: name, unit: 'gas', ours: Number(ours), peer: null, peerName: null, ratio: null, target: null, ok: true },
  })
  return [...direct].flatMap(([name, gas]) => [row(name, gas), row(`${name}, behind proxies`, proxied.get(name)!)])
}
