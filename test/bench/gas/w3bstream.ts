// SPDX-License-Identifier: Apache-2.0
/**
 * Gas of the proof market and of the Groth16 verifier: whole transactions, each with and without the proxy hop.
 * Identity is a double here (one slot per answer); its own gas is in identity.ts.
 */
import { network } from 'hardhat'
import {
  encodeAbiParameters,
  encodeFunctionData,
  encodePacked,
  getAddress,
  type Hex,
  keccak256,
  parseAbiParameters,
  toHex,
  zeroAddress,
} from 'viem'
import { readFileSync } from 'node:fs'
import { encodeProof, encodeVerifierKey, type SnarkjsProof, type SnarkjsVerificationKey } from '../../../agents/protocol/verifier-key.ts'
import type { Row } from '../../../scripts/bench.ts'

/** Measured or published: shared budgets, one figure per operation. */
const W3BSTREAM = { assign: 265_221, assignTen: 185_521, settleFirst: 140_170, settleWarm: 105_970, deposit: 85_898, withdraw: 57_196 }
/** 21,000 of a transaction, 45,000 + 4 · 34,000 of the pairings, 4 · (6,000 + 150) of the signals (EIP-1108). */
const VERIFY_FLOOR = 21_000 + 181_000 + 24_600
/** snarkjs' template with two public signals, and each further one: it multiplies and adds once more. */
const SNARKJS_TWO = 222_000
const SNARKJS_EACH = 6_650

const PROGRAM = keccak256(toHex('sensing/window/1'))
const KEY_ID = keccak256(toHex('key'))
const PROJECT = 7n
const FUNDS = 10n ** 24n
const THRESHOLD = 5_000
const RANGE_MAX = 10_000
const PRICE = 10n ** 15n

/** Contracts are known by name only here, so their ABIs are untyped. */
const encode = encodeFunctionData as unknown as (call: { abi: unknown; functionName: string; args: readonly unknown[] }) => Hex

type Address = `0x${string}`
interface Item {
  device: Address
  window: number
  root: Hex
  statistics: bigint
  proof: bigint[]
}

const ITEMS = parseAbiParameters('(address device, uint32 window, bytes32 root, uint256 statistics, uint256[8] proof)[]')

/** One market in a chain of its own. `proxied` false puts the logic's code at the address itself. */
async function market(proxied: boolean) {
  const connection = await network.create()
  const { viem, networkHelpers } = connection
  const client = await viem.getPublicClient()
  const wallets = await viem.getWalletClients()
  const [governor, owner, coordinator, prover, sequencer, depositor] = wallets.map((wallet) => wallet.account)
  if (!governor || !owner || !coordinator || !prover || !sequencer || !depositor) throw new Error('the network has too few accounts')
  let places = 0
  let now = 2_000_000_000n

  async function place(name: string, args: unknown[], init: readonly unknown[]): Promise<Address> {
    const logic = await viem.deployContract(name as never, args as never)
    const contract = logic as unknown as { address: Address; abi: never }
    const data = encode({ abi: contract.abi, functionName: 'initialize', args: init })
    if (proxied)
      return ((await viem.deployContract('ERC1967Proxy' as never, [contract.address, data] as never)) as unknown as { address: Address })
        .address
    const code = await client.getCode({ address: contract.address })
    const address = getAddress(`0x${(0x7e1100 + ++places).toString(16).padStart(40, '0')}`)
    await networkHelpers.setCode(address, code ?? '0x')
    await send(governor!.address, address, data)
    return address
  }

  async function send(from: Address, to: Address, data: Hex): Promise<number> {
    const wallet = wallets.find((each) => each.account.address.toLowerCase() === from.toLowerCase()) ?? (await viem.getWalletClient(from))
    const hash = await wallet.sendTransaction({ to, data, gas: 16_000_000n })
    const receipt = await client.getTransactionReceipt({ hash })
    if (receipt.status !== 'success') throw new Error(`a measured transaction to ${to} reverted`)
    return Number(receipt.gasUsed)
  }

  const at = async (name: string, address: Address): Promise<Contract> => await viem.getContractAt(name as never, address)
  const call = (contract: Contract, functionName: string, args: readonly unknown[]): Hex =>
    encode({ abi: contract.abi, functionName, args })
  const deploy = async (name: string, args: unknown[] = []): Promise<Contract> => await viem.deployContract(name as never, args as never)

  const authority = await deploy('AccessManager', [governor.address])
  const identity = await deploy('IdentityDouble', [getAddress(`0x${'11'.repeat(20)}`)])
  const verifier = await deploy('VerifierDouble')
  const programs = await deploy('ProgramRegistry', [authority.address, true])
  const token = await deploy('TestToken')
  const projects = await at('ProjectStore', await place('ProjectStore', [identity.address, programs.address], [authority.address, true]))
  const provers = await at('ProverStore', await place('ProverStore', [identity.address], [authority.address]))
  const manager = await at(
    'TaskManager',
    await place('TaskManager', [projects.address, provers.address, ...Array<unknown>(4).fill(identity.address)], [authority.address]),
  )
  const escrow = await deploy('TaskEscrow', [manager.address, identity.address])
  const router = await at(
    'Router',
    await place('Router', [manager.address, provers.address, projects.address, programs.address, identity.address], [authority.address]),
  )
  const governed: [Contract, string, unknown[]][] = [
    [manager, 'setEscrow', [escrow.address]],
    [manager, 'setRouter', [router.address]],
    [provers, 'setTaskManager', [manager.address]],
    [projects, 'setRouter', [router.address]],
    [programs, 'register', [PROGRAM, verifier.address, KEY_ID, KEY_ID, true]],
    [manager, 'addOperator', [coordinator.address]],
  ]
  for (const [contract, name, args] of governed) await send(governor.address, contract.address, call(contract, name, args))

  await send(governor.address, identity.address, call(identity, 'setProject', [PROJECT, owner.address]))
  await send(owner.address, projects.address, call(projects, 'bind', [PROJECT]))
  await send(owner.address, projects.address, call(projects, 'setCoordinator', [PROJECT, coordinator.address, true]))
  const terms = (receiver: Address, pricePerReading: bigint) => ({
    programId: PROGRAM,
    channel: 1n,
    rangeMin: 0n,
    rangeMax: RANGE_MAX,
    threshold: THRESHOLD,
    decimals: 2,
    pricePerReading,
    proverFee: 10n ** 17n,
    sequencerFee: 10n ** 16n,
    token: token.address,
    receiver,
    dappGas: 1_000_000,
    clock: 0,
    clockOrigin: 0,
    clockStart: 0,
    clockSpeed: 0,
    taskSeconds: 3_600,
    maxAge: 0,
    maxSkew: 3_600,
  })
  const publish = (receiver: Address, pricePerReading: bigint): Promise<number> =>
    send(owner.address, projects.address, call(projects, 'publishTerms', [PROJECT, terms(receiver, pricePerReading)]))
  await publish(zeroAddress, 0n)
  await send(governor.address, identity.address, call(identity, 'addDevice', [1n, prover.address, prover.address]))
  await send(prover.address, provers.address, call(provers, 'register', [prover.address]))
  await send(prover.address, provers.address, call(provers, 'setCapacity', [100]))
  for (const account of [owner, depositor]) {
    await send(governor.address, token.address, call(token, 'mint', [account.address, FUNDS]))
    await send(account.address, token.address, call(token, 'approve', [escrow.address, 2n ** 256n - 1n]))
  }

  const keys = new Map<Address, bigint>()
  async function device(): Promise<Address> {
    const address = getAddress(keccak256(toHex(`device ${keys.size}`)).slice(0, 42))
    await send(governor!.address, identity.address, call(identity, 'addDevice', [PROJECT, address, address]))
    const tokenId = (await identity.read['deviceTokenId']!([address])) as bigint
    const key = BigInt(keccak256(address)) >> 8n
    await send(governor!.address, identity.address, call(identity, 'setKey', [PROJECT, tokenId, key]))
    keys.set(address, key)
    return address
  }

  const rootOf = (address: Address, window: number): Hex =>
    toHex(BigInt(keccak256(encodePacked(['address', 'uint32'], [address, window]))) >> 8n, { size: 32 })
  const idOf = (address: Address, window: number): Promise<Hex> =>
    manager.read['taskIdOf']!([PROJECT, address, window, rootOf(address, window)]) as Promise<Hex>

  async function assign(tasks: readonly [Address, number][], sequencedBy: Address = sequencer!.address): Promise<number> {
    // Fixed times, since each zero byte of a date makes call data cheaper.
    now += 60n
    await networkHelpers.time.setNextBlockTimestamp(now)
    await send(prover!.address, provers.address, call(provers, 'heartbeat', []))
    const assignments = await Promise.all(
      tasks.map(async ([address, window]) => ({
        projectId: PROJECT,
        taskId: await idOf(address, window),
        hash: rootOf(address, window),
        signature: encodePacked(['address', 'uint32'], [address, window]),
        prover: prover!.address,
      })),
    )
    const args = [assignments.length === 1 ? assignments[0] : assignments, sequencedBy, now + 3_000n]
    return send(coordinator!.address, manager.address, call(manager, 'assign', args))
  }

  const statisticsOf = (window: number): bigint =>
    64_000n |
    (900n << 30n) |
    (6_000n << 54n) |
    (64n << 78n) |
    (1n << 85n) |
    (BigInt(window) << 92n) |
    (BigInt(window * 64) << 124n) |
    (1_700_000_000n << 164n) |
    (BigInt(THRESHOLD) << 204n) |
    (BigInt(RANGE_MAX) << 228n)

  /** The whole way: router, verifier double, settlement, and the dapp where the terms name one. */
  async function route(tasks: readonly [Address, number][]): Promise<number> {
    const version = (await projects.read['termsVersion']!([PROJECT])) as number
    const termsId = await projects.read['termsIdOf']!([PROJECT, version])
    const ids: Hex[] = []
    const items: Item[] = []
    for (const [address, window] of tasks) {
      const id = await idOf(address, window)
      const context = await router.read['contextOf']!([PROJECT, address, id, prover!.address, window, PROGRAM, termsId])
      const signals = [context, BigInt(rootOf(address, window)), statisticsOf(window), keys.get(address)]
      const proof = (await verifier.read['prove']!([KEY_ID, signals])) as bigint
      ids.push(id)
      items.push({
        device: address,
        window,
        root: rootOf(address, window),
        statistics: statisticsOf(window),
        proof: [proof, ...Array.from({ length: 7 }, () => proof)],
      })
    }
    return send(
      coordinator!.address,
      router.address,
      call(router, 'route', [prover!.address, PROJECT, ids, encodeAbiParameters(ITEMS, [items as never])]),
    )
  }

  const beneficiary = (await provers.read['beneficiary']!([prover.address])) as Address
  const claim = (account: Address): Promise<number> =>
    send(governor.address, escrow.address, call(escrow, 'claimFor', [token.address, account]))

  /** Proof check aside: the settlement that the router asks of the task manager, as a transaction of its own. */
  async function settle(tasks: readonly [Address, number][]): Promise<number> {
    const version = (await projects.read['termsVersion']!([PROJECT])) as number
    const { rates } = (await projects.read['settlementTerms']!([PROJECT, version])) as { rates: unknown }
    const items = await Promise.all(
      tasks.map(async ([address, window]) => ({ taskId: await idOf(address, window), device: address, window, count: 64 })),
    )
    await networkHelpers.impersonateAccount(router.address)
    await networkHelpers.setBalance(router.address, 10n ** 20n)
    return send(router.address, manager.address, call(manager, 'settle', [PROJECT, prover!.address, rates, items]))
  }

  return {
    send,
    call,
    deploy,
    publish,
    device,
    assign,
    settle,
    route,
    beneficiary,
    claim,
    escrow,
    token,
    router,
    owner,
    governor,
    identity,
    depositor,
    client,
    close: () => connection.close(),
  }
}

interface Contract {
  address: Address
  abi: never
  read: Record<string, (args: readonly unknown[]) => Promise<unknown>>
}

function row(name: string, ours: number, peer: number | null, target: number | null, peerName = 'W3bstream'): Row {
  return {
    case: name,
    unit: 'gas',
    ours,
    peer,
    peerName: peer === null ? null : peerName,
    ratio: peer === null ? null : peer / ours,
    target,
    ok: target === null || ours <= target,
  }
}

async function marketRows(proxied: boolean): Promise<Row[]> {
  const m = await market(proxied)
  const rows: Row[] = []
  // Targets are for the work itself; behind the proxy the figure is printed beside them.
  const add = (name: string, ours: number, peer: number | null, target: number | null): void => {
    rows.push(row(`${name}${proxied ? ', behind proxies' : ''}`, Math.round(ours), peer, proxied ? null : target))
  }
  const deposit = (from: Address, amount: bigint): Promise<number> =>
    m.send(from, m.escrow.address, m.call(m.escrow, 'deposit', [PROJECT, m.token.address, amount]))

  await m.send(m.governor.address, m.identity.address, m.call(m.identity, 'setProject', [8n, m.owner.address]))
  await m.send(m.owner.address, m.escrow.address, m.call(m.escrow, 'deposit', [8n, m.token.address, 1n])) // another project's
  add('escrow deposit, first of a project', await deposit(m.depositor.address, 10n ** 20n), W3BSTREAM.deposit, 75_000)
  add('escrow deposit, next', await deposit(m.depositor.address, 10n ** 20n), W3BSTREAM.deposit, 75_000)
  add(
    'escrow withdraw',
    await m.send(m.owner.address, m.escrow.address, m.call(m.escrow, 'withdraw', [PROJECT, m.token.address, 10n ** 18n, m.owner.address])),
    W3BSTREAM.withdraw,
    52_000,
  )

  const one = await m.device()
  const fresh = getAddress(`0x${'5e'.repeat(20)}`) // a sequencer that was never credited
  const ten: Address[] = []
  for (let index = 0; index < 10; ++index) ten.push(await m.device())
  const each = (window: number): [Address, number][] => ten.map((address) => [address, window])

  // The peer's work: fees to prover and sequencer out of what was set aside. Its "first" is the first for both of them.
  await m.assign([[one, 0]])
  await m.settle([[one, 0]])
  add('assign a task, alone', await m.assign([[one, 1]]), W3BSTREAM.assign, 150_000)
  add('assign a task, in ten', (await m.assign(each(0))) / 10, W3BSTREAM.assignTen, 90_000)
  await m.settle([[one, 1]])
  await m.assign([[one, 2]], fresh)
  await m.claim(m.beneficiary)
  add('settle a task (fees), first for prover and sequencer', await m.settle([[one, 2]]), W3BSTREAM.settleFirst, 120_000)
  await m.assign([[one, 3]], fresh)
  add('settle a task (fees), warm', await m.settle([[one, 3]]), W3BSTREAM.settleWarm, 80_000)
  await m.settle(each(0))
  await m.assign(each(1))
  add('settle a task (fees), in ten (ten devices)', (await m.settle(each(1))) / 10, null, 50_000)

  // Ours besides: the device's wallet is paid in the same transaction.
  await m.publish(zeroAddress, PRICE)
  await m.assign([[one, 4], ...each(2)])
  add('settle a task and pay a wallet that had nothing', await m.settle([[one, 4]]), null, null)
  await m.settle(each(2))
  await m.assign([[one, 5], ...each(3)])
  add('settle a task and pay its device, warm', await m.settle([[one, 5]]), W3BSTREAM.settleWarm, null)
  add('settle a task and pay its device, in ten (ten devices)', (await m.settle(each(3))) / 10, null, 50_000)

  // The whole transaction, with a verifier double in place of the proof check, for what a settlement costs in the end.
  await m.assign([[one, 6]])
  add('route a task, warm (verifier double, no dapp)', await m.route([[one, 6]]), null, null)
  await m.assign(each(4))
  add('route a task, in ten (verifier double, no dapp)', (await m.route(each(4))) / 10, null, null)
  const dapp = await m.deploy('TelemetryDapp', [m.router.address])
  await m.publish(dapp.address, PRICE)
  await m.assign([[one, 7], ...each(5)])
  await m.route([[one, 7], ...each(5)])
  await m.assign([[one, 8]])
  add('route a task, warm (verifier double, telemetry dapp)', await m.route([[one, 8]]), null, null)
  await m.assign(each(6))
  add('route a task, in ten (verifier double, telemetry dapp)', (await m.route(each(6))) / 10, null, null)
  await m.close()
  return rows
}

async function verifierRows(): Promise<Row[]> {
  const fixture = JSON.parse(readFileSync(new URL('../../fixtures/groth16/four.json', import.meta.url), 'utf8')) as {
    key: SnarkjsVerificationKey
    proof: SnarkjsProof
    publicSignals: string[]
  }
  const connection = await network.create()
  const verifier = (await connection.viem.deployContract('Groth16Verifier' as never)) as unknown as Contract
  const client = await connection.viem.getPublicClient()
  const [wallet] = await connection.viem.getWalletClients()
  if (wallet === undefined) throw new Error('the network has no accounts')
  const send = async (functionName: string, args: readonly unknown[]): Promise<number> => {
    const data = encode({ abi: verifier.abi, functionName, args })
    const hash = await wallet.sendTransaction({ to: verifier.address, data, gas: 5_000_000n })
    return Number((await client.getTransactionReceipt({ hash })).gasUsed)
  }
  const key = encodeVerifierKey(fixture.key)
  const registered = await send('registerKey', [key])
  const args = [keccak256(key), encodeProof(fixture.proof), fixture.publicSignals.map(BigInt)]
  if ((await verifier.read['verify']!(args)) !== true) throw new Error('the verifier refuses a good proof')
  const callData = Buffer.from(encode({ abi: verifier.abi, functionName: 'verify', args }).slice(2), 'hex')
  const callDataGas = callData.reduce((sum, byte) => sum + (byte === 0 ? 4 : 16), 0)
  const rows = [
    // The target is below the floor, which any contract pays that checks four signals by the precompiles: see contracts/verifiers/README.md.
    row('Groth16 verify, four signals', await send('verify', args), SNARKJS_TWO + 2 * SNARKJS_EACH, 225_000, 'snarkjs'),
    row('Groth16 verify, four signals: floor (base, pairings, four terms, call data)', VERIFY_FLOOR + callDataGas, null, null),
    row('Groth16 key of four signals, registered', registered, null, null),
  ]
  await connection.close()
  return rows
}

/** All rows of this room. */
export async function rows(): Promise<Row[]> {
  return [...(await marketRows(false)), ...(await marketRows(true)), ...(await verifierRows())]
}

if (import.meta.main) console.table((await rows()).map(({ case: name, ours, peer, target, ok }) => ({ name, ours, peer, target, ok })))
