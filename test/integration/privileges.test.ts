// SPDX-License-Identifier: Apache-2.0
/**
 * Least privilege, asked of the chain: the key of every actor calls every selector that changes state, with well-formed arguments, and what it gets
 * beyond a stranger is exactly deploy/privileges.json (the table in SECURITY.md). TRELLIS_PRIVILEGES=write writes that file, to be read before it is kept.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import {
  createPublicClient,
  createWalletClient,
  encodeFunctionData,
  http,
  parseAbi,
  toFunctionSignature,
  type Abi,
  type AbiFunction,
  type AbiParameter,
} from 'viem'
import type { Address, Hex } from 'viem'
import { hardhat } from 'viem/chains'
import { signRegistration } from '../../agents/cli/local/offer.ts'
import { ProjectOwner } from '../../agents/cli/local/project-owner.ts'
import { errorsOf, findRevert } from '../../agents/kit/reverts.ts'
import { artifactFolder } from '../../deploy/artifacts.ts'
import { Deployer } from '../../deploy/deployer.ts'
import { readNetwork } from '../../deploy/network.ts'
import { deploySuite } from '../../deploy/suite.ts'
import { CONTRACTS, PRIVILEGES, type Actor } from '../../scripts/privileges.ts'
import { startChain, type LocalChain } from './support/chain.ts'
import { account } from './support/market.ts'

const artifacts = artifactFolder(join(import.meta.dirname, '../../artifacts'))
const day = 86_400
const holders = {
  administrator: account(7),
  upgrader: account(10),
  guardian: account(8),
  'project owner': account(5),
  coordinator: account(6),
  prover: account(9),
  'device key': account(12),
} as const
const stranger = account(15)

describe('privileges', function () {
  this.timeout(120_000)
  let chain: LocalChain
  let folder: string
  before(async () => {
    chain = await startChain()
    folder = mkdtempSync(join(tmpdir(), 'trellis-privileges-'))
  })
  after(async () => {
    await chain.stop()
    rmSync(folder, { recursive: true, force: true })
  })

  it('of every key are those of the table, asked on a deployed chain', async () => {
    const network = {
      ...readNetwork('localhost', { rpc: chain.rpcUrl }),
      ...{ administrator: holders.administrator.address, administratorDelaySeconds: 2 * day },
      ...{ upgrader: holders.upgrader.address, upgradeDelaySeconds: 2 * day, guardian: holders.guardian.address },
      operators: [holders.coordinator.address],
      feeReceiver: account(19).address,
    }
    const suite = await deploySuite({ network, stateFolder: folder })
    const places = Object.fromEntries([...suite.contracts].map(([name, { address }]) => [name, address]))
    const client = createPublicClient({ chain: hardhat, transport: http(chain.rpcUrl, { batch: true }), pollingInterval: 25, cacheTime: 0 })
    const hand = (from: typeof stranger): Deployer => {
      const wallet = createWalletClient({ chain: hardhat, transport: http(chain.rpcUrl), account: from, pollingInterval: 25, cacheTime: 0 })
      return new Deployer({ client, wallet, artifacts, confirmations: 1 })
    }
    const owner = new ProjectOwner(hand(holders['project owner']), places)
    const project = await owner.project('p')
    places['DeviceNFT'] = await owner.collection(project, 'Devices', 2)
    const deadline = BigInt(Math.floor(Date.now() / 1000) + day)
    const domain = { chainId: 31337, ioIDRegistry: owner.at('IoIDRegistry') }
    for (const [i, key] of [holders['device key'], holders.prover].entries()) {
      const offered = { deviceContract: places['DeviceNFT'], tokenId: BigInt(i + 1), user: owner.address, uri: 'u', nonce: 0n, deadline }
      await owner.register(await signRegistration(key, domain, { ...offered, hash: `0x${'12'.repeat(32)}` }))
    }
    await owner.write('ProjectStore', 'bind', [project])
    await owner.write('ProjectStore', 'setCoordinator', [project, holders.coordinator.address, true])
    await hand(holders.prover).write('ProverStore', owner.at('ProverStore'), 'register', [holders.prover.address])
    const [deviceWallet] = await owner.read<readonly [Address]>('IoID', 'wallet', [1n])
    places['DeviceAccount'] = deviceWallet

    // What the project owner makes by the factories of ioID's own clients.
    const make = async (factory: string, functionName: string, args: readonly unknown[]): Promise<Address> => {
      const { abi } = artifacts.read(factory)
      const { result } = await client.simulateContract({ address: places[factory]!, abi, functionName, args, account: owner.address })
      await hand(holders['project owner']).write(factory, places[factory]!, functionName, args)
      return result as Address
    }
    for (const version of ['', 'V2']) {
      const args = [1, holders.prover.address, `verified${version}`, 'Devices', 'DEV', 2n]
      places[`VerifyingProxy${version}`] = await make(`UniversalFactory${version}`, 'create', args)
    }
    places['DeviceNFTTemplate'] = await make('DeviceNFTFactory', 'createDeviceNFT', ['N', 'S', owner.address, owner.address])
    places['DummyDeviceGauge'] = (await hand(stranger).create('DummyDeviceGauge', 'DummyDeviceGauge', [places['DeviceNFT']])).address

    // An upgrade on its way, for what its role and its guardian may do with it.
    const upgrade = encodeFunctionData({
      abi: parseAbi(['function upgradeToAndCall(address newImplementation, bytes data) payable']),
      args: [places['ProverStoreImplementation']!, '0x'],
    })
    await hand(holders.upgrader).write('AccessManager', places['AccessManager']!, 'schedule', [places['ProverStore'], upgrade, 0])

    /** A value of a type that makes sense in this world: project 1, ioID 1, the registered device. */
    const value = (input: AbiParameter): unknown => {
      const { type } = input
      const name = (input.name ?? '').toLowerCase()
      if (type.endsWith('[]')) return [value({ ...input, type: type.slice(0, -2) } as AbiParameter)]
      const fixed = /^(.*)\[(\d+)\]$/.exec(type)
      if (fixed !== null) return Array.from({ length: Number(fixed[2]) }, () => value({ ...input, type: fixed[1]! } as AbiParameter))
      if (type === 'tuple') {
        const { components = [] } = input as { components?: readonly AbiParameter[] }
        return Object.fromEntries(components.map((component) => [component.name, value(component)]))
      }
      if (type === 'address') {
        if (name.includes('device') && !name.includes('contract')) return holders['device key'].address
        if (name === 'from' || name === 'owner') return owner.address
        if (name === 'prover' || name === '_prover') return holders.prover.address
        if (name === 'caller') return holders.upgrader.address
        if (name === 'target') return places['ProverStore']
        if (name === 'newimplementation') return places['ProverStoreImplementation']
        return account(18).address
      }
      if (type === 'bool') return true
      if (type === 'string') return 'text'
      if (type === 'bytes') return name === 'data' ? upgrade : '0x'
      if (type === 'bytes4') return '0x9c6f63ca'
      if (type.startsWith('bytes')) return `0x${'34'.repeat(Number(type.slice(5)))}`
      if (name === 'deadline') return deadline
      if (name === 'when') return 0
      return type === 'uint256' || type.startsWith('uint64') || type.startsWith('int64') || Number(type.replace(/\D/g, '')) > 48 ? 1n : 1
    }
    const errors = errorsOf(...CONTRACTS.map((name) => artifacts.read(name).abi as Abi))
    const outcome = async (from: Address, to: Address, data: Hex): Promise<string> => {
      try {
        await client.call({ account: from, to, data })
        return 'goes through'
      } catch (error) {
        const revert = findRevert(error, errors)
        return revert?.name ?? revert?.data ?? 'no revert'
      }
    }
    const found = Object.fromEntries(Object.keys(holders).map((actor) => [actor, [] as string[]])) as Record<Actor, string[]>
    let asked = 0
    for (const contract of CONTRACTS) {
      const functions = artifacts.read(contract).abi.filter((entry): entry is AbiFunction => entry.type === 'function')
      for (const entry of functions.filter(({ stateMutability }) => stateMutability !== 'view' && stateMutability !== 'pure')) {
        const data = encodeFunctionData({ abi: [entry], functionName: entry.name, args: entry.inputs.map(value) })
        const actors = Object.entries(holders) as [Actor, typeof stranger][]
        const [anybody, ...answers] = await Promise.all(
          [stranger, ...actors.map(([, key]) => key)].map((key) => outcome(key.address, places[contract]!, data)),
        )
        asked += actors.length
        actors.forEach(([actor], i) => {
          if (answers[i] !== anybody) found[actor].push(`${contract}.${toFunctionSignature(entry)}`)
        })
      }
    }
    expect(asked).to.be.greaterThan(1_000)
    for (const list of Object.values(found)) list.sort()
    if (process.env['TRELLIS_PRIVILEGES'] === 'write') writeFileSync(PRIVILEGES, `${JSON.stringify(found, undefined, 2)}\n`)
    expect(found).to.deep.equal(JSON.parse(readFileSync(PRIVILEGES, 'utf8')))
  })
})
