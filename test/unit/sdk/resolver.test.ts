// SPDX-License-Identifier: Apache-2.0
/** The did:io resolver behind did-resolver: one result per cause, and attack 6. */
import { createHash } from 'node:crypto'
import { expect } from 'chai'
import { type DIDResolutionResult, Resolver } from 'did-resolver'
import { hashStruct, hashTypedData, keccak256, sha256, stringToBytes, type Hex } from 'viem'
import { canonicalHash } from '../../../agents/protocol/canonical-json.ts'
import { ioIDRegistryDomain, permitTypes } from '../../../agents/protocol/eip712/identity.ts'
import { TrellisError } from '../../../agents/protocol/errors.ts'
import type { Address } from '../../../agents/protocol/ids.ts'
import { createDidDocument, createIoConnectDocument } from '../../../agents/sdk/did-document.ts'
import { publicKeysOf } from '../../../agents/sdk/keys.ts'
import { type DeviceState, getResolver, type LiveDevice } from '../../../agents/sdk/resolver.ts'

const secret = (name: string): Uint8Array => createHash('sha256').update(name).digest()
const keys = publicKeysOf({ identity: secret('identity'), data: secret('data') })
const { did, text, hash, document } = createDidDocument(keys)
const [owner, proxy, ioIDRegistry]: Address[] = [`0x${'0a'.repeat(20)}`, `0x${'0b'.repeat(20)}`, `0x${'0c'.repeat(20)}`]
const live: LiveDevice = {
  ...{ tokenId: 5n, project: 7n, owner: owner!, wallet: `0x${'0d'.repeat(20)}`, signer: keys.signer },
  ...{ documentHash: hash, documentUri: 'https://docs.example/1' },
}
const unknown: DeviceState = { block: 9n, nonce: 0n, live: null, keyOf: null, retired: false }

interface Case {
  state?: Partial<DeviceState>
  live?: Partial<LiveDevice>
  served?: string | Error
  asked?: string
  accept?: string
  /** What the chain costs: calls of permitOwners. */
  searched?: () => void
}

async function resolve({ state, live: changes, served = text, asked = did, accept, searched }: Case): Promise<DIDResolutionResult> {
  const resolver = new Resolver(
    getResolver({
      chains: [
        {
          ...{ chainId: 4690, ioIDRegistry: ioIDRegistry! },
          read: async () => ({ ...unknown, nonce: 3n, live: { ...live, ...changes }, created: 1_000, updated: 2_000, ...state }),
          async permitOwners() {
            searched?.()
            return [proxy!]
          },
        },
      ],
      fetch: async () => {
        if (served instanceof Error) throw served
        return stringToBytes(served)
      },
    }),
  )
  return resolver.resolve(asked, accept === undefined ? {} : { accept })
}

const outcome = async (given: Case): Promise<unknown> => {
  const { didResolutionMetadata, didDocument } = await resolve(given)
  expect(didDocument === null).to.equal(didResolutionMetadata.error !== undefined)
  return didResolutionMetadata.error
}

describe('sdk/resolver', () => {
  it('gives the document that the chain vouches for, with what the chain says of the device', async () => {
    const searched = (): void => expect.fail('nothing is wrong, and the past was searched')
    const result = await resolve({ searched })
    expect(result.didDocument).to.deep.equal(document)
    expect(result.didResolutionMetadata).to.deep.equal({ contentType: 'application/did+json', form: 'address', hashMatch: 'bytes' })
    expect(result.didDocumentMetadata).to.deep.equal({
      ...{ created: '1970-01-01T00:16:40Z', updated: '1970-01-01T00:33:20Z', versionId: '3', canonicalId: did, chainId: 4690 },
      ...{ owner, wallet: live.wallet, signer: keys.signer, project: '7', tokenId: '5', currentKey: true },
    })
  })

  it('takes a document that is served with other spaces, when its canonical form is what was hashed', async () => {
    const { didResolutionMetadata, didDocument } = await resolve({ served: JSON.stringify(document, undefined, 2) })
    expect(didResolutionMetadata).to.include({ hashMatch: 'canonicalJson' })
    expect(didDocument).to.deep.equal(document)
    const pretty = JSON.stringify(document, undefined, 2)
    expect(await outcome({ served: pretty, live: { documentHash: keccak256(stringToBytes(pretty)) } })).to.equal(undefined)
  })

  it('reads the other forms of the DID, and names ours', async () => {
    const asked = `did:io:4690:${keys.device}`
    const { didResolutionMetadata, didDocumentMetadata } = await resolve({ asked })
    expect(didResolutionMetadata).to.include({ form: 'network' })
    expect(didDocumentMetadata).to.deep.include({ canonicalId: did, equivalentId: [asked] })
    expect(await outcome({ asked: `did:io:1:${keys.device}` })).to.equal('unsupportedForm')
    expect(await outcome({ asked: 'did:io:5RJ1UfUCLX68KeFMmuvaVsm6m5Y7yH1bkF5CC4WpHXxa' })).to.equal('unsupportedForm')
    expect(await outcome({ asked: 'did:io:ucam:0x12' })).to.equal('unsupportedForm')
    expect(await outcome({ asked: 'did:io:12345' })).to.equal('invalidDid')
  })

  it('keeps apart a device that never was, one that was removed, and a retired key', async () => {
    expect(await outcome({ state: unknown })).to.equal('notFound')
    const removed = await resolve({ state: { ...unknown, nonce: 2n } })
    expect(removed.didResolutionMetadata).to.include({ error: 'deactivated' })
    expect(removed.didDocumentMetadata).to.include({ deactivated: true, versionId: '2' })
    const retired = await resolve({ state: { ...unknown, retired: true } })
    expect(retired.didResolutionMetadata).to.include({ error: 'notFound' })
    expect(retired.didResolutionMetadata['message']).to.contain('retired')
    const current = await resolve({ state: { ...unknown, keyOf: keys.device } })
    expect(current.didResolutionMetadata['message']).to.contain(did)
  })

  it('refuses another document, one that does not come, and one that is none', async () => {
    const other = createDidDocument(keys, [{ id: 'x', type: 'X', serviceEndpoint: 'http://x' }])
    const swapped = await resolve({ served: other.text })
    expect(swapped.didResolutionMetadata).to.include({ error: 'hashMismatch', found: other.hash, documentHash: hash })
    expect(await outcome({ served: new TrellisError({ code: 'DOCUMENT_UNREADABLE', message: 'HTTP 404 at the URI.' }) })).to.equal(
      'documentUnavailable',
    )
    expect(await outcome({ served: '<html>' })).to.equal('documentUnavailable')
    expect(await outcome({ served: 'text', live: { documentHash: keccak256(stringToBytes('text')) } })).to.equal('invalidDocument')
    expect(await outcome({ live: { documentHash: `0x${'00'.repeat(32)}` } })).to.equal('hashMismatch')
    const sha = await resolve({ live: { documentHash: sha256(stringToBytes(text)) } })
    expect(sha.didResolutionMetadata).to.include({ error: 'hashMismatch' })
    expect(sha.didResolutionMetadata['message']).to.contain('SHA-256')
  })

  it('refuses a document with the right hash that is of another device, or not well formed', async () => {
    const others = createDidDocument(publicKeysOf({ identity: secret('other'), data: secret('data') }))
    expect(await outcome({ served: others.text, live: { documentHash: others.hash } })).to.equal('invalidDocument')
    const bad = { id: did, verificationMethod: 1 }
    expect(await outcome({ served: JSON.stringify(bad), live: { documentHash: canonicalHash(bad) } })).to.equal('invalidDocument')
  })

  it('attack 6: says that a digest stands where the hash of the document belongs, of any past permit and of a proxy', async () => {
    const domain = ioIDRegistryDomain(4690, ioIDRegistry!)
    const digest = (of: Address, nonce: bigint): Hex =>
      hashTypedData({ domain, types: permitTypes, primaryType: 'Permit', message: { owner: of, nonce } })
    const structHash = hashStruct({ types: permitTypes, primaryType: 'Permit', data: { owner: owner!, nonce: 0n } })
    const down = new TrellisError({ code: 'DOCUMENT_UNREADABLE', message: 'gone' })
    for (const documentHash of [digest(owner!, 0n), digest(owner!, 2n), digest(proxy!, 0n), structHash]) {
      expect(await outcome({ live: { documentHash } })).to.equal('digestInsteadOfDocument')
      expect(await outcome({ live: { documentHash }, served: down })).to.equal('digestInsteadOfDocument')
    }
    // Of somebody who never consented to anything, it is just another hash.
    expect(await outcome({ live: { documentHash: digest(`0x${'0e'.repeat(20)}`, 0n) } })).to.equal('hashMismatch')
    // What the signer of today says about yesterday's permit must not take for ever.
    expect(await outcome({ state: { nonce: 1_000_000n }, live: { documentHash: digest(owner!, 0n) } })).to.equal('hashMismatch')
  }).timeout(20_000)

  it('says whether the document names the key in use', async () => {
    const { didDocumentMetadata } = await resolve({ live: { signer: owner! } })
    expect(didDocumentMetadata).to.include({ currentKey: false })
    const { identityKey } = keys
    const io = createIoConnectDocument({
      signing: { curve: 'secp256k1', publicKey: identityKey, kid: 'a' },
      agreement: { curve: 'secp256k1', publicKey: identityKey, kid: 'b' },
    })
    const result = await resolve({ served: io.text, live: { documentHash: io.hash } })
    expect(result.didDocumentMetadata).to.include({ currentKey: true })
  })

  it('answers when the chain does not, and for other representations', async () => {
    const broken = new Resolver(
      getResolver({
        chains: [{ chainId: 1, ioIDRegistry: ioIDRegistry!, read: () => Promise.reject(new Error('down')) }],
        fetch: () => Promise.reject(new Error('never asked')),
      }),
    )
    expect((await broken.resolve(did)).didResolutionMetadata).to.include({ error: 'chainUnavailable', message: 'down' })
    expect(await outcome({ accept: 'application/did+cbor' })).to.equal('representationNotSupported')
    expect(await outcome({ accept: 'application/did+ld+json' })).to.equal(undefined)
  })
})
