// SPDX-License-Identifier: Apache-2.0
/** The SDK without I/O: keys, DID document, signatures, and what a device does not sign. */
import { createHash } from 'node:crypto'
import { expect } from 'chai'
import { hexToBytes, recoverTypedDataAddress, toHex } from 'viem'
import { mul } from '../../../agents/crypto/babyjubjub.ts'
import { verifyPoseidon } from '../../../agents/crypto/eddsa.ts'
import { es256kVerify } from '../../../agents/crypto/es256k.ts'
import { verifyPossession } from '../../../agents/crypto/schnorr.ts'
import { canonicalHash, canonicalJson, type Json } from '../../../agents/protocol/canonical-json.ts'
import { removeTypes, rotateTypes, updateTypes } from '../../../agents/protocol/eip712/identity.ts'
import { envelopeDigests } from '../../../agents/protocol/envelope.ts'
import { acceptanceTypes } from '../../../agents/protocol/eip712/credential.ts'
import { channelIdOf, type Hex, projectId } from '../../../agents/protocol/ids.ts'
import { decodeDataSignature, packWindow, readingsRoot, windowMessage } from '../../../agents/protocol/window.ts'
import { createDidDocument } from '../../../agents/sdk/did-document.ts'
import { createKeys, publicKeysOf } from '../../../agents/sdk/keys.ts'
import { createDeviceSigner } from '../../../agents/sdk/signer.ts'
import { knownTypes, signTypedData, type TypedDataRequest, typedData } from '../../../agents/sdk/typed-data.ts'

const secret = (name: string): Uint8Array => createHash('sha256').update(name).digest()
const keys = { identity: secret('identity'), data: secret('data') }
const places = { chainId: 31_337, ioIDRegistry: `0x${'a2'.repeat(20)}`, dataKeyRegistry: `0x${'a1'.repeat(20)}` } as const
const signer = createDeviceSigner({ keys, project: projectId(7), ...places })
const { device, identityKey, dataKey, eighth } = signer.publicKeys

describe('sdk/keys', () => {
  it('derives the identifier, the data key and its eighth', () => {
    expect(device).to.equal(signer.publicKeys.signer)
    expect(mul(eighth, 8n)).to.deep.equal(dataKey)
    expect(publicKeysOf(keys)).to.deep.equal(signer.publicKeys)
    const rotated = publicKeysOf({ ...keys, identity: secret('next') }, device)
    expect(rotated.device).to.equal(device)
    expect(rotated.signer).to.not.equal(device)
  })

  it('draws again when the identity key is no scalar', () => {
    const draws = [new Uint8Array(32), secret('good'), secret('data')]
    expect(createKeys(() => draws.shift()!)).to.deep.equal({ identity: secret('good'), data: secret('data') })
  })
})

describe('sdk/did-document', () => {
  it('names both keys and is hashed by its canonical text', () => {
    const { did, document, text, hash } = createDidDocument(signer.publicKeys, [
      { id: 'gateway', type: 'TrellisGateway', serviceEndpoint: 'http://127.0.0.1:8083' },
    ])
    expect(did).to.equal(`did:io:${device}`)
    expect(canonicalJson(JSON.parse(text) as Json)).to.equal(text)
    expect(hash).to.equal(canonicalHash(document))
    const [identity, data] = (document as { verificationMethod: { publicKeyJwk: Record<string, string> }[] }).verificationMethod
    expect(Buffer.from(identity!.publicKeyJwk['x']!, 'base64url')).to.deep.equal(Buffer.from(identityKey.subarray(1, 33)))
    expect(data!.publicKeyJwk).to.include({ crv: 'BabyJubjub', alg: 'EdDSA-Poseidon' })
    expect(BigInt(toHex(Buffer.from(data!.publicKeyJwk['y']!, 'base64url')))).to.equal(dataKey.y)
  })
})

describe('sdk/signer', () => {
  const digests = envelopeDigests(places)

  it('signs readings and windows so that both kinds of signature verify', () => {
    const reading = signer.reading({ sequence: 3, time: 100, channel: 'humidity', value: '45.93' }, 2)
    expect(es256kVerify(hexToBytes(reading.signature), digests.reading(reading, 4593n, 2), identityKey)).to.equal(true)
    const content = packWindow(channelIdOf('humidity'), 3, [{ time: 100, laneValue: 8593 }])
    const window = signer.window({ index: 1, content }, 'humidity')
    const root = readingsRoot(content)
    expect(es256kVerify(hexToBytes(window.signature), digests.window(window, root), identityKey)).to.equal(true)
    const subject = { ...places, project: 7n, device, windowIndex: 1, firstSequence: 3, count: 1, root }
    expect(verifyPoseidon(windowMessage(subject), decodeDataSignature(window.dataSignature)!, dataKey)).to.equal(true)
    expect(() => signer.reading({ sequence: 3, time: 100, channel: 'humidity', value: '45.931' }, 2)).to.throw('fraction digits')
  })

  it('consents to its registration in the legacy and in the typed form', async () => {
    const request = {
      owner: `0x${'01'.repeat(20)}`,
      deviceContract: `0x${'02'.repeat(20)}`,
      tokenId: 5n,
      hash: `0x${'03'.repeat(32)}`,
      uri: 'http://x/y',
      nonce: 2n,
      deadline: 99n,
    } as const
    const { legacy, typed } = await signer.registration(request)
    const domain = { name: 'ioIDRegistry', version: '1', chainId: 31_337, verifyingContract: places.ioIDRegistry } as const
    const Permit = [
      { name: 'owner', type: 'address' },
      { name: 'nonce', type: 'uint256' },
    ] as const
    const message = { owner: request.owner, nonce: 2n }
    const { v, r, s, signature } = legacy
    expect(
      (await recoverTypedDataAddress({ domain, types: { Permit }, primaryType: 'Permit', message, signature })).toLowerCase(),
    ).to.equal(device)
    expect(`${r}${s.slice(2)}${v.toString(16)}`).to.equal(signature)
    const Register = [
      { name: 'deviceContract', type: 'address' },
      { name: 'tokenId', type: 'uint256' },
      { name: 'user', type: 'address' },
      { name: 'device', type: 'address' },
      { name: 'hash', type: 'bytes32' },
      { name: 'uri', type: 'string' },
      { name: 'nonce', type: 'uint256' },
      { name: 'deadline', type: 'uint256' },
    ] as const
    const { owner: user, ...rest } = request
    const recovered = await recoverTypedDataAddress({
      domain,
      types: { Register },
      primaryType: 'Register',
      message: { ...rest, user, device },
      signature: typed.signature,
    })
    expect(recovered.toLowerCase()).to.equal(device)
  })

  it('consents to another document, to its removal and, as the new key, to a rotation', async () => {
    const domain = { name: 'ioIDRegistry', version: '1', chainId: 31_337, verifyingContract: places.ioIDRegistry } as const
    const next = { ...keys, identity: secret('next') }
    const rotated = createDeviceSigner({ keys: next, device, project: projectId(7), ...places })
    const { signer: newSigner } = rotated.publicKeys
    const document = { hash: `0x${'03'.repeat(32)}`, uri: 'http://x/y' } as const
    const of = { nonce: 2n, deadline: 99n }
    for (const [primaryType, message, signature, by] of [
      ['Update', { device, ...document, ...of }, await signer.update({ ...document, ...of }), device],
      ['Remove', { device, ...of }, await signer.removal(of), device],
      ['Rotate', { device, newSigner, ...of }, await rotated.rotation(of), newSigner],
    ] as const) {
      const types = { ...updateTypes, ...removeTypes, ...rotateTypes }
      expect((await recoverTypedDataAddress({ domain, types, primaryType, message, signature } as never)).toLowerCase()).to.equal(by)
    }
  })

  it('accepts a credential for itself, whole, and for nobody else', async () => {
    const credentialRegistry = `0x${'cc'.repeat(20)}` as const
    const able = createDeviceSigner({ keys, project: projectId(7), ...places, credentialRegistry })
    const hash: Hex = `0x${'11'.repeat(32)}`
    const offer = {
      ...{ typeId: hash, issuer: places.dataKeyRegistry, device, credentialHash: hash, validFrom: 1, validUntil: 2 },
      ...{ statusList: 0, statusIndex: 3, maxPrice: 4n, nonce: 5n, deadline: 6n },
    }
    const domain = { name: 'CredentialRegistry', version: '1', chainId: 31_337, verifyingContract: credentialRegistry } as const
    const signature = await able.credential(offer)
    const typed = { domain, types: acceptanceTypes, primaryType: 'Acceptance', message: { offer }, signature } as const
    expect((await recoverTypedDataAddress(typed)).toLowerCase()).to.equal(device)
    const codeOf = (work: Promise<unknown>): Promise<string> =>
      work.then(
        () => 'signed',
        (error: unknown) => (error as { code: string }).code,
      )
    expect(await codeOf(able.credential({ ...offer, device: places.dataKeyRegistry }))).to.equal('SIGN_REFUSED')
    expect(await codeOf(signer.credential(offer))).to.equal('SIGN_REFUSED')
    const { nonce: _, ...short } = offer
    expect(await codeOf(able.credential(short as typeof offer))).to.equal('SIGN_REFUSED')
  })

  it('binds its data key by both keys', async () => {
    const offer = await signer.dataKey({ tokenId: 4n, fromWindow: 0, deadline: 99n })
    const domain = { name: 'DataKeyRegistry', version: '1', chainId: 31_337, verifyingContract: places.dataKeyRegistry } as const
    const message = { projectId: 7n, device, tokenId: 4n, keyX: dataKey.x, keyY: dataKey.y, fromWindow: 0, deadline: 99n }
    const types = { BindDataKey: knownTypes.BindDataKey }
    const recovered = await recoverTypedDataAddress({
      domain,
      types,
      primaryType: 'BindDataKey',
      message,
      signature: offer.deviceSignature,
    })
    expect(recovered.toLowerCase()).to.equal(device)
    const binding = { chainId: 31_337n, registry: places.dataKeyRegistry, project: 7n, device, tokenId: 4n, fromWindow: 0, deadline: 99n }
    expect(verifyPossession(binding, offer.key, offer.keySignature)).to.equal(true)
    expect(verifyPossession({ ...binding, fromWindow: 1 }, offer.key, offer.keySignature)).to.equal(false)
    expect(offer.eighth).to.deep.equal(eighth)
  })
})

describe('sdk/typed-data', () => {
  const permit = typedData(places, 'Permit', { owner: device, nonce: 0n })
  const sign = (request: TypedDataRequest): Promise<Hex> => signTypedData(keys.identity, places, request)
  const refused = async (request: TypedDataRequest): Promise<string> =>
    sign(request).then(
      () => 'signed',
      (error: unknown) => (error as Error).message,
    )

  it('signs what it knows, also when the domain type is spelled out', async () => {
    const EIP712Domain = [{ name: 'name', type: 'string' }]
    expect(await sign({ ...permit, types: { ...permit.types, EIP712Domain } })).to.equal(await sign(permit))
  })

  it('does not sign anything else', async () => {
    const wallet: TypedDataRequest = {
      domain: { name: 'Wallet', version: '1', chainId: 31_337, verifyingContract: device },
      types: { Execute: [{ name: 'to', type: 'address' }] },
      primaryType: 'Execute',
      message: { to: device },
    }
    expect(await refused(wallet)).to.contain('this type is not known')
    expect(await refused({ ...permit, primaryType: 'constructor' })).to.contain('this type is not known')
    expect(await refused({ ...permit, domain: { ...permit.domain, chainId: 1 } })).to.contain('another contract or chain')
    expect(await refused({ ...permit, domain: { ...permit.domain, verifyingContract: device } })).to.contain('another contract or chain')
    expect(await refused({ ...permit, domain: { ...permit.domain, salt: `0x${'00'.repeat(32)}` } })).to.contain('another contract or chain')
    expect(await refused({ ...permit, types: { Permit: [{ name: 'owner', type: 'address' }] } })).to.contain(
      'the fields of the type differ',
    )
    expect(await refused({ ...permit, types: { ...permit.types, Extra: [] } })).to.contain('the fields of the type differ')
    expect(await refused(typedData(places, 'Acceptance', { offer: {} }))).to.contain('its contract is not known')
    expect(await refused({ ...permit, message: { owner: device } })).to.contain('other members')
    expect(await refused({ ...permit, message: { ...permit.message, more: 1 } })).to.contain('other members')
  })
})
