// SPDX-License-Identifier: Apache-2.0
/** Gas of certificates: whole transactions, direct on the logic's code and behind the proxies that are deployed; `status` is what a contract pays to ask. */
import { sha256, stringToBytes, zeroHash, type Hex } from 'viem'
import { certificateRegistryDomain, certificateTypes } from '../../../agents/protocol/eip712/certificates.ts'
import { ioIDRegistryDomain, permitTypes } from '../../../agents/protocol/eip712/identity.ts'
import { deviceId } from '../../../agents/protocol/ids.ts'
import { certIdOf, type CertificateRecord } from '../../../agents/sdk/x509/certificate.ts'
import { deployIdentity, HASH, type IdentitySuite, key, split, URI } from '../../fixtures/identity.ts'
import type { Row } from '../../../scripts/bench.ts'

const DEPTH = 5

async function measure(suite: IdentitySuite): Promise<Map<string, bigint>> {
  const { owner, registry, certificates, deviceNFT, chainId, client } = suite
  const gas = new Map<string, bigint>()
  const deadline = 2n ** 40n
  // A fixed time, since each zero byte of a date makes call data cheaper.
  const now = 2_000_000_000
  await suite.provider.request({ method: 'evm_setNextBlockTimestamp', params: [now] })
  const ids: Hex[] = []
  for (let n = 0; n < DEPTH; n += 1) {
    const device = key(n)
    const tokenId = await suite.mintDevice(owner)
    const domain = ioIDRegistryDomain(chainId, registry.address)
    const permit = split(await device.signTypedData({ domain, types: permitTypes, primaryType: 'Permit', message: { owner, nonce: 0n } }))
    const args = [deviceNFT.address, tokenId, device.address, HASH, URI, permit.v, permit.r, permit.s]
    await suite.send(owner, registry, 'register(address,uint256,address,bytes32,string,uint8,bytes32,bytes32)', args)
    const record: CertificateRecord = {
      ...{ digest: sha256(stringToBytes(`certificate ${n}`)), device: deviceId(device.address), parent: ids[n - 1] ?? zeroHash },
      ...{ spkiHash: sha256(stringToBytes(`key ${n}`)), notBefore: now, notAfter: now + 86_400 },
      ...{ ca: n < DEPTH - 1, pathLen: Math.max(0, DEPTH - 2 - n), name: 'fleet.example', replaces: zeroHash },
    }
    const sign = async (by: number): Promise<Hex> =>
      key(by).signTypedData({
        ...{ domain: certificateRegistryDomain(chainId, certificates.address), types: certificateTypes, primaryType: 'Certificate' },
        // The first certificate of each device.
        message: { ...record, tokenId: await suite.read<bigint>(suite.ioID, 'tokenIdOf', [record.device]), generation: 0, deadline },
      })
    const signatures = n === 0 ? [await sign(0), '0x'] : [await sign(n - 1), await sign(n)]
    const { gasUsed } = await suite.send(owner, certificates, 'publish', [record, deadline, ...signatures])
    ids.push(certIdOf(record))
    if (n === 0) gas.set('publish a root certificate', gasUsed)
    if (n === 1) gas.set('publish a certificate below another', gasUsed)
    if (n === DEPTH - 1) gas.set('publish a certificate below four others', gasUsed)
    const asked = await client.estimateContractGas({ ...certificates, account: owner, functionName: 'status', args: [ids[n]!] })
    if (n === 0) gas.set('status of a root certificate, as a transaction', asked)
    if (n === DEPTH - 1) gas.set('status below four others, as a transaction', asked)
  }
  gas.set('revoke a certificate', (await suite.send(owner, certificates, 'revoke', [ids[DEPTH - 1], deadline, '0x'])).gasUsed)
  gas.set('void all certificates of a device', (await suite.send(owner, certificates, 'voidAll', [key(0).address, deadline, '0x'])).gasUsed)
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
  return [...direct].flatMap(([name, ours]) => [row(name, ours), row(`${name}, behind proxies`, proxied.get(name)!)])
}
