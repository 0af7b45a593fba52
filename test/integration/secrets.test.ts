// SPDX-License-Identifier: Apache-2.0
/** Every agent as a process at log level trace, with secrets that are easy to find: none is in a log, an answer, a metric, an argument or an environment. */
import { spawn, type ChildProcess } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { encryptKeystoreJsonSync, Wallet } from 'ethers'
import { PERMANENT_EXIT } from '../../agents/kit/service.ts'
import { freePort, kill, startChain, type LocalChain } from './support/chain.ts'
import { account, deployMarket, type Market } from './support/market.ts'

const cli = join(import.meta.dirname, '../../agents/cli/main.ts')
const double = join(import.meta.dirname, 'support/run.ts')
const signerProcess = join(import.meta.dirname, 'support/remote-signer.ts')
const light = { scrypt: { N: 1024, r: 8, p: 1 } }
/** No digits of these appear by chance. */
const keys = { coordinator: `0x${'c0ffee'.repeat(10)}c0ff`, prover: `0x${'bada55'.repeat(10)}bada`, remote: `0x${'f00d'.repeat(16)}` }
const password = 'Korrekt-Pferd-Batterie'
const token = 'Zugangs-Wort-4711'

/** A secret as it could be written down. */
function forms(hex: string): string[] {
  const digits = hex.replace(/^0x/, '')
  const bytes = Buffer.from(digits, 'hex')
  const part = digits.slice(0, 24)
  return [
    part,
    part.toUpperCase(),
    bytes.toString('base64').slice(0, 24),
    bytes.toString('base64url').slice(0, 24),
    BigInt(hex).toString(),
    [...bytes.subarray(0, 8)].join(','),
    [...bytes.subarray(0, 8)].join(', '),
  ]
}

interface Running {
  name: string
  child: ChildProcess
  output: () => string
}

describe('secrets', function () {
  this.timeout(120_000)
  let chain: LocalChain
  let market: Market
  let folder: string
  let publicFile: string
  const running: Running[] = []

  before(async () => {
    chain = await startChain()
    folder = mkdtempSync(join(tmpdir(), 'trellis-secrets-'))
    market = await deployMarket(chain.rpcUrl, folder)
    publicFile = join(folder, 'public.json')
    const deployment = JSON.parse(readFileSync(market.addressesFile, 'utf8')) as { contracts: Record<string, object> }
    // The double of identity is all of it.
    deployment.contracts['IoID'] = deployment.contracts['IoIDRegistry']!
    writeFileSync(market.addressesFile, JSON.stringify(deployment))
    writeFileSync(publicFile, JSON.stringify({ ...deployment, kind: 'public' }))
  })
  after(async () => {
    await Promise.all(running.map(({ child }) => kill(child)))
    await chain.stop()
    rmSync(folder, { recursive: true, force: true })
  })

  const secret = (name: string, content: string): string => {
    const file = join(folder, name)
    writeFileSync(file, content, { mode: 0o600 })
    return file
  }
  const run = (name: string, args: string[]): Running => {
    const env = { PATH: process.env['PATH'], INIT_CWD: folder }
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'], env, cwd: folder })
    let output = ''
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (output += chunk.toString()))
    const one = { name, child, output: () => output }
    running.push(one)
    return one
  }
  const agent = (name: string, service: string, config: object): Running => {
    const file = join(folder, `${name}.json`)
    writeFileSync(file, JSON.stringify(config))
    return run(name, [cli, 'run', service, '--config', file])
  }
  const until = async (what: string, one: Running, done: () => boolean): Promise<void> => {
    const limit = Date.now() + 60_000
    while (!done()) {
      if (Date.now() > limit || one.child.exitCode !== null) throw new Error(`${what}: not in time\n${one.output().slice(-4_000)}`)
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }
  const chainOf = (addressesFile: string): object => ({ rpcUrl: chain.rpcUrl, addressesFile, pollMs: 50 })

  it('bare and public development keys end every agent that signs with 78 off local networks', async () => {
    const development = `0x${Buffer.from(account(1).getHdKey().privateKey!).toString('hex')}`
    const keystore = encryptKeystoreJsonSync({ address: account(1).address, privateKey: development }, password, light)
    const passwordFile = secret('password', password)
    const sources = {
      KEY_UNENCRYPTED: { keyFile: secret('bare', keys.coordinator) },
      KEY_PUBLIC: { keyFile: secret('development.json', keystore), passwordFile },
    }
    const started = Object.entries(sources).flatMap(([code, key]) => {
      const base = { key, chain: chainOf(publicFile), http: { port: 0 }, dataFolder: join(folder, code) }
      const file = join(folder, `prover-${code}.json`)
      writeFileSync(file, JSON.stringify(base))
      return [
        { code, one: agent(`coordinator-${code}`, 'coordinator', { ...base, projects: ['7'] }) },
        // The double proves with nothing, and is the same service.
        { code, one: run(`prover-${code}`, [double, 'prover', file]) },
      ]
    })
    for (const { code, one } of started) {
      await until('its end', one, () => one.child.exitCode !== null)
      expect(one.child.exitCode, one.output()).to.equal(PERMANENT_EXIT)
      expect(one.output()).to.contain(code).and.to.contain('next')
    }
  })

  it('are nowhere to be seen while agents work, fail and reload', async () => {
    const passwordFile = secret('password', password)
    const keystore = encryptKeystoreJsonSync(
      { address: new Wallet(keys.coordinator).address, privateKey: keys.coordinator },
      password,
      light,
    )
    const coordinatorKey = secret('coordinator key', keystore)
    const proverKey = secret('prover key', keys.prover)
    const [signerPort, tokenFile] = [await freePort(), secret('token', token)]
    const signer = run('signer', [signerProcess, secret('signer.json', JSON.stringify({ port: signerPort, keys: [keys.remote], token }))])
    await until('the signer', signer, () => signer.output().includes('listening'))
    const ports = { coordinator: await freePort(), prover: await freePort(), gateway: await freePort(), remote: await freePort() }
    const local = { chain: chainOf(market.addressesFile), logLevel: 'trace' }
    const urls = { gatewayUrls: [`http://127.0.0.1:${ports.gateway}`] }
    const gateway = agent('gateway', 'gateway', {
      ...local,
      dataFolder: join(folder, 'g'),
      http: { port: ports.gateway },
      mqtt: { port: await freePort() },
    })
    const coordinator = agent('coordinator', 'coordinator', {
      ...local,
      ...urls,
      dataFolder: join(folder, 'c'),
      projects: ['7'],
      http: { port: ports.coordinator },
      key: { keyFile: coordinatorKey, passwordFile },
    })
    const remote = agent('remote', 'coordinator', {
      ...local,
      ...urls,
      dataFolder: join(folder, 'r'),
      projects: ['7'],
      http: { port: ports.remote },
      key: { remoteSigner: { url: `http://127.0.0.1:${signerPort}`, address: new Wallet(keys.remote).address, tokenFile } },
    })
    const prover = agent('prover', 'prover', {
      ...local,
      dataFolder: join(folder, 'p'),
      http: { port: ports.prover },
      coordinatorUrls: [`http://127.0.0.1:${ports.coordinator}`],
      key: { keyFile: proverKey },
      artifactsFolder: join(import.meta.dirname, '../../build/circuits'),
    })
    const keysFile = join(folder, 'device keys.json')
    const device = agent('device', 'device', {
      project: '7',
      keysFile,
      storeFile: join(folder, 'd.sqlite'),
      addressesFile: market.addressesFile,
      gatewayUrl: urls.gatewayUrls[0],
      transport: 'http',
      mote: { id: 1 },
      logLevel: 'trace',
    })
    const agents = [gateway, coordinator, remote, prover, device]
    for (const one of [gateway, coordinator, remote, prover]) await until('its start', one, () => one.output().includes('"started"'))
    await until('the keys of the device', device, () => existsSync(keysFile) && device.output() !== '')
    // Not registered, so it says who it is and tries again.
    await until('a refusal', prover, () => prover.output().includes('KEY_NOT_AUTHORISED'))

    const seen: string[] = []
    const look = async (port: number, path: string, init: RequestInit = {}): Promise<void> => {
      const answer = await fetch(`http://127.0.0.1:${port}${path}`, { ...init, signal: AbortSignal.timeout(10_000) })
      seen.push(JSON.stringify([...answer.headers]), await answer.text())
    }
    const paths = [
      '/health',
      '/ready',
      '/metrics',
      '/v1/tasks',
      '/v1/accounting',
      '/v1/projects/7',
      '/v1/projects/7/windows',
      '/v1/refusals',
      '/key',
    ]
    for (const port of Object.values(ports)) for (const path of paths) await look(port, path)
    const bad = { method: 'POST', body: '{"prover":', headers: { authorization: 'Trellis 0x00', 'content-type': 'application/json' } }
    for (const path of ['/v1/lease', '/v1/results', '/v1/messages', '/v1/tasks/retry'])
      for (const port of Object.values(ports)) await look(port, path, bad)

    // Torn key files, a wrong password and a signer that refuses, at a reload.
    secret('coordinator key', keystore.slice(0, 200))
    secret('prover key', keys.prover.slice(0, 60))
    secret('token', `${token}!`)
    for (const one of [coordinator, remote, prover]) one.child.kill('SIGHUP')
    for (const one of [coordinator, prover, remote]) await until('a refusal', one, () => one.output().includes('not reloaded'))
    secret('coordinator key', keystore)
    secret('password', `${password}?`)
    const before = coordinator.output().split('not reloaded').length
    coordinator.child.kill('SIGHUP')
    await until('a refusal', coordinator, () => coordinator.output().split('not reloaded').length > before)

    if (existsSync('/proc/self/cmdline')) {
      const all = agents.flatMap(({ child }) => descendants(child.pid!))
      expect(all.length).to.be.greaterThan(agents.length)
      for (const pid of all) for (const file of ['cmdline', 'environ']) seen.push(readProcess(pid, file))
    }
    // The chain goes away under all of them.
    await chain.stop()
    await until('the dead chain', coordinator, () => coordinator.output().includes('RPC_FAILED'))
    for (const one of agents) {
      one.child.kill('SIGTERM')
      await until('its end', one, () => one.child.exitCode !== null || one.child.signalCode !== null)
      seen.push(one.output())
    }
    const made = JSON.parse(readFileSync(keysFile, 'utf8')) as { identity: string; data: string }
    const words = [...Object.values(keys), made.identity, made.data].flatMap(forms).concat(password, token)
    const text = seen.join('\n')
    // The search finds what is there: addresses are public and are logged.
    expect(text.toLowerCase()).to.contain(new Wallet(keys.prover).address.toLowerCase())
    for (const word of words) expect(text.includes(word), `${word} was seen`).to.equal(false)
  })
})

/** A process and all below it. */
function descendants(pid: number): number[] {
  const parents = new Map<number, number>()
  for (const name of readdirSync('/proc').filter((entry) => /^\d+$/.test(entry))) {
    const parent = /^\d+ \(.*\) \S (\d+)/s.exec(readProcess(Number(name), 'stat'))?.[1]
    if (parent !== undefined) parents.set(Number(name), Number(parent))
  }
  const found = [pid]
  for (const at of found) for (const [child, parent] of parents) if (parent === at) found.push(child)
  return found
}

/** Empty when the process is gone. */
function readProcess(pid: number, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8')
  } catch {
    return ''
  }
}
