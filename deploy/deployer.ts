// SPDX-License-Identifier: Apache-2.0
/**
 * A deterministic deployer. Every contract is created by CREATE2, so its address is a function of its init code: after a kill at any
 * point the same run finds code where it belongs and goes on with the next step. Settings are `ensure` steps: read, compare, write, read again.
 */
import {
  type Abi,
  type Account,
  type Address,
  type Chain,
  concat,
  encodeFunctionData,
  getAddress,
  getContractAddress,
  type Hex,
  isAddressEqual,
  keccak256,
  type PublicClient,
  stringToHex,
  type Transport,
  type WalletClient,
} from 'viem'
import { TrellisError } from '../agents/protocol/errors.ts'
import { type ArtifactSource, initCode } from './artifacts.ts'
import {
  CREATE2_FACTORY,
  CREATE2_FACTORY_CODE,
  CREATE2_FACTORY_COST,
  CREATE2_FACTORY_SIGNER,
  CREATE2_FACTORY_TRANSACTION,
} from './canonical/erc6551.ts'

/** EIP-1967: keccak256("eip1967.proxy.implementation") - 1. */
const IMPLEMENTATION_SLOT: Hex = '0x360894a13ba1a3210667c828492db98dca3e2076cc3735a920a3ca505d382bbc'

export interface Deployed {
  name: string
  address: Address
  /** Block of creation: where a reader of its events starts. */
  block: bigint
  /** keccak256 of the runtime code at `address` (of a proxy: the proxy's). */
  codeHash: Hex
  /** Present for a proxy. */
  implementation?: Address
}

export interface DeployerOptions {
  client: PublicClient
  wallet: WalletClient<Transport, Chain, Account>
  artifacts: ArtifactSource
  confirmations: number
  /** Blocks of creation known from an earlier run, by address in lower case. */
  knownBlocks?: ReadonlyMap<string, bigint>
  /** Addresses by name of the deployment that is on this chain already: its proxies are upgraded, what cannot be upgraded stays. */
  deployed?: ReadonlyMap<string, Address>
  /** Called after each step; `sent` is false for a step that was already done. */
  onStep?: (step: { what: string; sent: boolean }) => void
}

/** A proxy whose logic is not that of this source. */
export interface Upgrade {
  name: string
  proxy: Address
  from: Address
  to: Address
}

export class Deployer {
  readonly contracts = new Map<string, Deployed>()
  /** Found by `proxy`; carried out by upgrade.ts. */
  readonly upgrades: Upgrade[] = []
  readonly options: DeployerOptions
  readonly client: PublicClient
  readonly account: Address
  #sent = 0

  constructor(options: DeployerOptions) {
    this.options = options
    this.client = options.client
    this.account = options.wallet.account.address
  }

  /** Transactions sent by this run. */
  get sent(): number {
    return this.#sent
  }

  /**
   * Puts the CREATE2 factory on a chain that lacks it. Every address that follows says which code is there only as long as this is the real one.
   * @throws TrellisError FACTORY_REFUSED | FACTORY_STRANGE
   */
  async placeFactory(): Promise<void> {
    await this.#ensureFactory()
    if ((await this.client.getCode({ address: CREATE2_FACTORY })) === CREATE2_FACTORY_CODE) return
    throw new TrellisError({
      code: 'FACTORY_STRANGE',
      message: 'The code at the CREATE2 factory is not the factory’s.',
      details: { address: CREATE2_FACTORY },
      next: 'do not deploy on this chain: whoever put that code there decides what is created',
    })
  }

  async #ensureFactory(): Promise<void> {
    if (await this.hasCode(CREATE2_FACTORY)) {
      this.step('CREATE2 factory', false)
      return
    }
    if ((await this.client.getBalance({ address: CREATE2_FACTORY_SIGNER })) < CREATE2_FACTORY_COST) {
      await this.send({ to: CREATE2_FACTORY_SIGNER, value: CREATE2_FACTORY_COST }, 'fund the signer of the CREATE2 factory')
    }
    const hash = await this.client.sendRawTransaction({ serializedTransaction: CREATE2_FACTORY_TRANSACTION }).catch((cause: unknown) => {
      throw new TrellisError({
        code: 'FACTORY_REFUSED',
        message: 'The chain does not take the raw transaction that creates the CREATE2 factory.',
        details: { factory: CREATE2_FACTORY },
        next: `have the chain's operators place the factory at ${CREATE2_FACTORY}, or allow transactions without a chain id`,
        cause,
      })
    })
    await this.client.waitForTransactionReceipt({ hash })
    this.#sent += 1
    this.step('CREATE2 factory', true)
  }

  /**
   * Creates a contract by CREATE2, once. `name` is both its entry in the addresses file and its salt. One that is in the deployment already stays, also
   * when this source would make another: it is not upgradeable. `anew` is for logic, of which a deployment has one after the other.
   */
  async create(
    name: string,
    artifactName: string,
    args: readonly unknown[] = [],
    libraries: Readonly<Record<string, Address>> = {},
    anew = false,
  ): Promise<Deployed> {
    const known = anew ? undefined : await this.#known(name)
    if (known !== undefined) return known
    const code = initCode(this.options.artifacts.read(artifactName), args, libraries)
    const salt = keccak256(stringToHex(`trellis/${name}`))
    const address = getContractAddress({ opcode: 'CREATE2', from: CREATE2_FACTORY, salt, bytecode: code })
    let block = this.options.knownBlocks?.get(address.toLowerCase())
    const present = await this.hasCode(address)
    if (!present) {
      const receipt = await this.send({ to: CREATE2_FACTORY, data: concat([salt, code]) }, `create ${name}`)
      block = receipt.blockNumber
    }
    const runtime = await this.client.getCode({ address })
    if (runtime === undefined || runtime === '0x') {
      throw new TrellisError({
        code: 'CREATE_FAILED',
        message: `${name} has no code after its creation.`,
        details: { address },
        next: 'its constructor reverted: check the parameters of the network file',
      })
    }
    block ??= await this.#creationBlock(address)
    const deployed: Deployed = { name, address, block, codeHash: keccak256(runtime) }
    this.contracts.set(name, deployed)
    this.step(`create ${name}`, !present)
    return deployed
  }

  /** Creates an implementation and an ERC-1967 proxy in front of it, initialised in the same transaction so that nobody can come between. */
  async proxy(
    name: string,
    artifactName: string,
    init: { functionName: string; args: readonly unknown[] },
    constructorArgs: readonly unknown[] = [],
    libraries: Readonly<Record<string, Address>> = {},
  ): Promise<Deployed> {
    const implementation = await this.create(`${name}Implementation`, artifactName, constructorArgs, libraries, true)
    const known = await this.#known(name)
    if (known !== undefined) {
      const from = await this.implementationOf(known.address)
      if (!isAddressEqual(from, implementation.address))
        this.upgrades.push({ name, proxy: known.address, from, to: implementation.address })
      known.implementation = implementation.address
      return known
    }
    const data = encodeFunctionData({ abi: this.abi(artifactName), functionName: init.functionName, args: init.args })
    const deployed = await this.create(name, 'ERC1967Proxy', [implementation.address, data])
    deployed.implementation = implementation.address
    return deployed
  }

  /** What the deployment on this chain has under a name. */
  async #known(name: string): Promise<Deployed | undefined> {
    const address = this.options.deployed?.get(name)
    const runtime = address === undefined ? undefined : await this.client.getCode({ address })
    if (address === undefined || runtime === undefined || runtime === '0x') return undefined
    const block = this.options.knownBlocks?.get(address.toLowerCase()) ?? (await this.#creationBlock(address))
    const deployed: Deployed = { name, address, block, codeHash: keccak256(runtime) }
    this.contracts.set(name, deployed)
    this.step(`create ${name}`, false)
    return deployed
  }

  /** Takes a contract of the deployment on this chain as it is, a proxy with the logic that it runs. */
  async adopt(name: string): Promise<void> {
    const known = await this.#known(name)
    if (known === undefined) return
    const implementation = await this.implementationOf(known.address)
    if (BigInt(implementation) !== 0n) known.implementation = implementation
  }

  /** The logic that a proxy runs. */
  async implementationOf(proxy: Address): Promise<Address> {
    const slot = (await this.client.getStorageAt({ address: proxy, slot: IMPLEMENTATION_SLOT })) ?? '0x'
    return getAddress(`0x${slot.slice(-40).padStart(40, '0')}`)
  }

  /** Brings one setting to the wanted value: nothing is sent when it already holds; after a write it is read again. */
  async ensure<T>(what: string, read: () => Promise<T>, want: T | ((have: T) => boolean), write: () => Promise<unknown>): Promise<void> {
    const holds = (have: T): boolean => (typeof want === 'function' ? (want as (have: T) => boolean)(have) : same(have, want))
    if (holds(await read())) {
      this.step(what, false)
      return
    }
    await write()
    const have = await read()
    if (!holds(have)) {
      throw new TrellisError({
        code: 'SETTING_NOT_TAKEN',
        message: `"${what}" did not take effect.`,
        details: { have: String(have), ...(typeof want === 'function' ? {} : { want: String(want) }) },
        next: 'check that the deploying key still holds the role for it',
      })
    }
    this.step(what, true)
  }

  abi(artifactName: string): Abi {
    return this.options.artifacts.read(artifactName).abi
  }

  /** Calls a view function of a compiled contract. */
  async read<T>(artifactName: string, address: Address, functionName: string, args: readonly unknown[] = []): Promise<T> {
    return (await this.client.readContract({ abi: this.abi(artifactName), address, functionName, args })) as T
  }

  /** Simulates, then sends a call of a compiled contract, and waits for it. */
  async write(artifactName: string, address: Address, functionName: string, args: readonly unknown[], value = 0n): Promise<void> {
    const abi = this.abi(artifactName)
    await this.client.simulateContract({ abi, address, functionName, args, account: this.options.wallet.account, value })
    await this.send({ to: address, data: encodeFunctionData({ abi, functionName, args }), value }, `${artifactName}.${functionName}`)
  }

  async hasCode(address: Address): Promise<boolean> {
    const code = await this.client.getCode({ address })
    return code !== undefined && code !== '0x'
  }

  async send(transaction: { to: Address; data?: Hex; value?: bigint }, what: string): Promise<{ blockNumber: bigint }> {
    const hash = await this.options.wallet.sendTransaction(transaction)
    const receipt = await this.client.waitForTransactionReceipt({ hash, confirmations: this.options.confirmations })
    this.#sent += 1
    if (receipt.status !== 'success') {
      throw new TrellisError({
        code: 'TRANSACTION_REVERTED',
        message: `The transaction to ${what} reverted.`,
        details: { hash },
        next: 'look at the transaction in an explorer, mend the cause and run again: what is done stays done',
      })
    }
    return receipt
  }

  /** Checks all that this run claims: code at every address, the implementation behind every proxy. @throws TrellisError DEPLOYMENT_DIFFERS with every difference. */
  async verify(): Promise<void> {
    const wrong: Record<string, string> = {}
    for (const { name, address, codeHash, implementation } of this.contracts.values()) {
      const code = await this.client.getCode({ address })
      if (code === undefined || keccak256(code) !== codeHash) wrong[name] = `code at ${address} is not what was deployed`
      if (implementation === undefined) continue
      const have = await this.implementationOf(address)
      if (!isAddressEqual(have, implementation)) wrong[name] = `proxy points to ${have}, this source makes ${implementation}`
    }
    if (Object.keys(wrong).length === 0) return
    throw new TrellisError({
      code: 'DEPLOYMENT_DIFFERS',
      message: 'What is on the chain is not what this source deploys.',
      details: wrong,
      next: 'check out the source that was deployed, or upgrade through the upgrade role',
    })
  }

  step(what: string, sent: boolean): void {
    this.options.onStep?.({ what, sent })
  }

  /** Block in which code appeared at `address`, by bisection over the history; 0 where the node keeps none. */
  async #creationBlock(address: Address): Promise<bigint> {
    let low = 0n
    let high = await this.client.getBlockNumber()
    try {
      while (low < high) {
        const middle = (low + high) / 2n
        const code = await this.client.getCode({ address, blockNumber: middle })
        if (code === undefined || code === '0x') low = middle + 1n
        else high = middle
      }
      return low
    } catch {
      return 0n
    }
  }
}

function same(have: unknown, want: unknown): boolean {
  if (typeof have === 'string' && typeof want === 'string') return have.toLowerCase() === want.toLowerCase()
  if (Array.isArray(have) && Array.isArray(want)) return have.length === want.length && have.every((value, i) => same(value, want[i]))
  return have === want
}
