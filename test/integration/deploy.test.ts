// SPDX-License-Identifier: Apache-2.0
/**
 * The deployment on a real node: resumed after a stop at every step, the same addresses every time, verified, and refused where it must be. TRELLIS_DEEP
 * stops after each single transaction; without it some go by between two stops.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { createPublicClient, createTestClient, http } from 'viem'
import { hardhat } from 'viem/chains'
import { freePort } from '../../agents/cli/local/process.ts'
import { readDeployment } from '../../agents/kit/deployment.ts'
import type { TrellisError } from '../../agents/protocol/errors.ts'
import { CREATE2_FACTORY, ERC6551_REGISTRY } from '../../deploy/canonical/erc6551.ts'
import { parseNetwork, readNetwork } from '../../deploy/network.ts'
import { programKeys } from '../../deploy/program-keys.ts'
import { deploySuite } from '../../deploy/suite.ts'
import { TOOLS } from '../../scripts/shell.ts'

class Stopped extends Error {}

/** Transactions of one run before it is stopped, in turn. */
const strides = process.env['TRELLIS_DEEP'] === '1' ? [1] : [1, 4, 6, 5]

describe('deploy', () => {
  let node: ChildProcess
  let rpc: string
  let folder: string

  before(async function () {
    this.timeout(60_000)
    const port = await freePort()
    rpc = `http://127.0.0.1:${port}`
    folder = mkdtempSync(join(tmpdir(), 'trellis-deploy-'))
    node = spawn(process.execPath, [TOOLS.hardhat, 'node', '--hostname', '127.0.0.1', '--port', String(port)], { stdio: 'ignore' })
    const client = createPublicClient({ chain: hardhat, transport: http(rpc, { retryCount: 0 }) })
    for (let tries = 0; tries < 300; tries += 1) {
      if (
        await client.getChainId().then(
          () => true,
          () => false,
        )
      )
        return
      await new Promise((wake) => setTimeout(wake, 150))
    }
    throw new Error('the node did not start')
  })

  after(() => {
    node.kill('SIGKILL')
    rmSync(folder, { recursive: true, force: true })
  })

  const network = () => readNetwork('localhost', { rpc })

  it('refuses a chain with other code at the CREATE2 factory, or at the ERC-6551 registry', async function () {
    this.timeout(60_000)
    const test = createTestClient({ chain: hardhat, mode: 'hardhat', transport: http(rpc) })
    for (const [address, code] of [
      [CREATE2_FACTORY, 'FACTORY_STRANGE'],
      [ERC6551_REGISTRY, 'ERC6551_REGISTRY_STRANGE'],
    ] as const) {
      const clean = await test.snapshot()
      // As long as the real one, so that its length does not give it away.
      await test.setCode({ address, bytecode: `0x${'00'.repeat(571)}` })
      const error = await deploySuite({ network: network(), stateFolder: folder }).catch((thrown: unknown) => thrown)
      expect(error).to.have.property('code', code)
      await test.revert({ id: clean })
    }
  })

  it('goes on where it was stopped, and killed, and ends with the same addresses', async function () {
    this.timeout(180_000)
    const test = createTestClient({ chain: hardhat, mode: 'hardhat', transport: http(rpc) })
    const clean = await test.snapshot()
    let steps = 0
    const whole = await deploySuite({ network: network(), stateFolder: folder, onStep: (step) => void (steps += Number(step.sent)) })
    const wanted = Object.fromEntries([...whole.contracts].map(([name, { address }]) => [name, address]))
    expect(Object.keys(wanted)).to.include.members([
      'AccessManager',
      'IoIDRegistry',
      'DataKeyRegistry',
      'Router',
      'TaskEscrow',
      'TelemetryDapp',
      'TestToken',
    ])
    const again = await deploySuite({ network: network(), stateFolder: folder })
    expect(again.sent).to.equal(0)

    await test.revert({ id: clean })
    let sent = 0
    // Killed while a transaction is on its way.
    for (const after of [0, 3, 11]) sent += await killed(rpc, folder, after)
    for (let run = 0; ; run += 1) {
      let own = 0
      try {
        const result = await deploySuite({
          network: network(),
          stateFolder: folder,
          onStep: (step) => {
            if (!step.sent) return
            own += 1
            if (own === strides[run % strides.length]) throw new Stopped()
          },
        })
        expect(Object.fromEntries([...result.contracts].map(([name, { address }]) => [name, address]))).to.deep.equal(wanted)
        sent += own
        break
      } catch (error) {
        if (!(error instanceof Stopped)) throw error
        sent += own
      }
      expect(run).to.be.lessThan(200)
    }
    // What was on its way at a kill may be there without having been told.
    expect(sent).to.be.within(steps - 3, steps)
    expect((await deploySuite({ network: network(), stateFolder: folder })).sent).to.equal(0)
  })

  it('writes addresses that services can read, with block, code hash and genesis', async () => {
    const deployment = readDeployment(join(folder, 'addresses', '31337.json'))
    expect(deployment).to.include({ chainId: 31337, kind: 'local' })
    const client = createPublicClient({ chain: hardhat, transport: http(rpc) })
    expect((await client.getBlock({ blockNumber: 0n })).hash).to.equal(deployment.genesisHash)
    for (const { address, block } of Object.values(deployment.contracts)) {
      expect(await client.getCode({ address })).to.be.a('string')
      expect(block).to.be.greaterThan(0)
      // The code is there in that block and not in the one before.
      expect(await client.getCode({ address, blockNumber: BigInt(block) })).to.be.a('string')
      expect(await client.getCode({ address, blockNumber: BigInt(block - 1) })).to.equal(undefined)
    }
    expect(JSON.parse(readFileSync(join(folder, 'addresses', '31337.json'), 'utf8'))).to.have.property('contracts')
  })

  it('refuses a chain that its network file does not describe', async () => {
    await refuses(deploySuite({ network: { ...network(), chainId: 31338 }, stateFolder: folder }), 'WRONG_CHAIN')
    await refuses(deploySuite({ network: { ...network(), rpc: 'http://127.0.0.1:9' }, stateFolder: folder }), 'RPC_FAILED')
  })

  it('deploys nothing on a public network without a key, and never with the local proving key', async () => {
    const administrator = '0x00000000000000000000000000000000000000aa'
    const hash = '11'.repeat(32)
    const insecure = {
      provingKey: 'build/circuits/sensing_window/sensing_window.insecure.zkey',
      keyHash: `0x${hash}`,
      verificationKey: 'circuits/keys/sensing_window.vk.json',
      // Any file: the key is refused for its own faults.
      ptau: 'circuits/circuits.json',
      ptauSha256: hash,
    }
    const open = parseNetwork(
      {
        ...network(),
        kind: 'public',
        chainId: 4690,
        replayAllowed: false,
        administrator,
        upgrader: administrator,
        upgradeDelaySeconds: 86_400,
        administratorDelaySeconds: 86_400,
        token: administrator,
        ceremonies: { sensing_window: insecure },
      },
      'test',
    )
    // The chain behind the RPC is the local one: the file's chain id is patched after its check to get past the first door.
    await refuses(deploySuite({ network: { ...open, chainId: 31337 }, stateFolder: folder }), 'DEPLOYER_KEY_MISSING')
    await refuses(programKeys(open, false), 'KEY_NOT_FOR_PUBLIC')
    await refuses(programKeys({}, false), 'KEY_NOT_FOR_PUBLIC')
  })
})

/** Kills a deployment after some transactions. Resolves to how many it told of. */
async function killed(rpc: string, folder: string, after: number): Promise<number> {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'deploy-process.ts'), rpc, folder], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const closed = once(child, 'close')
  let sent = 0
  child.stdout.on('data', (lines: Buffer) => {
    sent += lines.toString().split('\n').length - 1
    if (sent > after) child.kill('SIGKILL')
  })
  await closed
  expect(child.signalCode).to.equal('SIGKILL')
  return sent
}

async function refuses(work: Promise<unknown>, code: string): Promise<void> {
  await work.then(
    () => expect.fail(`it was not refused with ${code}`),
    (error: unknown) => expect((error as TrellisError).code).to.equal(code),
  )
}
