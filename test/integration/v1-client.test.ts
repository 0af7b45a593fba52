// SPDX-License-Identifier: Apache-2.0
/**
 * A client as DePIN projects wrote them for ioID v1 (ethers, human-readable ABI, EIP-712 `Permit`), with our addresses and nothing else of ours: project,
 * quota, device contract, registration, wallet, document, migration, removal, paging; and through a verifying proxy that a factory made.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import {
  concat,
  Contract,
  ContractFactory,
  getBytes,
  HDNodeWallet,
  id as keccakOf,
  JsonRpcProvider,
  NonceManager,
  Signature,
  toBeHex,
  Wallet,
  zeroPadValue,
  type BaseWallet,
} from 'ethers'
import type { Address } from '../../agents/protocol/ids.ts'
import { ioIDRegistryDomain, registerTypes, verifiedRegisterTypes, verifyingProxyDomain } from '../../agents/protocol/eip712/identity.ts'
import { verifyingProxyAbi } from '../../agents/protocol/generated/abi.ts'
import { DEVELOPMENT_MNEMONIC } from '../../agents/kit/keys.ts'
import { readNetwork } from '../../deploy/network.ts'
import { deploySuite } from '../../deploy/suite.ts'
import { startAnvil, type Anvil } from './support/anvil.ts'

const PRICE = 10n ** 15n
const SENTINEL = '0x0000000000000000000000000000000000000001'

const projectRegistryAbi = ['function register(string, uint8) payable returns (uint256)', 'function project() view returns (address)']
const projectAbi = [
  'event Transfer(address indexed from, address indexed to, uint256 indexed tokenId)',
  'function name(uint256) view returns (string)',
  'function setMetadata(uint256, string, bytes)',
  'function metadata(uint256, string) view returns (bytes)',
]
const storeAbi = [
  'function price() view returns (uint256)',
  'function applyIoIDs(uint256, uint256) payable',
  'function setDeviceContract(uint256, address)',
  'function projectAppliedAmount(uint256) view returns (uint256)',
  'function projectActivedAmount(uint256) view returns (uint256)',
]
const registryAbi = [
  'function nonces(address) view returns (uint256)',
  'function register(address, uint256, address, bytes32, string, uint8, bytes32, bytes32) payable',
  'function register(address, uint256, address, address, bytes32, string, uint8, bytes32, bytes32) payable',
  'function update(address, bytes32, string, uint8, bytes32, bytes32)',
  'function remove(address, uint8, bytes32, bytes32)',
  'function migrate(address, address, uint8, bytes32, bytes32)',
  'function exists(address) view returns (bool)',
  'function deviceTokenId(address) view returns (uint256)',
  'function documentID(address) view returns (string)',
  'function documentHash(address) view returns (bytes32)',
  'function documentURI(address) view returns (string)',
  'event NewDevice(address indexed device, address owner, bytes32 hash, string uri)',
]
const ioIDAbi = [
  'function wallet(string) view returns (address)',
  'function wallet(uint256) view returns (address wallet_, string did_)',
  'function ownerOf(uint256) view returns (address)',
  'function projectDeviceCount(uint256) view returns (uint256)',
  'function projectIDs(uint256, address, uint256) view returns (address[] array, address next)',
]
const nftAbi = [
  'function initialize(string, string)',
  'function configureMinter(address, uint256)',
  'function mint(address) returns (uint256)',
  'function approve(address, uint256)',
  'function ownerOf(uint256) view returns (address)',
  'function total() view returns (uint256)',
]
const factoryAbi = [
  'function create(uint8, address, string, string, string, uint256) payable returns (address)',
  'event CreatedProxy(address indexed proxy)',
]
const proxyAbi = [
  'function register(bytes, bytes32, string, address, address, uint8, bytes32, bytes32) payable',
  'function projectId() view returns (uint256)',
  'function deviceNFT() view returns (address)',
  'function owner() view returns (address)',
  'event Registered(address indexed owner, address indexed device, uint256 deviceTokenId, uint256 ioIDTokenID)',
]

describe('a client of ioID v1', function () {
  this.timeout(120_000)
  let chain: Anvil
  let folder: string
  let provider: JsonRpcProvider
  let addresses: Record<string, string>
  const account = (index: number): HDNodeWallet => HDNodeWallet.fromPhrase(DEVELOPMENT_MNEMONIC, undefined, `m/44'/60'/0'/0/${index}`)
  const signer = (index: number): NonceManager => new NonceManager(account(index).connect(provider))

  before(async function () {
    chain = await startAnvil(this)
    folder = mkdtempSync(join(tmpdir(), 'trellis-v1-'))
    const network = { ...readNetwork('localhost', { rpc: chain.rpcUrl }), ioIDPrice: String(PRICE) }
    const suite = await deploySuite({ network, stateFolder: folder })
    addresses = Object.fromEntries([...suite.contracts].map(([name, { address }]) => [name, address]))
    provider = new JsonRpcProvider(chain.rpcUrl, undefined, { cacheTimeout: -1, pollingInterval: 25 })
  })
  after(async () => {
    provider?.destroy()
    await chain?.stop()
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true })
  })

  /** Any function by name, as v1's untyped clients call it; the receipt is waited for. */
  const send = async (contract: Contract, name: string, ...args: unknown[]) => {
    const sent = await contract.getFunction(name).send(...args)
    return (await sent.wait())!
  }
  const read = (contract: Contract, name: string, ...args: unknown[]): Promise<any> => contract.getFunction(name).staticCall(...args) // eslint-disable-line @typescript-eslint/no-explicit-any

  /** What a device in the field signs: it knows its owner and its nonce. */
  const permit = async (device: BaseWallet, owner: string): Promise<[number, string, string]> => {
    const registry = new Contract(addresses['IoIDRegistry']!, registryAbi, provider)
    const { chainId } = await provider.getNetwork()
    const domain = { name: 'ioIDRegistry', version: '1', chainId, verifyingContract: addresses['IoIDRegistry']! }
    const types = {
      Permit: [
        { name: 'owner', type: 'address' },
        { name: 'nonce', type: 'uint256' },
      ],
    }
    const { v, r, s } = Signature.from(
      await device.signTypedData(domain, types, { owner, nonce: await read(registry, 'nonces', device.address) }),
    )
    return [v, r, s]
  }

  it('goes from a project to wallets, documents, migration, removal and pages', async () => {
    const [project, user, buyer] = [signer(5), signer(6), account(7)]
    const userAddress = await user.getAddress()

    // Project, quota, device contract.
    const projects = new Contract(addresses['ProjectRegistry']!, projectRegistryAbi, project)
    const receipt = await send(projects, 'register', 'weather', 0)
    const collection = new Contract((await read(projects, 'project')) as string, projectAbi, project)
    const minted = receipt.logs.map((log) => collection.interface.parseLog(log)).find((log) => log?.name === 'Transfer')
    const projectId = minted!.args['tokenId'] as bigint
    expect(await read(collection, 'name', projectId)).to.equal('weather')
    await send(collection, 'setMetadata', projectId, 'site', '0x1234')
    expect(await read(collection, 'metadata', projectId, 'site')).to.equal('0x1234')
    const store = new Contract(addresses['IoIDStore']!, storeAbi, project)
    const price = (await read(store, 'price')) as bigint
    expect(price).to.equal(PRICE)
    await send(store, 'applyIoIDs', projectId, 5, { value: price * 5n })
    expect(await read(store, 'projectAppliedAmount', projectId)).to.equal(5n)

    // v1's projects deploy their own collection: ours behind a minimal clone, as their tools do.
    const clone = `0x3d602d80600a3d3981f3363d3d373d3d3d363d73${addresses['DeviceNFTImplementation']!.slice(2)}5af43d82803e903d91602b57fd5bf3`
    const deployed = await new ContractFactory([], clone, project).deploy()
    const nft = new Contract(await (await deployed.waitForDeployment()).getAddress(), nftAbi, project)
    await send(nft, 'initialize', 'Weather', 'WTH')
    await send(nft, 'configureMinter', await project.getAddress(), 10)
    await send(store, 'setDeviceContract', projectId, nft.target)

    // Five devices of one user.
    const registry = new Contract(addresses['IoIDRegistry']!, registryAbi, user)
    const ioID = new Contract(addresses['IoID']!, ioIDAbi, provider)
    const devices = Array.from({ length: 5 }, (_, i) => new Wallet(toBeHex(0xd0 + i, 32)))
    const hash = keccakOf('document')
    for (const [i, device] of devices.entries()) {
      await send(nft, 'mint', userAddress)
      await send(new Contract(nft.target, nftAbi, user), 'approve', addresses['IoIDRegistry'], i + 1)
      const signature = await permit(device, userAddress)
      // Both of v1's forms.
      const form = i === 0 ? [nft.target, i + 1, userAddress, device.address] : [nft.target, i + 1, device.address]
      const name = `register(${i === 0 ? 'address,uint256,address,address' : 'address,uint256,address'},bytes32,string,uint8,bytes32,bytes32)`
      const done = await send(registry, name, ...form, hash, 'http://resolver.did', ...signature)
      expect(done.logs.map((log) => registry.interface.parseLog(log)?.name)).to.include('NewDevice')
    }
    expect(await read(store, 'projectActivedAmount', projectId)).to.equal(5n)

    // DID, wallet by DID and by id, document.
    const [first, second] = [devices[0]!, devices[1]!]
    const did = `did:io:${first.address.toLowerCase()}`
    expect(await read(registry, 'documentID', first.address)).to.equal(did)
    expect(await read(registry, 'documentHash', first.address)).to.equal(hash)
    const tokenId = (await read(registry, 'deviceTokenId', first.address)) as bigint
    const wallet = (await read(ioID, 'wallet(string)', did)) as string
    expect([...((await read(ioID, 'wallet(uint256)', tokenId)) as string[])]).to.deep.equal([wallet, did])
    expect(await read(nft, 'ownerOf', 1)).to.equal(wallet)
    await send(registry, 'update', first.address, keccakOf('next'), 'http://resolver.did/2', ...(await permit(first, userAddress)))
    expect(await read(registry, 'documentURI', first.address)).to.equal('http://resolver.did/2')

    // The ioID goes to a buyer, another device goes away.
    await send(registry, 'migrate', first.address, buyer.address, ...(await permit(first, userAddress)))
    expect(await read(ioID, 'ownerOf', tokenId)).to.equal(buyer.address)
    await send(registry, 'remove', second.address, ...(await permit(second, userAddress)))
    expect(await read(registry, 'exists', second.address)).to.equal(false)
    expect(await read(ioID, 'wallet(string)', `did:io:${second.address.toLowerCase()}`)).to.equal(`0x${'00'.repeat(20)}`)

    // Pages, from the sentinel until `next` is zero.
    const listed: string[] = []
    let next = SENTINEL
    for (let pages = 0; next !== `0x${'00'.repeat(20)}`; pages += 1) {
      expect(pages).to.be.lessThan(4)
      const page = (await read(ioID, 'projectIDs', projectId, next, 2)) as [string[], string]
      listed.push(...page[0])
      next = page[1]
    }
    expect(listed.sort()).to.deep.equal(
      devices
        .filter((device) => device !== second)
        .map(({ address }) => address)
        .sort(),
    )
    expect(await read(ioID, 'projectDeviceCount', projectId)).to.equal(4n)

    // Strings that clients match on.
    const reason = async (call: Promise<unknown>): Promise<string> => {
      const error: unknown = await call.catch((thrown: unknown) => thrown)
      return (error as { reason?: string }).reason ?? 'no reason'
    }
    const stale = await permit(devices[2]!, buyer.address)
    expect(await reason(read(registry, 'remove', devices[2]!.address, ...stale))).to.equal('invalid signature')
    expect(await reason(read(registry, 'documentURI', second.address))).to.equal('device not exists')
  })

  for (const version of ['', 'V2']) {
    it(`registers through a verifying proxy of UniversalFactory${version}`, async () => {
      const [project, user, verifier] = [signer(5), signer(8), new Wallet(keccakOf(`verifier${version}`))]
      const userAddress = await user.getAddress()
      const factory = new Contract(addresses[`UniversalFactory${version}`]!, factoryAbi, project)
      const made = await send(factory, 'create', 0, verifier.address, `verified${version}`, 'Devices', 'DEV', 3, { value: PRICE * 3n })
      const created = made.logs.map((log) => factory.interface.parseLog(log)).find((log) => log?.name === 'CreatedProxy')
      const proxy = new Contract(created!.args['proxy'] as string, proxyAbi, user)
      expect(await read(proxy, 'owner')).to.equal(await project.getAddress())

      const device = new Wallet(keccakOf(`device${version}`))
      const { chainId } = await provider.getNetwork()
      const message = concat([zeroPadValue(toBeHex(chainId), 32), userAddress, device.address])
      const vouched = await verifier.signMessage(getBytes(message))
      const signature = await permit(device, proxy.target as string)
      const done = await send(proxy, 'register', vouched, keccakOf('document'), 'ipfs://doc', userAddress, device.address, ...signature)
      const registered = done.logs.map((log) => proxy.interface.parseLog(log)).find((log) => log?.name === 'Registered')
      expect(registered!.args['owner']).to.equal(userAddress)

      const ioID = new Contract(addresses['IoID']!, ioIDAbi, provider)
      const [wallet] = (await read(ioID, 'wallet(uint256)', registered!.args['ioIDTokenID'])) as [string]
      expect(await read(ioID, 'ownerOf', registered!.args['ioIDTokenID'])).to.equal(userAddress)
      const nft = new Contract((await read(proxy, 'deviceNFT')) as string, nftAbi, provider)
      expect(await read(nft, 'ownerOf', registered!.args['deviceTokenId'])).to.equal(version === '' ? wallet : userAddress)
      expect(await read(ioID, 'projectDeviceCount', await read(proxy, 'projectId'))).to.equal(1n)

      // And one by typed data, sent by somebody else.
      const [next, at] = [new Wallet(keccakOf(`next${version}`)), proxy.target as Address]
      const document = { deviceContract: nft.target, tokenId: 2n, device: next.address, hash: keccakOf('document'), uri: 'ipfs://doc' }
      const [what, deadline] = [{ ...document, user: userAddress }, 2n ** 40n]
      const domain = verifyingProxyDomain(Number(chainId), at)
      const verified = { Register: [...verifiedRegisterTypes.Register] }
      const forRegistry = ioIDRegistryDomain(Number(chainId), addresses['IoIDRegistry'] as Address)
      const byDevice = await next.signTypedData(
        forRegistry,
        { Register: [...registerTypes.Register] },
        { ...what, user: at, nonce: 0n, deadline },
      )
      const byUser = await account(8).signTypedData(domain, verified, { ...what, deadline })
      const typed = new Contract(at, verifyingProxyAbi, signer(9))
      const form = 'register(bytes,(address,uint256,address,address,bytes32,string),uint256,bytes,bytes)'
      await send(typed, form, await verifier.signTypedData(domain, verified, { ...what, deadline }), what, deadline, byDevice, byUser)
      const registry = new Contract(addresses['IoIDRegistry']!, registryAbi, provider)
      expect(await read(ioID, 'ownerOf', await read(registry, 'deviceTokenId', next.address))).to.equal(userAddress)
    })
  }
})
