// SPDX-License-Identifier: Apache-2.0
/** `trellis project`: a project, its quota of ioIDs, its device contract, its metadata and who may write it. */
import { join } from 'node:path'
import { type Address, concat, encodeFunctionData, getContractAddress, keccak256, parseEventLogs, stringToHex } from 'viem'
import { artifactFolder, initCode } from '../../deploy/artifacts.ts'
import { CREATE2_FACTORY } from '../../deploy/canonical/erc6551.ts'
import type { Request } from '../kit/sender.ts'
import { TrellisError } from '../protocol/errors.ts'
import { deviceNFTAbi, ioIDAbi, ioIDStoreAbi, projectAbi, projectRegistryAbi } from '../protocol/generated/abi.ts'
import { projectId } from '../protocol/ids.ts'
import { checkedAddress, eventsOf, type NetworkOptions, openNetwork, type OpenNetwork } from './chain/network.ts'
import { callOf, carryOut, openPurse, type Purse, type SpendOptions, spentJson, type Step, tell } from './chain/spend.ts'
import { repository } from './local/state.ts'
import { printer } from './print.ts'

const TYPES = ['hardware', 'virtual'] as const
const ZERO_ADDRESS: Address = `0x${'00'.repeat(20)}`

/** A project as its contracts have it. */
export interface ProjectFacts {
  id: bigint
  name: string
  type: (typeof TYPES)[number]
  owner: Address
  /** Null until one is set. */
  deviceContract: Address | null
  devices: bigint
  /** ioIDs bought and used; a virtual project buys with each device. */
  quota: { applied: bigint; used: bigint }
  /** Wei for one ioID now. */
  price: bigint
}

/** @throws TrellisError PROJECT_UNKNOWN */
export async function readProject({ client, at }: OpenNetwork, id: bigint): Promise<ProjectFacts> {
  const project = { address: at('Project'), abi: projectAbi } as const
  const store = { address: at('IoIDStore'), abi: ioIDStoreAbi } as const
  const count = await client.readContract({ ...project, functionName: 'count' })
  if (id < 1n || id > count)
    throw new TrellisError({
      code: 'PROJECT_UNKNOWN',
      message: `There is no project ${id}.`,
      details: { projects: count },
      next: 'trellis project list',
    })
  const [name, type, owner, deviceContract, applied, used, price, devices] = await Promise.all([
    client.readContract({ ...project, functionName: 'name', args: [id] }),
    client.readContract({ ...project, functionName: 'projectType', args: [id] }),
    client.readContract({ ...project, functionName: 'ownerOf', args: [id] }),
    client.readContract({ ...store, functionName: 'projectDeviceContract', args: [id] }),
    client.readContract({ ...store, functionName: 'projectAppliedAmount', args: [id] }),
    client.readContract({ ...store, functionName: 'projectActivedAmount', args: [id] }),
    client.readContract({ ...store, functionName: 'price' }),
    client.readContract({ address: at('IoID'), abi: ioIDAbi, functionName: 'projectDeviceCount', args: [id] }),
  ])
  return {
    ...{ id, name, type: TYPES[type === 0 ? 0 : 1], owner },
    ...{ deviceContract: deviceContract === ZERO_ADDRESS ? null : deviceContract, devices, quota: { applied, used }, price },
  }
}

/** Registers a project to the paying key. */
export async function createProject(state: string | undefined, name: string, options: SpendOptions & { type: string }): Promise<void> {
  const type = options.type === 'virtual' ? 1 : 0
  const purse = await openPurse(await openNetwork(state, options), options)
  let id = 0n
  const step: Step = {
    what: `register ${TYPES[type]} project "${name}"`,
    call: () =>
      callOf({ address: purse.network.at('ProjectRegistry'), abi: projectRegistryAbi, functionName: 'register', args: [name, type] }),
    done: ({ logs }) => (id = parseEventLogs({ abi: projectAbi, eventName: 'SetName', logs })[0]!.args.projectId),
  }
  const spent = await carryOut(purse, `Project "${name}"`, [step], options)
  tell(options.json, { project: id, name, type: TYPES[type], owner: purse.account.address, ...spentJson(spent) })
}

export async function showProject(state: string | undefined, id: string, options: NetworkOptions): Promise<void> {
  const network = await openNetwork(state, options)
  const facts = await readProject(network, projectId(id))
  tell(options.json, { ...facts, operators: await operatorsOf(network, facts.id), metadata: await metadataNames(network, facts.id) })
}

/** Projects, oldest first; of one owner when he is named. */
export async function listProjects(
  state: string | undefined,
  options: NetworkOptions & { owner?: string; from: number; limit: number },
): Promise<void> {
  const network = await openNetwork(state, options)
  const owner = options.owner === undefined ? undefined : checkedAddress(options.owner, '--owner')
  const count = await network.client.readContract({ address: network.at('Project'), abi: projectAbi, functionName: 'count' })
  const found: ProjectFacts[] = []
  let id = BigInt(options.from)
  for (; id <= count && found.length < options.limit; id += 1n) {
    const facts = await readProject(network, id)
    if (owner === undefined || facts.owner.toLowerCase() === owner) found.push(facts)
  }
  if (options.json) {
    tell(true, { projects: found, next: id <= count ? id : null })
    return
  }
  const print = printer(false)
  print.table([
    ['project', 'type', 'devices', 'quota', 'owner', 'name'],
    ...found.map(({ id: project, type, devices, quota, owner: of, name }) => [
      ...[String(project), type, Number(devices), type === 'virtual' ? '' : `${quota.used}/${quota.applied}`, of, name],
    ]),
  ])
  if (id <= count) print.line(`trellis project list --from ${id} goes on`)
}

/** Buys ioIDs ahead, for a hardware project. */
export async function applyForIoIDs(state: string | undefined, id: string, amount: number, options: SpendOptions): Promise<void> {
  const { purse, facts } = await own(state, id, options)
  if (facts.type === 'virtual')
    throw new TrellisError({
      code: 'PROJECT_VIRTUAL',
      message: 'A virtual project pays for each device when it is registered.',
      next: `trellis device register --project ${id}`,
    })
  const value = facts.price * BigInt(amount)
  const step: Step = {
    ...{ what: `buy ${amount} ioIDs for project ${id}`, value },
    call: () =>
      callOf({
        ...{ address: purse.network.at('IoIDStore'), abi: ioIDStoreAbi, functionName: 'applyIoIDs' },
        ...{ args: [facts.id, BigInt(amount)], value },
      }),
  }
  const spent = await carryOut(purse, `${amount} ioIDs for "${facts.name}"`, [step], options)
  const { quota } = await readProject(purse.network, facts.id)
  tell(options.json, { project: facts.id, quota, ...spentJson(spent) })
}

/** Ties a device contract to the project, once: one that is there, or a new collection of the paying key. */
export async function setDeviceContract(
  state: string | undefined,
  id: string,
  address: string | undefined,
  options: SpendOptions & { name?: string; symbol: string },
): Promise<void> {
  const { purse, facts } = await own(state, id, options)
  const { network } = purse
  const given = address === undefined ? undefined : checkedAddress(address, 'the device contract')
  if (facts.deviceContract !== null) {
    if (given === undefined || facts.deviceContract.toLowerCase() === given) {
      tell(options.json, { project: facts.id, deviceContract: facts.deviceContract, ...spentJson(nothing()) })
      return
    }
    throw new TrellisError({
      code: 'DEVICE_CONTRACT_SET',
      message: 'The project has a device contract already, and only governance changes it.',
      details: { deviceContract: facts.deviceContract },
    })
  }
  const made = given === undefined ? await newCollection(purse, facts, options) : undefined
  const deviceContract = given ?? made!.address
  const step: Step = {
    what: `tie ${deviceContract} to project ${id}`,
    gas: 180_000n,
    call: () =>
      callOf({ address: network.at('IoIDStore'), abi: ioIDStoreAbi, functionName: 'setDeviceContract', args: [facts.id, deviceContract] }),
  }
  const spent = await carryOut(purse, `The device contract of "${facts.name}"`, [...(made?.steps ?? []), step], options)
  tell(options.json, { project: facts.id, deviceContract, ...spentJson(spent) })
}

/** A proxy of the deployment's DeviceNFT by CREATE2, so that a run that was killed finds it. */
async function newCollection(
  { network, account }: Purse,
  facts: ProjectFacts,
  { name = facts.name, symbol }: { name?: string; symbol: string },
): Promise<{ address: Address; steps: Step[] }> {
  const data = encodeFunctionData({ abi: deviceNFTAbi, functionName: 'initialize', args: [name, symbol, account.address] })
  const proxy = artifactFolder(join(repository, 'artifacts')).read('ERC1967Proxy')
  const bytecode = initCode(proxy, [network.at('DeviceNFTImplementation'), data])
  const salt = keccak256(stringToHex(`trellis/DeviceNFT/${facts.id}`))
  const address = getContractAddress({ opcode: 'CREATE2', from: CREATE2_FACTORY, salt, bytecode })
  const present = (await network.client.getCode({ address })) !== undefined
  const call: Request = { to: CREATE2_FACTORY, data: concat([salt, bytecode]), value: 0n, function: 'create' }
  return { address, steps: present ? [] : [{ what: `create the collection "${name}" at ${address}`, call: () => call }] }
}

/** Lists operators, or names and drops some. */
export async function operators(
  state: string | undefined,
  id: string,
  options: SpendOptions & { add: string[]; remove: string[] },
): Promise<void> {
  const add = options.add.map((address) => checkedAddress(address, '--add'))
  const remove = options.remove.map((address) => checkedAddress(address, '--remove'))
  if (add.length + remove.length === 0) {
    const network = await openNetwork(state, options)
    tell(options.json, { project: projectId(id), operators: await operatorsOf(network, projectId(id)) })
    return
  }
  const { purse, facts } = await own(state, id, options)
  const both = add.filter((address) => remove.includes(address))
  const owner = facts.owner.toLowerCase() as Address
  if (both.length > 0 || [...add, ...remove].includes(owner))
    throw new TrellisError({
      code: 'FLAG_MALFORMED',
      message:
        both.length > 0 ? 'Nothing was sent: an operator is named and dropped at once.' : 'The owner writes anyway: he is no operator.',
      details: { address: both[0] ?? owner },
      next: `operators are those beside the owner: trellis project operators ${id} lists them`,
    })
  const have = new Set((await operatorsOf(purse.network, facts.id)).map((address) => address.toLowerCase()))
  const step = (functionName: 'addOperator' | 'removeOperator', operator: Address): Step => ({
    what: `${functionName === 'addOperator' ? 'name' : 'drop'} the operator ${operator}`,
    call: () => callOf({ address: purse.network.at('Project'), abi: projectAbi, functionName, args: [facts.id, operator] }),
  })
  const steps = [
    ...add.filter((address) => !have.has(address)).map((address) => step('addOperator', address)),
    ...remove.filter((address) => have.has(address)).map((address) => step('removeOperator', address)),
  ]
  const spent = await carryOut(purse, `Operators of "${facts.name}"`, steps, options)
  tell(options.json, { project: facts.id, operators: await operatorsOf(purse.network, facts.id), ...spentJson(spent) })
}

/** Lists the names of metadata, shows one, or writes it. */
export async function metadata(
  state: string | undefined,
  id: string,
  name: string | undefined,
  options: SpendOptions & { set?: string },
): Promise<void> {
  const network = await openNetwork(state, options)
  const { id: project, name: title } = await readProject(network, projectId(id))
  if (name === undefined) {
    tell(options.json, { project, metadata: await metadataNames(network, project) })
    return
  }
  const read = (): Promise<`0x${string}`> =>
    network.client.readContract({ address: network.at('Project'), abi: projectAbi, functionName: 'metadata', args: [project, name] })
  if (options.set === undefined) {
    const value = await read()
    tell(options.json, { project, name, value, text: Buffer.from(value.slice(2), 'hex').toString('utf8') })
    return
  }
  const value = /^0x([0-9a-fA-F]{2})*$/.test(options.set) ? (options.set.toLowerCase() as `0x${string}`) : stringToHex(options.set)
  const purse = await openPurse(network, options)
  const step: Step = {
    what: `write "${name}" of project ${id}, ${(value.length - 2) / 2} bytes`,
    call: () => callOf({ address: network.at('Project'), abi: projectAbi, functionName: 'setMetadata', args: [project, name, value] }),
  }
  const spent = await carryOut(purse, `Metadata of "${title}"`, (await read()) === value ? [] : [step], options)
  tell(options.json, { project, name, value, ...spentJson(spent) })
}

/** Who was ever named, as far as the contract lets him write now. */
async function operatorsOf(network: OpenNetwork, project: bigint): Promise<Address[]> {
  const named = await eventsOf<{ operator: Address }>(network, 'Project', projectAbi, 'AddOperator', { projectId: project })
  const owner = await network.client.readContract({
    address: network.at('Project'),
    abi: projectAbi,
    functionName: 'ownerOf',
    args: [project],
  })
  const candidates = [...new Set(named.map(({ args }) => args.operator))].filter((operator) => operator !== owner)
  const may = await Promise.all(
    candidates.map((account) =>
      network.client
        .simulateContract({
          address: network.at('Project'),
          abi: projectAbi,
          functionName: 'setMetadata',
          args: [project, '', '0x'],
          account,
        })
        .then(
          () => true,
          () => false,
        ),
    ),
  )
  return candidates.filter((_, i) => may[i])
}

async function metadataNames(network: OpenNetwork, project: bigint): Promise<string[]> {
  const written = await eventsOf<{ name: string }>(network, 'Project', projectAbi, 'AddMetadata', { projectId: project })
  return [...new Set(written.map(({ args }) => args.name))]
}

/** A project and the key of its owner. @throws TrellisError NOT_PROJECT_OWNER */
async function own(state: string | undefined, id: string, options: SpendOptions): Promise<{ purse: Purse; facts: ProjectFacts }> {
  const purse = await openPurse(await openNetwork(state, options), options)
  const facts = await readProject(purse.network, projectId(id))
  if (facts.owner.toLowerCase() === purse.account.address.toLowerCase()) return { purse, facts }
  throw new TrellisError({
    code: 'NOT_PROJECT_OWNER',
    message: `Project ${id} belongs to another account.`,
    details: { owner: facts.owner, key: purse.account.address },
    next: 'name the owner’s key: --key-file KEYSTORE --password-file FILE',
  })
}

const nothing = () => ({ transactions: [], gasUsed: 0n, fee: 0n, paid: 0n })
