// SPDX-License-Identifier: Apache-2.0
/**
 * What a device costs, and what reading costs, when a project has 1, 1,000, 10,000 and 100,000 devices: gas of whole transactions through the deployed
 * proxies and of calls. The devices between the measured ones are minted past the registry, with wallets and lists as ever. About two minutes.
 */
import { type Address, type Hex, type TransactionReceipt, zeroAddress } from 'viem'
import { ioIDRegistryDomain, permitTypes } from '../../agents/protocol/eip712/identity.ts'
import type { Bench, Row } from '../../scripts/bench.ts'
import { deployIdentity, HASH, type IdentitySuite, key, split, URI } from '../fixtures/identity.ts'

const SIZES = [1, 1_000, 10_000, 100_000]
const AT_ONCE = 40
const PAGE = 500
const SENTINEL: Address = '0x0000000000000000000000000000000000000001'

async function measure(suite: IdentitySuite): Promise<Row[]> {
  const { owner, registry, ioID, deviceNFT, memberships, projectId, provider, client } = suite
  const bulk = await suite.deploy('BulkMinter')
  const rows: Row[] = []
  const note = (name: string, unit: string, ours: bigint | number): void =>
    void rows.push({ case: name, unit, ours: Number(ours), peer: null, peerName: null, ratio: null, target: null, ok: true })

  const permit = async (n: number): Promise<readonly [number, Hex, Hex]> => {
    const nonce = await suite.read<bigint>(registry, 'nonces', [key(n).address])
    const domain = ioIDRegistryDomain(suite.chainId, registry.address)
    const { v, r, s } = split(await key(n).signTypedData({ domain, types: permitTypes, primaryType: 'Permit', message: { owner, nonce } }))
    return [v, r, s]
  }
  const register = async (n: number): Promise<TransactionReceipt> => {
    const args = [deviceNFT.address, await suite.mintDevice(owner), key(n).address, HASH, URI, ...(await permit(n))]
    return suite.send(owner, registry, 'register(address,uint256,address,bytes32,string,uint8,bytes32,bytes32)', args)
  }
  const remove = async (n: number): Promise<TransactionReceipt> =>
    suite.send(owner, registry, 'remove(address,uint8,bytes32,bytes32)', [key(n).address, ...(await permit(n))])
  const live = (): Promise<bigint> => suite.read<bigint>(ioID, 'projectDeviceCount', [projectId])

  let minted = 0
  const fill = async (size: number): Promise<void> => {
    const missing = size - Number(await live())
    if (missing <= 0) return
    await provider.request({ method: 'hardhat_impersonateAccount', params: [registry.address] })
    await provider.request({ method: 'hardhat_setBalance', params: [registry.address, '0x56bc75e2d63100000'] })
    await suite.send(registry.address, ioID, 'setMinter', [bulk.address])
    for (let done = 0; done < missing; done += AT_ONCE) {
      const count = Math.min(AT_ONCE, missing - done)
      await suite.send(owner, bulk, 'mint', [ioID.address, projectId, minted, count])
      minted += count
    }
    await suite.send(owner, bulk, 'handBack', [ioID.address, registry.address])
  }
  const callGas = (functionName: string, args: readonly unknown[], contract = ioID): Promise<bigint> =>
    client.estimateContractGas({ ...contract, functionName, args: args as unknown[], account: owner })

  // The owner's and the project's first devices cost what no later one does.
  let n = 1
  for (let i = 0; i < 3; i += 1) await register(n++)
  for (const size of SIZES) {
    await fill(size)
    const name = `${size.toLocaleString('en-US')} devices`
    const mine = n++
    note(`${name}: register the next`, 'gas', (await register(mine)).gasUsed)
    note(`${name}: who owns a device, and in which project`, 'gas of a call', await callGas('deviceInfo', [key(mine).address]))
    note(`${name}: is it a member`, 'gas of a call', await callGas('isMember', [projectId, key(mine).address], memberships))
    note(`${name}: a page of 100`, 'gas of a call', await callGas('projectIDs', [projectId, SENTINEL, 100n]))
    note(`${name}: remove it`, 'gas', (await remove(mine)).gasUsed)

    const seen = new Set<Address>()
    let [calls, start] = [0, SENTINEL]
    for (; start !== zeroAddress; calls += 1) {
      const [page, next] = await suite.read<readonly [readonly Address[], Address]>(ioID, 'projectIDs', [projectId, start, BigInt(PAGE)])
      for (const device of page) {
        if (seen.has(device)) throw new Error(`${device} is listed twice`)
        seen.add(device)
      }
      start = next
    }
    if (seen.size !== Number(await live())) throw new Error(`${seen.size} devices are listed of ${await live()}`)
    note(`${name}: all listed in pages of ${PAGE}`, 'calls', calls)
  }
  return rows
}

const bench: Bench = { name: 'population', contracts: true, run: async () => measure(await deployIdentity()) }

export default bench
