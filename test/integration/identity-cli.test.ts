// SPDX-License-Identifier: Apache-2.0
/** `trellis project|did|device` as processes, over a real chain: what they do, what they refuse before anything is sent, and a batch that is killed. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { type Address, createWalletClient, http, keccak256, stringToBytes } from 'viem'
import { mnemonicToAccount } from 'viem/accounts'
import { hardhat } from 'viem/chains'
import { DEVELOPMENT_MNEMONIC } from '../../agents/kit/keys.ts'
import { deviceNFTAbi, ioIDAbi } from '../../agents/protocol/generated/abi.ts'
import { type CliNetwork, ended as endOf, startCli, startCliNetwork } from './support/cli.ts'

describe('trellis project, did and device', function () {
  this.timeout(180_000)
  let network: CliNetwork
  const run: CliNetwork['run'] = (...args) => network.run(...args)
  const done: CliNetwork['done'] = (...args) => network.done(...args)
  const asked: CliNetwork['asked'] = (...args) => network.asked(...args)
  const refused: CliNetwork['refused'] = (...args) => network.refused(...args)
  const file = (name: string): string => network.file(name)

  before(async () => {
    network = await startCliNetwork()
  })
  after(() => network.stop())

  it('asks before it spends, and sends nothing where nobody answers', async () => {
    const told = await refused('CONFIRMATION_MISSING', 'project', 'create', 'Air')
    expect(told).to.match(/1 {2}register hardware project "Air"/)
    expect(told).to.match(/costs at most 0\.0\d+ coins: 0 paid, and \d+ gas/)
    expect(told).to.contain('--yes')
  })

  it('makes a project with a collection, ioIDs, operators and metadata', async () => {
    const made = await done('project', 'create', 'Air')
    expect(made).to.include({ project: '1', type: 'hardware' })
    expect(await refused('CALL_REVERTED', 'project', 'create', 'Air', '--yes'))
      .to.contain('exist name')
      .and.to.contain('choose another one')
    const tied = await done('project', 'set-device-contract', '1')
    expect(tied['transactions']).to.have.length(2)
    expect(await done('project', 'set-device-contract', '1')).to.deep.include({ deviceContract: tied['deviceContract'], transactions: [] })
    expect((await done('project', 'apply', '1', '20'))['quota']).to.deep.equal({ applied: '20', used: '0' })

    const operator = mnemonicToAccount(DEVELOPMENT_MNEMONIC, { addressIndex: 7 }).address
    const other = mnemonicToAccount(DEVELOPMENT_MNEMONIC, { addressIndex: 8 }).address
    const me = made['owner'] as string
    for (const wrong of [
      ['--add', other, '--remove', other],
      ['--add', me],
      ['--remove', me],
    ])
      await refused('FLAG_MALFORMED', 'project', 'operators', '1', ...wrong, '--yes')
    expect(await done('project', 'operators', '1', '--add', operator, '--add', other)).to.deep.include({ operators: [operator, other] })
    expect((await done('project', 'operators', '1', '--add', operator))['transactions']).to.deep.equal([])
    expect(await done('project', 'operators', '1', '--remove', other)).to.deep.include({ operators: [operator] })
    await done('project', 'metadata', '1', 'website', '--set', 'https://air.example')
    expect(await asked('project', 'metadata', '1', 'website')).to.include({ text: 'https://air.example' })
    const { price, ...shown } = await asked('project', 'show', '1')
    expect(price).to.equal('0')
    expect(shown).to.deep.include({ id: '1', name: 'Air', devices: '0', operators: [operator], metadata: ['website'] })
    expect((await asked('project', 'list'))['projects']).to.have.length(1)
    expect(await asked('project', 'list', '--owner', operator)).to.deep.equal({ projects: [], next: null })

    await refused('PROJECT_UNKNOWN', 'project', 'show', '9')
    writeFileSync(file('stranger.key'), '0x' + '51'.repeat(32), { mode: 0o600 })
    expect(await refused('NOT_PROJECT_OWNER', 'project', 'apply', '1', '1', '--key-file', 'stranger.key', '--yes')).to.contain('--key-file')
  })

  it('registers a device whose DID then resolves, once', async () => {
    const made = await asked('did', 'new', '--out', 'a.keys.json', '--service', 'web=Web=https://x.example')
    expect(await refused('FILE_EXISTS', 'did', 'new', '--out', 'a.keys.json')).to.contain('keys and a document')
    expect((await run('device', 'register', '--project', '1', '--keys', 'a.keys.json', '--token-id', 'abc')).err).to.contain('a token id')
    const did = made['did'] as string
    expect(await asked('did', 'show', '--keys', 'a.keys.json')).to.include({ did, form: 'strict' })
    expect(await asked('did', 'show', did)).to.include({ state: 'unknown' })
    const never = await run('did', 'resolve', did, '--json')
    expect([never.code, (never.json['didResolutionMetadata'] as { error: string }).error]).to.deep.equal([1, 'notFound'])

    const registered = await done('device', 'register', '--project', '1', '--keys', 'a.keys.json')
    expect(registered).to.include({ did, result: 'registered', project: '1', tokenId: '1' })
    // Allowance, one token, approval, registration.
    expect(registered['transactions']).to.have.length(4)
    expect(await done('device', 'register', '--project', '1', '--keys', 'a.keys.json')).to.include({ result: 'there' })

    const resolved = await asked('did', 'resolve', did)
    expect(servicesOf(resolved)).to.deep.equal(['gateway', 'web'])
    expect(resolved['didDocument']).to.deep.include({ id: did })
    expect(resolved['didDocumentMetadata']).to.deep.include({ versionId: '1', wallet: registered['wallet'], currentKey: true })
    const mixed = await asked(
      'did',
      'resolve',
      did
        .replace(/[a-f]/g, (digit) => digit.toUpperCase())
        .replace('DID:Io', 'did:io')
        .replace(/^.*?:0/, 'did:io:0'),
    )
    expect(mixed['didResolutionMetadata']).to.include({ form: 'mixedCase' })
    expect(await asked('device', 'show', did)).to.include({ device: did.slice(7), hasDataKey: false, walletBalance: '0' })
    expect(await asked('device', 'list', '--project', '1')).to.deep.equal({ project: '1', count: '1', devices: [did.slice(7)] })
  })

  it('publishes another document, refuses one that is not what is served, and tells a forged one', async () => {
    const did = (await asked('did', 'show', '--keys', 'a.keys.json'))['did'] as string
    expect(await done('did', 'publish', '--keys', 'a.keys.json')).to.include({ result: 'there' })
    const document = JSON.parse(readFileSync(file('a.did.json'), 'utf8')) as Record<string, unknown>
    writeFileSync(file('more.json'), JSON.stringify({ ...document, alsoKnownAs: ['urn:sensor:1'] }))
    const place = `${network.gateway}/v1/documents/elsewhere`
    network.documents.set('elsewhere', JSON.stringify(document))
    await refused('DOCUMENT_DIFFERS', 'device', 'update', did, '--keys', 'a.keys.json', '--document', 'more.json', '--uri', place, '--yes')
    network.documents.set('elsewhere', readFileSync(file('more.json'), 'utf8'))
    const updated = await done('device', 'update', did, '--keys', 'a.keys.json', '--document', 'more.json', '--uri', place)
    expect(updated).to.include({ result: 'updated', uri: place })
    network.documents.set('asmade', JSON.stringify(document))
    const asMade = await refused(
      'CONFIRMATION_MISSING',
      'did',
      'publish',
      '--keys',
      'a.keys.json',
      '--uri',
      `${network.gateway}/v1/documents/asmade`,
    )
    expect(asMade).to.contain('put the document 0x')
    expect((await asked('did', 'resolve', did))['didDocument']).to.deep.include({ alsoKnownAs: ['urn:sensor:1'] })

    network.documents.set('elsewhere', JSON.stringify(document))
    const forged = await run('did', 'resolve', did, '--json')
    expect([forged.code, (forged.json['didResolutionMetadata'] as { error: string }).error]).to.deep.equal([1, 'hashMismatch'])
    network.documents.delete('elsewhere')
    const gone = await run('did', 'resolve', did, '--json')
    expect((gone.json['didResolutionMetadata'] as { error: string }).error).to.equal('documentUnavailable')
    await refused('DOCUMENT_OF_ANOTHER', 'did', 'publish', '--keys', 'a.keys.json', '--document', await documentOfAnother(), '--yes')
  })

  it('rotates a key over a kill, refuses the retired one, and removes the device', async () => {
    const did = (await asked('did', 'show', '--keys', 'a.keys.json'))['did'] as string
    await done('did', 'publish', '--keys', 'a.keys.json')
    writeFileSync(file('stray.keys.json'), keysText(98), { mode: 0o600 })
    const stray = ['device', 'rotate', did, '--out', 'stray.keys.json'] as const
    expect(await refused('KEYS_NOT_DRAWN', ...stray, '--yes')).to.contain('keysOf')
    expect(await refused('CONFIRMATION_MISSING', ...stray)).to.contain('which this command did not make')
    // The new keys are on disk before anything is sent: a try that ended there goes on with them.
    await refused('CONFIRMATION_MISSING', 'device', 'rotate', did, '--keys', 'a.keys.json', '--out', 'b.keys.json')
    const drawn = readFileSync(file('b.keys.json'), 'utf8')
    const rotated = await done('device', 'rotate', did, '--keys', 'a.keys.json', '--out', 'b.keys.json')
    expect(rotated).to.include({ result: 'rotated' })
    expect(readFileSync(file('b.keys.json'), 'utf8')).to.equal(drawn)
    const data = (name: string): string => (JSON.parse(readFileSync(file(name), 'utf8')) as { data: string }).data
    expect(data('b.keys.json')).to.equal(data('a.keys.json'))
    expect(await done('device', 'rotate', did, '--out', 'b.keys.json')).to.include({ result: 'there' })
    await refused('KEY_NOT_CURRENT', 'device', 'update', did, '--keys', 'a.keys.json', '--yes')
    await refused('KEY_NOT_CURRENT', 'device', 'remove', did, '--keys', 'a.keys.json', '--yes')
    // The keys say whose they are now.
    expect(await done('did', 'publish', '--keys', 'b.keys.json')).to.include({ did, result: 'updated' })
    const next = await asked('did', 'resolve', did)
    expect(next['didDocumentMetadata']).to.include({ currentKey: true })
    expect(servicesOf(next)).to.deep.equal(['gateway', 'web'])

    writeFileSync(file('thief.key'), '0x' + '52'.repeat(32), { mode: 0o600 })
    await refused('NOT_DEVICE_OWNER', 'device', 'remove', did, '--keys', 'b.keys.json', '--key-file', 'thief.key', '--yes')
    expect(await done('device', 'remove', did, '--keys', 'b.keys.json')).to.include({ result: 'removed' })
    expect(await done('device', 'remove', did, '--keys', 'b.keys.json')).to.include({ result: 'there' })
    const ended = await run('did', 'resolve', did, '--json')
    expect([ended.code, (ended.json['didResolutionMetadata'] as { error: string }).error]).to.deep.equal([1, 'deactivated'])
    expect(await asked('did', 'show', did)).to.include({ state: 'removed' })
  })

  it('registers a file of devices: every mistake at once, over kills, nothing twice', async () => {
    const names = Array.from({ length: 36 }, (_, i) => `fleet-${i}.keys.json`)
    for (const [i, name] of names.entries()) writeFileSync(file(name), keysText(i), { mode: 0o600 })
    const [first = '', other = ''] = names
    writeFileSync(file('bad.csv'), `keys,uri,token\n${first},,\n${first},,\nnone.json,,\n${other},,x1\n`)
    const all = await refused('CSV_INVALID', 'device', 'batch', 'bad.csv', '--project', '1', '--yes')
    for (const part of ['bad.csv', 'line 3', 'line 4', 'line 5: x1 is no token id']) expect(all).to.contain(part)
    await refused('FILE_EXISTS', 'device', 'batch', 'bad.csv', '--project', '1', '--out', 'bad.csv', '--yes')
    writeFileSync(file('bad.csv'), `keys,uri,token\n${first},,\n${first},,\nnone.json,,\n${other},ftp://x/y,\n`)
    const told = await refused('CSV_INVALID', 'device', 'batch', 'bad.csv', '--project', '1', '--yes')
    for (const part of ['3 mistakes', 'line 3: The device is that of line 2', 'line 4', 'line 5']) expect(told).to.contain(part)

    writeFileSync(file('fleet.csv'), `keys\n${names.join('\n')}\n`)
    // 20 were bought, and one was used by a device that is no more.
    const batch = ['device', 'batch', 'fleet.csv', '--project', '1'] as const
    expect(await refused('QUOTA_SPENT', ...batch, '--yes')).to.contain('trellis project apply 1 17')
    await done('project', 'apply', '1', '17')
    expect(await refused('CONFIRMATION_MISSING', ...batch)).to.match(/… \d+ more …\n.*mint device NFT 36 of 36\n.*register 4 devices/)

    const nft = { address: (await asked('project', 'show', '1'))['deviceContract'] as Address, abi: deviceNFTAbi } as const
    const total = (): Promise<bigint> => network.client.readContract({ ...nft, functionName: 'total' })
    const here = async (): Promise<number> =>
      Number(
        await network.client.readContract({ address: network.at('IoID'), abi: ioIDAbi, functionName: 'projectDeviceCount', args: [1n] }),
      )
    const before = await total()
    for (const point of ['mint device NFT 9', 'mint device NFT 20', 'register 32']) {
      const killed = network.start(...batch, '--yes', '--json')
      await new Promise<void>((resolve) => {
        let text = ''
        killed.stderr!.on('data', (chunk: Buffer) => {
          text += chunk.toString()
          if (new RegExp(`0x[0-9a-f]{64} {2}${point}`).test(text)) killed.kill('SIGKILL')
        })
        killed.on('close', () => resolve())
      })
    }
    await new Promise((resolve) => setTimeout(resolve, 300))
    const left = await here()
    expect(left).to.equal(32)
    const resumed = await done(...batch)
    expect(resumed).to.include({ registered: 4, there: 32, failed: 0 })
    // The last part was minted and registered after the first: four device NFTs at most, and one registration.
    expect((resumed['transactions'] as string[]).length).to.be.within(1, 5)
    expect(await here()).to.equal(36)
    // Tokens that the killed runs had minted were used, and no others.
    expect((await total()) - before).to.equal(36n)
    expect(await done(...batch)).to.deep.include({ registered: 0, there: 36, transactions: [] })
    const result = readFileSync(file('fleet.result.csv'), 'utf8').trim().split('\n')
    expect(result[0]).to.equal('line,did,result,tokenId,wallet,tx,reason')
    expect(result.slice(1).map((line) => line.split(',')[2])).to.deep.equal(names.map(() => 'there'))
  })

  it('finds its tokens behind any number of others, and registers although an hour passes while it mints', async () => {
    const rows = Array.from({ length: 34 }, (_, i) => `late-${i}.keys.json`)
    for (const [i, name] of rows.entries()) writeFileSync(file(name), keysText(1_000 + i), { mode: 0o600 })
    writeFileSync(file('late.csv'), `keys\n${rows.join('\n')}\n`)
    await done('project', 'apply', '1', '34')
    const deviceContract = (await asked('project', 'show', '1'))['deviceContract'] as Address
    const owner = mnemonicToAccount(DEVELOPMENT_MNEMONIC, { addressIndex: 1 })
    const chain = createWalletClient({ account: owner, chain: hardhat, transport: http(network.rpcUrl) })
    const nft = { address: deviceContract, abi: deviceNFTAbi } as const
    const send = async (functionName: 'configureMinter' | 'mint', args: readonly [Address, bigint] | readonly [Address]): Promise<void> => {
      const hash = await chain.writeContract({ ...nft, functionName, args } as Parameters<typeof chain.writeContract>[0])
      await network.client.waitForTransactionReceipt({ hash })
    }
    await send('configureMinter', [owner.address, 400n])
    for (let i = 0; i < 3; i++) await send('mint', [owner.address])
    // Others have more tokens after them than anybody looks at in one go.
    for (let i = 0; i < 270; i++) await send('mint', [mnemonicToAccount(DEVELOPMENT_MNEMONIC, { addressIndex: 9 }).address])

    const before = await network.client.readContract({ ...nft, functionName: 'total' })
    const late = network.start('device', 'batch', 'late.csv', '--project', '1', '--yes', '--json')
    let passed = false
    late.stderr!.on('data', (chunk: Buffer) => {
      if (passed || !chunk.toString().includes('mint device NFT 10 of 31')) return
      passed = true
      void network.client.request({ method: 'evm_increaseTime', params: [3_700] } as never)
    })
    const { code, json, err } = await endOf(late)
    expect([code, passed], err).to.deep.equal([0, true])
    expect(json).to.include({ registered: 34, failed: 0 })
    expect((await network.client.readContract({ ...nft, functionName: 'total' })) - before).to.equal(31n)
  })

  it('pays for each device of a virtual project, in exact value', async () => {
    await done('project', 'create', 'Roaming', '--type', 'virtual')
    await done('project', 'set-device-contract', '2', '--symbol', 'ROAM')
    await refused('PROJECT_VIRTUAL', 'project', 'apply', '2', '1', '--yes')
    await asked('did', 'new', '--out', 'v.keys.json')
    const registered = await done('device', 'register', '--project', '2', '--keys', 'v.keys.json')
    expect(registered).to.include({ project: '2', paid: '0', result: 'registered' })
    await refused('DEVICE_REGISTERED_ELSEWHERE', 'device', 'register', '--project', '1', '--keys', 'v.keys.json', '--yes')
  })

  it('says what to do where no network is named', async () => {
    const empty = mkdtempSync(join(tmpdir(), 'trellis-empty-'))
    const { code, err } = await endOf(startCli(empty, 'project', 'list'))
    expect(code).to.equal(1)
    expect(err).to.contain('NETWORK_UNNAMED').and.to.contain('--network NAME')
    expect(existsSync(join(empty, 'run.json'))).to.equal(false)
    rmSync(empty, { recursive: true, force: true })
    // By name and endpoint, without a local run.
    expect((await asked('project', 'list', '--network', 'localhost', '--rpc', network.rpcUrl))['projects']).to.have.length(2)
    expect((await asked('project', 'list', '--rpc', network.rpcUrl))['projects']).to.have.length(2)
  })

  const keysText = (i: number): string =>
    JSON.stringify({ identity: keccak256(stringToBytes(`identity ${i}`)), data: keccak256(stringToBytes(`data ${i}`)) })

  const servicesOf = ({ didDocument }: Record<string, unknown>): string[] =>
    (didDocument as { service: { id: string }[] }).service.map(({ id }) => id.split('#')[1]!).sort()

  async function documentOfAnother(): Promise<string> {
    writeFileSync(file('other.keys.json'), keysText(99), { mode: 0o600 })
    const { document } = await asked('did', 'show', '--keys', 'other.keys.json')
    writeFileSync(file('other.did.json'), JSON.stringify(document))
    return 'other.did.json'
  }
})
