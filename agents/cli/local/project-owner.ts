// SPDX-License-Identifier: Apache-2.0
/**
 * What a project's owner can do: make the project and its device collection, register a device (device NFT → ioID → wallet → data key), publish
 * terms, fund the escrow. Every step looks first, so that a run that was killed goes on.
 */
import { type Address, encodeFunctionData } from 'viem'
import type { Deployer } from '../../../deploy/deployer.ts'
import { TrellisError } from '../../protocol/errors.ts'
import { ioIDAbi, ioIDRegistryAbi, projectAbi } from '../../protocol/generated/abi.ts'
import type { Terms } from '../../protocol/terms.ts'
import type { DataKeyOffer, RegistrationOffer } from './offer.ts'

/** Calls of the project's owner over deployed contracts: the deployer's machinery with the owner's key. */
export class ProjectOwner {
  readonly #chain: Deployer
  readonly #addresses: Readonly<Record<string, Address>>

  constructor(chain: Deployer, addresses: Readonly<Record<string, Address>>) {
    this.#chain = chain
    this.#addresses = addresses
  }

  get address(): Address {
    return this.#chain.account
  }

  at(name: string): Address {
    const address = this.#addresses[name]
    if (address === undefined) {
      throw new TrellisError({
        code: 'CONTRACT_UNKNOWN',
        message: `The deployment has no contract called ${name}.`,
        next: 'npx hardhat deploy --network localhost',
      })
    }
    return address
  }

  read<T>(contract: string, functionName: string, args: readonly unknown[] = []): Promise<T> {
    return this.#chain.read<T>(contract, this.at(contract), functionName, args)
  }

  write(contract: string, functionName: string, args: readonly unknown[] = [], value = 0n): Promise<void> {
    return this.#chain.write(contract, this.at(contract), functionName, args, value)
  }

  ensure<T>(what: string, read: () => Promise<T>, want: T | ((have: T) => boolean), write: () => Promise<unknown>): Promise<void> {
    return this.#chain.ensure(what, read, want, write)
  }

  /** The project of this name, registered when there is none. Names are unique. */
  async project(name: string): Promise<bigint> {
    const find = async (): Promise<bigint> => {
      const count = await this.read<bigint>('Project', 'count')
      for (let id = 1n; id <= count; id += 1n) {
        const found = await this.#chain.client.readContract({
          abi: projectAbi,
          address: this.at('Project'),
          functionName: 'name',
          args: [id],
        })
        if (found === name) return id
      }
      return 0n
    }
    await this.ensure(
      `project "${name}"`,
      find,
      (id: bigint) => id > 0n,
      () => this.write('ProjectRegistry', 'register', [name, 0]),
    )
    return find()
  }

  /** The project's collection of device NFTs with `devices` tokens, and a quota of as many ioIDs. */
  async collection(project: bigint, name: string, devices: number): Promise<Address> {
    const data = encodeFunctionData({ abi: this.#chain.abi('DeviceNFT'), functionName: 'initialize', args: [name, 'DEVICE', this.address] })
    const { address } = await this.#chain.create(`DeviceNFT/${project}`, 'ERC1967Proxy', [this.at('DeviceNFTImplementation'), data])
    const read = <T>(functionName: string, args: readonly unknown[] = []): Promise<T> =>
      this.#chain.read<T>('DeviceNFT', address, functionName, args)
    const write = (functionName: string, args: readonly unknown[]): Promise<void> =>
      this.#chain.write('DeviceNFT', address, functionName, args)

    await this.ensure(
      'device collection is tied to the project',
      () => this.read<Address>('IoIDStore', 'projectDeviceContract', [project]),
      address,
      () => this.write('IoIDStore', 'setDeviceContract', [project, address]),
    )
    const applied = await this.read<bigint>('IoIDStore', 'projectAppliedAmount', [project])
    const missing = BigInt(devices) - applied
    const price = await this.read<bigint>('IoIDStore', 'price')
    await this.ensure(
      `quota of ${devices} ioIDs`,
      () => this.read<bigint>('IoIDStore', 'projectAppliedAmount', [project]),
      (amount: bigint) => amount >= BigInt(devices),
      () => this.write('IoIDStore', 'applyIoIDs', [project, missing], missing * price),
    )
    const total = await read<bigint>('total')
    if (total < BigInt(devices)) {
      await this.ensure(
        'the owner may mint devices',
        () => read<bigint>('minterAllowance', [this.address]),
        (allowance: bigint) => allowance >= BigInt(devices) - total,
        () => write('configureMinter', [this.address, BigInt(devices) - total]),
      )
    }
    for (let minted = total; minted < BigInt(devices); minted += 1n) await write('mint', [this.address])
    await this.ensure(
      'the registry may take device NFTs',
      () => read<boolean>('isApprovedForAll', [this.address, this.at('IoIDRegistry')]),
      true,
      () => write('setApprovalForAll', [this.at('IoIDRegistry'), true]),
    )
    return address
  }

  /** True when the device has a live ioID. */
  isRegistered(device: Address): Promise<boolean> {
    return this.read<boolean>('IoIDRegistry', 'exists', [device])
  }

  /** Registers a device under its own typed consent. The owner pays and is the owner of the ioID. */
  async register(offer: RegistrationOffer): Promise<void> {
    const { device, deviceContract, tokenId, user, hash, uri, deadline, signature } = offer
    const args = [{ deviceContract, tokenId, user, device, hash, uri }, deadline, signature, '0x'] as const
    await this.ensure(
      `ioID of ${device}`,
      () => this.isRegistered(device),
      true,
      async () => {
        const call = { abi: ioIDRegistryAbi, functionName: 'register', args } as const
        await this.#chain.client.simulateContract({ ...call, address: this.at('IoIDRegistry'), account: this.address })
        const data = encodeFunctionData(call)
        await this.#chain.send({ to: this.at('IoIDRegistry'), data }, 'register a device')
      },
    )
  }

  /** Binds the data key that the device offers. */
  async bindDataKey(project: bigint, device: Address, offer: DataKeyOffer): Promise<void> {
    await this.ensure(
      `data key of ${device}`,
      () => this.hasDataKey(project, device, offer.fromWindow),
      true,
      () =>
        this.write('DataKeyRegistry', 'bind', [
          project,
          device,
          offer.key,
          offer.eighth,
          offer.fromWindow,
          offer.deadline,
          offer.deviceSignature,
          offer.keySignature,
        ]),
    )
  }

  /** Token id that the next registered device gets: ids count from 1 and are never used again. */
  async nextTokenId(): Promise<bigint> {
    for (let id = 1n; ; id += 1n) if (/^0x0+$/.test(await this.read<Address>('IoID', 'deviceOf', [id]))) return id
  }

  tokenIdOf(device: Address): Promise<bigint> {
    return this.read<bigint>('IoID', 'tokenIdOf', [device])
  }

  async hasDataKey(project: bigint, device: Address, window = 0): Promise<boolean> {
    return (await this.read<readonly [unknown, bigint]>('DataKeyRegistry', 'keyAt', [project, device, window]))[1] !== 0n
  }

  walletOf(device: Address): Promise<Address> {
    return this.#chain.client.readContract({
      abi: ioIDAbi,
      address: this.at('IoID'),
      functionName: 'wallet',
      args: [`did:io:${device.toLowerCase()}`],
    })
  }

  /** Opens the project in the proof market under these terms, for one coordinator. Terms that are there stay: they are frozen. */
  async openMarket(project: bigint, coordinator: Address, terms: () => Terms): Promise<Terms> {
    await this.ensure(
      'project is in the proof market',
      () => this.read<boolean>('ProjectStore', 'isValidProject', [project]),
      true,
      () => this.write('ProjectStore', 'bind', [project]),
    )
    await this.ensure(
      'coordinator of the project',
      () => this.read<boolean>('ProjectStore', 'isCoordinator', [project, coordinator]),
      true,
      () => this.write('ProjectStore', 'setCoordinator', [project, coordinator, true]),
    )
    await this.ensure(
      'terms of the project',
      () => this.read<number>('ProjectStore', 'termsVersion', [project]),
      (version: number) => version > 0,
      () => this.write('ProjectStore', 'publishTerms', [project, terms()]),
    )
    const version = await this.read<number>('ProjectStore', 'termsVersion', [project])
    return this.read<Terms>('ProjectStore', 'terms', [project, version])
  }

  /** Fills the project's escrow to `amount` with test tokens. */
  async fund(project: bigint, amount: bigint): Promise<void> {
    const token = this.at('TestToken')
    const have = await this.read<bigint>('TaskEscrow', 'balanceOf', [token, project])
    if (have >= amount) return
    const missing = amount - have
    await this.ensure(
      'tokens of the owner',
      () => this.read<bigint>('TestToken', 'balanceOf', [this.address]),
      (balance: bigint) => balance >= missing,
      () => this.write('TestToken', 'mint', [this.address, missing]),
    )
    await this.ensure(
      'allowance of the escrow',
      () => this.read<bigint>('TestToken', 'allowance', [this.address, this.at('TaskEscrow')]),
      (allowance: bigint) => allowance >= missing,
      () => this.write('TestToken', 'approve', [this.at('TaskEscrow'), missing]),
    )
    await this.ensure(
      'escrow of the project',
      () => this.read<bigint>('TaskEscrow', 'balanceOf', [token, project]),
      (balance: bigint) => balance >= amount,
      () => this.write('TaskEscrow', 'deposit', [project, token, missing]),
    )
  }
}
