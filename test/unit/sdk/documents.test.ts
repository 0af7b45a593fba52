// SPDX-License-Identifier: Apache-2.0
/** DID documents read and built: the strict form, ioConnect's, other tools', and every kind of mistake. */
import { createHash } from 'node:crypto'
import { p256 } from '@noble/curves/nist.js'
import { expect } from 'chai'
import { canonicalJson, type Json } from '../../../agents/protocol/canonical-json.ts'
import type { TrellisError } from '../../../agents/protocol/errors.ts'
import { createDidDocument, createIoConnectDocument, keyDevice } from '../../../agents/sdk/did-document.ts'
import { publicKeysOf } from '../../../agents/sdk/keys.ts'
import { readDidDocument } from '../../../agents/sdk/read-document.ts'

const secret = (name: string): Uint8Array => createHash('sha256').update(name).digest()
const keys = publicKeysOf({ identity: secret('identity'), data: secret('data') })
const service = { id: 'gateway', type: 'TrellisGateway', serviceEndpoint: 'http://127.0.0.1:8083' }
const strict = (): Record<string, Json> => structuredClone(createDidDocument(keys, [service]).document) as Record<string, Json>

const refused = (document: Json): TrellisError => {
  try {
    readDidDocument(document)
  } catch (error) {
    return error as TrellisError
  }
  throw new Error('it was read')
}

// Values that ioConnect's own documentation shows for a device and its second key.
const [signX, signY] = ['LkIWOM-NEeeN0gIU0akYcVs5zIK8yIqWnLvrs2ALNd0', '-eQUT37pvLIeFx5cr5YJMyp3w4rYaD-hhVjtzsKnbDQ']
const [agreeX, agreeY] = ['AToMUwNqP6PYk_PDp9tDHr3blWpxBxyHsTcFNcMoPNE', 'E-s-PM7K_OTj8CDi7Lm3Z-eqIt6Ymr96atoRw-BlgO4']
const device = '0x6c5ea73f0824f366665a6618dc140f37652daf96'
const second = '0xcbe493edde55bedb53a274524758bf46782604ab'
const point = (x: string, y: string): Uint8Array => Uint8Array.of(4, ...Buffer.from(x, 'base64url'), ...Buffer.from(y, 'base64url'))
const ioConnect = {
  '@context': ['https://www.w3.org/ns/did/v1', 'https://w3id.org/security#keyAgreementMethod'],
  id: `did:io:${device}`,
  authentication: [`did:io:${device}#Key-p256-2147483618`],
  keyAgreement: [`did:io:${second}#Key-p256-2147483619`],
  verificationMethod: [
    {
      ...{ id: `did:io:${device}#Key-p256-2147483618`, type: 'JsonWebKey2020', controller: `did:io:${device}` },
      publicKeyJwk: { crv: 'P-256', x: signX, y: signY, kty: 'EC', kid: 'Key-p256-2147483618' },
    },
    {
      ...{ id: `did:io:${second}#Key-p256-2147483619`, type: 'JsonWebKey2020', controller: `did:io:${device}` },
      publicKeyJwk: { crv: 'P-256', x: agreeX, y: agreeY, kty: 'EC', kid: 'Key-p256-2147483619' },
    },
  ],
}

describe('sdk/did-document and sdk/read-document', () => {
  it('reads the strict form back, key by key', () => {
    const read = readDidDocument(strict())
    expect(read).to.include({ form: 'strict', device: keys.device })
    expect(read.keys.map(({ curve, relationships }) => [curve, relationships])).to.deep.equal([
      ['secp256k1', ['authentication', 'assertionMethod']],
      ['BabyJubjub', ['assertionMethod']],
    ])
    expect(read.keys[0]!.publicKey).to.deep.equal(keys.identityKey)
    expect(read.services).to.deep.equal([{ ...service, id: `did:io:${keys.device}#gateway` }])
    expect(readDidDocument({ ...strict(), alsoKnownAs: ['urn:sensor:1'] }).form).to.equal('other')
  })

  it("reads and builds ioConnect's form, to the byte", () => {
    const read = readDidDocument(ioConnect)
    expect(read).to.include({ form: 'ioConnect', device })
    expect(read.keys.map(({ curve, relationships }) => [curve, relationships])).to.deep.equal([
      ['P-256', ['authentication']],
      ['P-256', ['keyAgreement']],
    ])
    expect(read.keys.map(({ publicKey }) => keyDevice(publicKey!))).to.deep.equal([device, second])
    const built = createIoConnectDocument({
      signing: { curve: 'P-256', publicKey: point(signX!, signY!), kid: 'Key-p256-2147483618' },
      agreement: { curve: 'P-256', publicKey: point(agreeX!, agreeY!), kid: 'Key-p256-2147483619' },
    })
    expect(built.text).to.equal(canonicalJson(ioConnect))
    expect(JSON.stringify(built.document)).to.equal(JSON.stringify(ioConnect))
  })

  it('builds that form for a device of ours, whose keys are on two curves', () => {
    const { document } = createIoConnectDocument({
      signing: { curve: 'secp256k1', publicKey: keys.identityKey, kid: 'Key-secp256k1-1' },
      agreement: { curve: 'P-256', publicKey: p256.getPublicKey(secret('agreement'), false), kid: 'Key-p256-2' },
    })
    const read = readDidDocument(document)
    expect(read).to.include({ form: 'ioConnect', device: keys.device })
    expect(read.keys.map(({ curve }) => curve)).to.deep.equal(['secp256k1', 'P-256'])
  })

  it("reads ioctl's compressed keys, embedded methods, relative ids and multibase", () => {
    const id = 'did:io:0x476c81C27036D05cB5ebfe30ae58C23351a61C4A'
    const authentication = [
      {
        ...{ id: `${id}#owner`, type: 'EcdsaSecp256k1VerificationKey2019', controller: id },
        publicKeyHex: '0355237d4af6afc7f139e396329d56a4d1235c94abde9a25782241774c06cccfb6',
      },
      '#other',
    ]
    const verificationMethod = [
      {
        id: '#other',
        type: 'Ed25519VerificationKey2020',
        controller: id,
        publicKeyMultibase: 'z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK',
      },
      { id: '#unknown', type: 'Bls12381G2Key2020', controller: id },
    ]
    const read = readDidDocument({ '@context': 'https://www.w3.org/ns/did/v1', id, authentication, verificationMethod })
    expect(read).to.include({ form: 'other', device: '0x476c81c27036d05cb5ebfe30ae58c23351a61c4a' })
    expect(read.keys.map((key) => [key.id.split('#')[1], key.curve, key.relationships])).to.deep.equal([
      ['other', 'Ed25519', ['authentication']],
      ['unknown', null, []],
      ['owner', 'secp256k1', ['authentication']],
    ])
  })

  it('tells every mistake at once', () => {
    const document = strict()
    const methods = document['verificationMethod'] as { publicKeyJwk: Record<string, string> }[]
    methods[0]!.publicKeyJwk['y'] = methods[0]!.publicKeyJwk['x']!
    methods[1]!.publicKeyJwk['x'] = 'AAAA'
    const error = refused({
      ...document,
      id: 'did:web:example',
      keyAgreement: 'none',
      verificationMethod: [...methods, methods[0]!, 7] as unknown as Json,
      authentication: ['did:web:example#nowhere', 'did:ethr:0x1#elsewhere'],
      service: [{ id: 'a' }],
    })
    expect(error.code).to.equal('DOCUMENT_INVALID')
    const mistakes = Object.values(error.details).join('\n')
    for (const part of [
      ...[
        'no point of secp256k1',
        'not 32 bytes',
        'is there twice',
        'verificationMethod[3]',
        'keyAgreement: a list',
        'no verification method did:web',
      ],
      ...['service[0]', 'not a did:io'],
    ])
      expect(mistakes).to.contain(part)
    expect(mistakes).not.to.contain('elsewhere')
    expect(refused([]).code).to.equal('DOCUMENT_INVALID')
    expect(refused({ ...strict(), service: Array.from({ length: 65 }, () => service) as unknown as Json }).code).to.equal(
      'DOCUMENT_INVALID',
    )
  })

  it('refuses the neutral data key and a private key, and repeats neither', () => {
    const neutral = strict()
    const methods = neutral['verificationMethod'] as { publicKeyJwk: Record<string, string> }[]
    const word = (value: number): string => Buffer.from([...new Uint8Array(31), value]).toString('base64url')
    Object.assign(methods[1]!.publicKeyJwk, { x: word(0), y: word(1) })
    expect(Object.values(refused(neutral).details).join()).to.contain('no point of BabyJubjub')
    const leaked = strict()
    const first = (leaked['verificationMethod'] as { publicKeyJwk: Record<string, string> }[])[0]!
    first.publicKeyJwk['d'] = 'c2VjcmV0'
    const error = refused(leaked)
    expect(error.code).to.equal('DOCUMENT_HAS_SECRET')
    expect(JSON.stringify(error)).not.to.contain('c2VjcmV0')
  })
})
