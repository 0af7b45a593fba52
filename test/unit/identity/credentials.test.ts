// SPDX-License-Identifier: Apache-2.0
/** Credentials as clients use them: viem signs the offer, the SDK the acceptance, and the list that a verifier reads is made from the chain. */
import { expect } from 'chai'
import { hexToBytes, type Hex } from 'viem'
import {
  attributesDomain,
  credentialRegistryDomain,
  credentialStatuses,
  issueAttributeTypes,
  offerTypes,
  personRegistryDomain,
  registerPersonTypes,
} from '../../../agents/protocol/eip712/credential.ts'
import { ioIDRegistryDomain, permitTypes } from '../../../agents/protocol/eip712/identity.ts'
import { type Address, projectId } from '../../../agents/protocol/ids.ts'
import { createDeviceSigner } from '../../../agents/sdk/signer.ts'
import { agreesWithChain, readStatus, statusListCredential, statusListEntry } from '../../../agents/sdk/status-list.ts'
import { deployIdentity, HASH, type IdentitySuite, key, split, URI } from '../../fixtures/identity.ts'

describe('credentials with real signatures', function () {
  this.timeout(60_000)
  let suite: IdentitySuite
  let typeId: Hex
  const device = key(1)
  const issuer = key(2)

  before(async function () {
    this.timeout(120_000)
    suite = await deployIdentity()
    const { registry, owner, deviceNFT, credentials, admin, chainId } = suite
    const tokenId = await suite.mintDevice(owner)
    const typed = { domain: ioIDRegistryDomain(chainId, registry.address), types: permitTypes, primaryType: 'Permit' } as const
    const { v, r, s } = split(await device.signTypedData({ ...typed, message: { owner, nonce: 0n } }))
    await suite.send(owner, registry, 'register', [deviceNFT.address, tokenId, device.address, HASH, URI, v, r, s])
    await suite.send(admin, credentials, 'createType', ['calibrated', HASH, 'ipfs://schema', 7n])
    typeId = await suite.read(credentials, 'typeIdOf', [admin, 'calibrated'])
    await suite.send(admin, credentials, 'setIssuer', [typeId, issuer.address, 1])
  })

  it('are offered, accepted, burned for, revoked, and read by one call and by the W3C list', async () => {
    const { credentials, burner, stranger, chainId, registry, dataKeys } = suite
    const offer = {
      ...{ typeId, issuer: issuer.address, device: device.address, credentialHash: HASH, validFrom: 0, validUntil: 2 ** 40 - 1 },
      ...{ statusList: 0, statusIndex: 70_000, maxPrice: 7n, nonce: 9n, deadline: 2n ** 40n },
    }
    const domain = credentialRegistryDomain(chainId, credentials.address)
    const offered = await issuer.signTypedData({ domain, types: offerTypes, primaryType: 'Offer', message: offer })
    const signer = createDeviceSigner({
      keys: { identity: hexToBytes(`0x${(0x1000001).toString(16).padStart(64, '0')}`), data: new Uint8Array(32).fill(3) },
      project: projectId(1),
      ...{ chainId, ioIDRegistry: registry.address, dataKeyRegistry: dataKeys.address, credentialRegistry: credentials.address },
    })
    expect(signer.publicKeys.device).to.equal(device.address.toLowerCase())
    await suite.send(stranger, credentials, 'claim', [offer, offered, await signer.credential(offer)], 8n)
    expect(await suite.read(credentials, 'isValid', [device.address, typeId])).to.equal(true)
    expect(await suite.read(burner, 'burned', [typeId])).to.equal(7n)
    expect(await suite.read(credentials, 'refundable', [stranger])).to.equal(1n)

    const place = { url: 'https://issuer.example/status/0', issuer: `did:io:${issuer.address.toLowerCase()}`, list: 0 }
    const words = (): Promise<readonly bigint[]> => suite.read(credentials, 'statusWords', [issuer.address, 0n, 0n, 512n])
    const before = await statusListCredential(place, await words(), new Date())
    const entry = statusListEntry(place, 70_000)
    expect(await readStatus(before, entry)).to.equal(false)
    await suite.send(await fund(issuer.address), credentials, 'setStatus(uint256,uint256,bool)', [0n, 70_000n, true])
    expect(await suite.read(credentials, 'isValid', [device.address, typeId])).to.equal(false)
    expect(credentialStatuses[await suite.read<number>(credentials, 'statusOf', [device.address, typeId])]).to.equal('revoked')
    expect(await agreesWithChain(before, await words())).to.equal(false)
    expect(await readStatus(await statusListCredential(place, await words(), new Date()), entry)).to.equal(true)
  })

  it('of people are registered and given by their typed consent', async () => {
    const { people, attributes, stranger, chainId } = suite
    const [person, deadline] = [key(3), 2n ** 40n]
    const registration = { person: person.address, hash: HASH, uri: URI, nonce: 0n, deadline }
    const domain = personRegistryDomain(chainId, people.address)
    const signed = await person.signTypedData({ domain, types: registerPersonTypes, primaryType: 'Register', message: registration })
    const register = 'register(address,bytes32,string,uint256,bytes)'
    await suite.send(stranger, people, register, [person.address, HASH, URI, deadline, signed])
    expect(await suite.read(people, 'documentHash', [person.address])).to.equal(HASH)

    const attribute = {
      issuer: issuer.address,
      holder: person.address,
      typeId,
      dataHash: HASH,
      uri: URI,
      validUntil: 2 ** 40 - 1,
      nonce: 0n,
      deadline,
    }
    const consent = await person.signTypedData({
      domain: attributesDomain(chainId, attributes.address),
      types: issueAttributeTypes,
      primaryType: 'IssueAttribute',
      message: attribute,
    })
    const issued = [person.address, typeId, HASH, URI, attribute.validUntil, deadline, consent]
    await suite.send(await fund(issuer.address), attributes, 'issue', issued)
    expect(await suite.read(attributes, 'isValid', [person.address, typeId])).to.equal(true)
    expect(await suite.read(attributes, 'locked', [1n])).to.equal(true)
  })

  /** Lets an account of ours send from the node. */
  async function fund(account: Address): Promise<Address> {
    await suite.provider.request({ method: 'hardhat_setBalance', params: [account, '0x56bc75e2d63100000'] })
    await suite.provider.request({ method: 'hardhat_impersonateAccount', params: [account] })
    return account
  }
})
