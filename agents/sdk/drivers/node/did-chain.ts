// SPDX-License-Identifier: Apache-2.0
/** What the resolver asks of a chain, by viem. */
import { type Address, parseAbiItem, type PublicClient } from 'viem'
import { addressOf, type Deployment } from '../../../kit/deployment.ts'
import { placeOf, rpcFailed } from '../../../kit/errors.ts'
import { ioIDAbi, ioIDRegistryAbi } from '../../../protocol/generated/abi.ts'
import type { DeviceId } from '../../../protocol/ids.ts'
import type { DeviceState, DidChain } from '../../resolver.ts'

const registered = parseAbiItem('event NewDevice(address indexed device, address owner, bytes32 hash, string uri)')
const updated = parseAbiItem('event UpdateDevice(address indexed device, address owner, bytes32 hash, string uri)')
const migrated = parseAbiItem('event Migrate(address indexed device, address owner)')
const ZERO = 0n

/** @param client  of the chain that the deployment is on */
export function openDidChain(client: PublicClient, deployment: Deployment): DidChain {
  const [ioIDRegistry, ioID] = [addressOf(deployment, 'IoIDRegistry'), addressOf(deployment, 'IoID')]
  const fromBlock = BigInt(deployment.contracts['IoIDRegistry']?.block ?? 0)
  const registry = { address: ioIDRegistry, abi: ioIDRegistryAbi } as const
  const tokens = { address: ioID, abi: ioIDAbi } as const

  /** Nodes limit how far back events are looked for: without an answer they are not known. */
  const history = async (device: DeviceId): Promise<Pick<DeviceState, 'created' | 'updated'>> => {
    try {
      const find = { address: ioIDRegistry, args: { device }, fromBlock } as const
      const [births, changes] = await Promise.all([
        client.getLogs({ ...find, event: registered }),
        client.getLogs({ ...find, event: updated }),
      ])
      const [first, last] = [births[0], [...births, ...changes].sort((a, b) => Number(a.blockNumber - b.blockNumber)).at(-1)]
      if (first === undefined || last === undefined) return {}
      const [then, now] = await Promise.all([first, last].map(({ blockNumber }) => client.getBlock({ blockNumber })))
      return { created: Number(then!.timestamp), updated: Number(now!.timestamp) }
    } catch {
      return {}
    }
  }

  const read = async (device: DeviceId): Promise<DeviceState> => {
    const block = await client.getBlockNumber({ cacheTime: 0 })
    const at = { blockNumber: block } as const
    const [nonce, [tokenId, project, owner], keyOf, retired] = await Promise.all([
      client.readContract({ ...registry, ...at, functionName: 'nonces', args: [device] }),
      client.readContract({ ...tokens, ...at, functionName: 'deviceInfo', args: [device] }),
      client.readContract({ ...registry, ...at, functionName: 'deviceOfSigner', args: [device] }),
      client.readContract({ ...registry, ...at, functionName: 'isRetired', args: [device] }),
    ])
    const known = { block, nonce, keyOf: BigInt(keyOf) === ZERO ? null : (keyOf.toLowerCase() as DeviceId), retired }
    if (tokenId === ZERO) return { ...known, live: null }
    const [wallet, signer, documentHash, documentUri, times] = await Promise.all([
      client.readContract({ ...tokens, ...at, functionName: 'walletOf', args: [tokenId] }),
      client.readContract({ ...registry, ...at, functionName: 'signerOf', args: [device] }),
      client.readContract({ ...registry, ...at, functionName: 'documentHash', args: [device] }),
      client.readContract({ ...registry, ...at, functionName: 'documentURI', args: [device] }),
      history(device),
    ])
    return { ...known, ...times, live: { tokenId, project, owner, wallet, signer, documentHash, documentUri } }
  }

  return {
    chainId: deployment.chainId,
    ioIDRegistry,
    read: (device) => read(device).catch((error: unknown) => Promise.reject(rpcFailed(placeOf(client.transport['url'] as string), error))),
    async permitOwners(device) {
      const find = { address: ioIDRegistry, args: { device }, fromBlock } as const
      const logs = (await Promise.all([registered, updated, migrated].map((event) => client.getLogs({ ...find, event })))).flat()
      const births = logs.filter(({ eventName }) => eventName === 'NewDevice')
      const sent = await Promise.all(births.map(({ transactionHash }) => client.getTransaction({ hash: transactionHash })))
      const named = logs.map(({ args }) => (args as { owner?: Address }).owner)
      // v1's permit names its caller: a verifying proxy, for the devices that came through one.
      return [...named, ...sent.flatMap(({ from, to }) => [from, to])].filter((owner) => owner !== undefined && owner !== null)
    },
  }
}
