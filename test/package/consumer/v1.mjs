// SPDX-License-Identifier: Apache-2.0
/** The flow of ioID v1 by ethers: project, quota, device contract, a device that signs its own Permit; prints the device. */
import { Contract, ContractFactory, HDNodeWallet, id, JsonRpcProvider, NonceManager, Signature, Wallet } from 'ethers'
import { createRequire } from 'node:module'

const { rpcUrl, addresses, mnemonic } = JSON.parse(process.argv[2])
const abiOf = (name) => createRequire(import.meta.url)(`trellis/contracts/${name}.json`).abi
const provider = new JsonRpcProvider(rpcUrl, undefined, { cacheTimeout: -1, pollingInterval: 25 })
const owner = HDNodeWallet.fromPhrase(mnemonic, undefined, "m/44'/60'/0'/0/5").connect(provider)
const signer = new NonceManager(owner)
const at = (name, address = addresses[name]) => new Contract(address, abiOf(name), signer)
const done = async (sent) => (await sent).wait()

const [projects, store, registry, ioID] = ['ProjectRegistry', 'IoIDStore', 'IoIDRegistry', 'IoID'].map((name) => at(name))
const project = at('Project', await projects.project())
const receipt = await done(projects['register(string,uint8)']('weather', 0))
const projectId = receipt.logs.map((log) => project.interface.parseLog(log)).find((log) => log?.name === 'Transfer').args.tokenId
await done(store.applyIoIDs(projectId, 1, { value: await store.price() }))

const clone = `0x3d602d80600a3d3981f3363d3d373d3d3d363d73${addresses.DeviceNFTImplementation.slice(2)}5af43d82803e903d91602b57fd5bf3`
const deployed = await (await new ContractFactory([], clone, signer).deploy()).waitForDeployment()
const devices = at('DeviceNFT', await deployed.getAddress())
await done(devices['initialize(string,string)']('Weather', 'WTH'))
await done(devices.configureMinter(owner.address, 1))
await done(store.setDeviceContract(projectId, devices.target))
await done(devices.mint(owner.address))
await done(devices.approve(registry.target, 1))

const device = Wallet.createRandom()
const domain = { name: 'ioIDRegistry', version: '1', chainId: 31337, verifyingContract: registry.target }
const types = { Permit: [{ name: 'owner', type: 'address' }, { name: 'nonce', type: 'uint256' }] } // prettier-ignore
const { v, r, s } = Signature.from(
  await device.signTypedData(domain, types, { owner: owner.address, nonce: await registry.nonces(device.address) }),
)
const form = 'register(address,uint256,address,bytes32,string,uint8,bytes32,bytes32)'
await done(registry[form](devices.target, 1, device.address, id('document'), 'http://resolver.did', v, r, s))
const wallet = await ioID['wallet(string)'](`did:io:${device.address.toLowerCase()}`)
if ((await devices.ownerOf(1)) !== wallet) throw new Error('the wallet does not hold the device NFT')
provider.destroy()
console.log(JSON.stringify({ device: device.address, wallet, owner: owner.address, projectId: String(projectId) }))
