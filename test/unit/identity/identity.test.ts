// SPDX-License-Identifier: Apache-2.0
/** Identity contracts met by real clients: ethers as v1's SDK uses it, viem for the typed forms, and other people's code as oracles. */
import { expect } from 'chai'
import { Signature, Wallet } from 'ethers'
import { type Address, getAddress, type Hex, hexToBytes } from 'viem'
import { eighth, possessionHash, publicKeyOf, signPossession } from '../../../agents/crypto/index.ts'
import {
  bindDataKeyTypes,
  dataKeyRegistryDomain,
  ioIDRegistryDomain,
  migrateTypes,
  registerTypes,
  removeTypes,
  rotateTypes,
  updateTypes,
} from '../../../agents/protocol/eip712/identity.ts'
import { ERC6551_REGISTRY, ERC6551_REGISTRY_CODE } from '../../../deploy/canonical/erc6551.ts'
import { BASEPOINT_FILE, formattedBasepointSource } from '../../../scripts/generate-basepoint.ts'
import { formattedPoseidonSource, POSEIDON_FILE } from '../../../scripts/generate-poseidon.ts'
import { readFileSync } from 'node:fs'
import { deployIdentity, HASH, type IdentitySuite, key, URI } from '../../fixtures/identity.ts'

const root = new URL('../../..', import.meta.url).pathname
const deadline = 2n ** 40n

describe('identity contracts with real signatures', function () {
  this.timeout(60_000)
  let suite: IdentitySuite

  before(async function () {
    this.timeout(120_000)
    suite = await deployIdentity()
  })

  it('places the canonical ERC-6551 registry by its own transactions', async () => {
    const code = (await suite.client.getCode({ address: ERC6551_REGISTRY }))!
    expect(code).to.equal(ERC6551_REGISTRY_CODE)
  })

  it('registers a device by the legacy permit of an unchanged ethers client', async () => {
    const { registry, owner, deviceNFT, ioID } = suite
    const device = new Wallet('0x' + '51'.repeat(32))
    const tokenId = await suite.mintDevice(owner)
    const domain = { name: 'ioIDRegistry', version: '1', chainId: suite.chainId, verifyingContract: registry.address }
    const types = { Permit: [{ name: 'owner', type: 'address' }, { name: 'nonce', type: 'uint256' }] } // prettier-ignore
    const nonce = await suite.read<bigint>(registry, 'nonces', [device.address])
    const { v, r, s } = Signature.from(await device.signTypedData(domain, types, { owner, nonce }))
    await suite.send(owner, registry, 'register', [deviceNFT.address, tokenId, device.address, HASH, URI, v, r, s])

    const did = `did:io:${device.address.toLowerCase()}`
    expect(await suite.read(registry, 'documentID', [device.address])).to.equal(did)
    expect(await suite.read(registry, 'documentURI', [device.address])).to.equal(URI)
    const id = await suite.read<bigint>(registry, 'deviceTokenId', [device.address])
    const [wallet, text] = await suite.read<readonly [Address, string]>(ioID, 'wallet', [id])
    expect(text).to.equal(did)
    expect(await suite.read(ioID, 'wallet', [did])).to.equal(wallet)
    expect(await suite.read(ioID, 'wallet', [`did:io:${device.address}`])).to.equal('0x' + '00'.repeat(20))
    expect(await suite.read(deviceNFT, 'ownerOf', [tokenId])).to.equal(wallet)
  })

  it('registers, updates, rotates, migrates and removes by typed data that a stranger submits', async () => {
    const { registry, deviceNFT, stranger, ioID, projectId } = suite
    const [device, user, next] = [key(21), key(22), key(23)]
    await suite.provider.request({ method: 'hardhat_setBalance', params: [user.address, '0x8ac7230489e80000'] })
    await suite.provider.request({ method: 'hardhat_impersonateAccount', params: [user.address] })
    const tokenId = await suite.mintDevice(user.address)
    const domain = ioIDRegistryDomain(suite.chainId, registry.address)
    const nonce = () => suite.read<bigint>(registry, 'nonces', [device.address])

    const registration = { deviceContract: deviceNFT.address, tokenId, user: user.address, device: device.address, hash: HASH, uri: URI }
    const first = {
      domain,
      types: registerTypes,
      primaryType: 'Register',
      message: { ...registration, nonce: await nonce(), deadline },
    } as const
    const both = [await device.signTypedData(first), await user.signTypedData(first)]
    await suite.send(stranger, registry, 'register', [registration, deadline, ...both])

    const newHash: Hex = `0x${'77'.repeat(32)}`
    const longUri = 'http://127.0.0.1:8083/v1/documents/0x' + '77'.repeat(32)
    const update = { device: device.address, hash: newHash, uri: longUri, nonce: await nonce(), deadline }
    const second = { domain, types: updateTypes, primaryType: 'Update', message: update } as const
    await suite.send(stranger, registry, 'update(address,bytes32,string,uint256,bytes,bytes)', [
      ...[device.address, newHash, longUri, deadline],
      ...[await device.signTypedData(second), await user.signTypedData(second)],
    ])
    expect(await suite.read(registry, 'documentURI', [device.address])).to.equal(longUri)

    const rotation = { device: device.address, newSigner: next.address, nonce: await nonce(), deadline }
    const third = { domain, types: rotateTypes, primaryType: 'Rotate', message: rotation } as const
    await suite.send(stranger, registry, 'rotate', [
      ...[device.address, next.address, deadline],
      ...[await next.signTypedData(third), await user.signTypedData(third)],
    ])
    expect(await suite.read(registry, 'signerOf', [device.address])).to.equal(next.address)

    const migration = { device: device.address, user: stranger, nonce: await nonce(), deadline }
    const fourth = { domain, types: migrateTypes, primaryType: 'Migrate', message: migration } as const
    await suite.send(stranger, registry, 'migrate(address,address,uint256,bytes,bytes)', [
      ...[device.address, stranger, deadline],
      ...[await next.signTypedData(fourth), await user.signTypedData(fourth)],
    ])
    expect(await suite.read(ioID, 'ownerOf', [await suite.read(ioID, 'tokenIdOf', [device.address])])).to.equal(getAddress(stranger))

    const removal = { device: device.address, nonce: await nonce(), deadline }
    const fifth = { domain, types: removeTypes, primaryType: 'Remove', message: removal } as const
    await suite.send(stranger, registry, 'remove(address,uint256,bytes,bytes)', [
      device.address,
      deadline,
      await next.signTypedData(fifth),
      '0x',
    ])
    expect(await suite.read(registry, 'exists', [device.address])).to.equal(false)
    const [listed] = await suite.read<readonly [Address[], Address]>(ioID, 'projectIDs', [projectId, '0x' + '00'.repeat(19) + '01', 100n])
    expect(listed).not.to.include(device.address)
  })

  it('binds a data key that the device SDK would offer; hashes equal agents/crypto and circomlibjs', async () => {
    const { registry, dataKeys, ioID, projectId, owner, deviceNFT, stranger } = suite
    const device = key(31)
    const tokenOfNft = await suite.mintDevice(owner)
    const domain = ioIDRegistryDomain(suite.chainId, registry.address)
    const registration = {
      deviceContract: deviceNFT.address,
      tokenId: tokenOfNft,
      user: owner,
      device: device.address,
      hash: HASH,
      uri: URI,
    }
    const message = { ...registration, nonce: 0n, deadline }
    const byDevice = await device.signTypedData({ domain, types: registerTypes, primaryType: 'Register', message })
    await suite.send(owner, registry, 'register', [registration, deadline, byDevice, '0x'])

    const secret = hexToBytes(`0x${'5e'.repeat(32)}`)
    const point = publicKeyOf(secret)
    const tokenId = await suite.read<bigint>(ioID, 'tokenIdOf', [device.address])
    const binding = {
      ...{ chainId: BigInt(suite.chainId), registry: dataKeys.address, project: projectId },
      ...{ device: device.address, tokenId, fromWindow: 3, deadline },
    }
    const signature = signPossession(secret, binding)
    const hash = await suite.read<Hex>(dataKeys, 'possessionHash', [projectId, device.address, tokenId, point, 3, deadline, signature.r])
    expect(hexToBytes(hash)).to.deep.equal(possessionHash(binding, point, signature.r))

    const bound = { projectId, device: device.address, tokenId, keyX: point.x, keyY: point.y, fromWindow: 3, deadline }
    const typed = {
      domain: dataKeyRegistryDomain(suite.chainId, dataKeys.address),
      types: bindDataKeyTypes,
      primaryType: 'BindDataKey',
    } as const
    const consent = await device.signTypedData({ ...typed, message: bound })
    await suite.send(owner, registry, 'setRelayer', [stranger, true])
    await suite.send(stranger, dataKeys, 'bind', [projectId, device.address, point, eighth(point), 3, deadline, consent, signature])

    const { buildPoseidon } = (await import('circomlibjs')) as unknown as {
      buildPoseidon: () => Promise<{ (inputs: bigint[]): Uint8Array; F: { toObject: (value: Uint8Array) => bigint } }>
    }
    const poseidon = await buildPoseidon()
    const inputs = [binding.chainId, BigInt(dataKeys.address), projectId, BigInt(device.address), point.x, point.y]
    const commitment = await suite.read<bigint>(dataKeys, 'commitmentAt', [projectId, tokenId, 3])
    expect(commitment).to.equal(poseidon.F.toObject(poseidon(inputs)))
  })

  it('keeps the generated multiples of the base point fresh', async function () {
    this.timeout(20_000)
    expect(readFileSync(`${root}/${BASEPOINT_FILE}`, 'utf8')).to.equal(await formattedBasepointSource(root))
  })

  it('keeps the generated Poseidon fresh', async function () {
    this.timeout(20_000)
    expect(readFileSync(`${root}/${POSEIDON_FILE}`, 'utf8')).to.equal(await formattedPoseidonSource(root))
  })
})
