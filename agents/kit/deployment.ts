// SPDX-License-Identifier: Apache-2.0
/** The addresses file of a deployment: which contracts, on which chain, since which block. */
import { readFileSync } from 'node:fs'
import { z } from 'zod'
import { connectChain, type ChainClient, type ChainPolicy } from './chain.ts'
import { TrellisError, placeOf, rpcFailed } from './errors.ts'
import { patiently } from './lifecycle.ts'
import type { Logger } from './log.ts'
import { isLoopback } from './loopback.ts'
import type { Metrics } from './metrics.ts'
import { rpcErrors } from './watch.ts'

const hex = (bytes: number) =>
  z
    .string()
    .regex(new RegExp(`^0x[0-9a-fA-F]{${bytes * 2}}$`), `0x and ${bytes * 2} hex digits were expected`)
    .transform((text) => text as `0x${string}`)

const deploymentSchema = z.object({
  chainId: z.int().positive(),
  genesisHash: hex(32),
  kind: z.enum(['local', 'public']),
  contracts: z.record(z.string(), z.object({ address: hex(20), block: z.int().nonnegative(), codeHash: hex(32) })),
})

/** Contracts by name, as deploy published them. */
export type Deployment = z.output<typeof deploymentSchema>

/** @throws TrellisError ADDRESSES_UNREADABLE */
export function readDeployment(file: string): Deployment {
  try {
    return deploymentSchema.parse(JSON.parse(readFileSync(file, 'utf8')))
  } catch (error) {
    throw new TrellisError({
      code: 'ADDRESSES_UNREADABLE',
      message: 'The addresses file of the deployment cannot be read.',
      details: {
        file,
        reason: error instanceof z.ZodError ? z.prettifyError(error) : error instanceof Error ? error.message : String(error),
      },
      next: 'deploy first: npx hardhat deploy --network localhost',
      cause: error,
    })
  }
}

/** Address of a contract. @throws TrellisError CONTRACT_UNKNOWN when the deployment has none of that name. */
export function addressOf(deployment: Deployment, name: string): `0x${string}` {
  const found = deployment.contracts[name]
  if (found !== undefined) return found.address
  throw new TrellisError({
    code: 'CONTRACT_UNKNOWN',
    message: `The deployment has no contract called ${name}.`,
    details: { chainId: deployment.chainId, known: Object.keys(deployment.contracts) },
    next: 'deploy again with this version: npx hardhat deploy --network localhost',
  })
}

/** Two of the three marks of a local network; the third, the genesis that the deployment was made on, is checked when its chain is connected. */
export const isLocal = ({ kind }: Pick<Deployment, 'kind'>, rpcUrl: string): boolean => kind === 'local' && isLoopback(rpcUrl)

export interface DeploymentChain extends ChainPolicy {
  rpcUrl: string
  otherRpcUrls?: readonly string[]
  timeoutMs?: number
  maxFeePerGas?: bigint
  addressesFile: string
}

/**
 * Reads the addresses file and connects to its chain. `local` allows bare and public development keys, so it takes all three marks of a local network.
 * With `patience` a chain that does not answer is waited for, until the signal ends it.
 * @throws what `readDeployment` and `connectChain` throw; DEPLOYMENT_MISSING, STOPPED
 */
export async function connectDeployment(
  { addressesFile, ...options }: DeploymentChain,
  patience?: { log: Logger; signal: AbortSignal; metrics?: Metrics },
): Promise<{ deployment: Deployment; chain: ChainClient; local: boolean }> {
  const deployment = readDeployment(addressesFile)
  const { chainId, genesisHash } = deployment
  const silences = patience?.metrics === undefined ? undefined : rpcErrors(patience.metrics)
  const onSilence = silences === undefined ? undefined : (): void => silences.inc()
  const connect = async (): Promise<ChainClient> => {
    const chain = await connectChain({ ...options, chainId, genesisHash, onSilence, ...(patience && { log: patience.log }) })
    await checkContracts(chain, deployment)
    return chain
  }
  const chain = await (patience === undefined ? connect() : patiently(connect, { what: 'the chain', ...patience }))
  const urls = [options.rpcUrl, ...(options.otherRpcUrls ?? [])]
  return { deployment, chain, local: urls.every((url) => isLocal(deployment, url)) }
}

/** The genesis may be right and the contracts gone: a local chain that was set back. The newest contract speaks for all. */
async function checkContracts(chain: ChainClient, { contracts }: Deployment): Promise<void> {
  const [newest] = Object.entries(contracts).sort(([, a], [, b]) => b.block - a.block)
  if (newest === undefined) return
  const [name, { address, block }] = newest
  const [code, head] = await Promise.all([chain.public.getCode({ address }), chain.public.getBlockNumber()]).catch((error: unknown) =>
    Promise.reject(rpcFailed(chain.rpcUrl, error)),
  )
  if (code !== undefined) return
  if (head < BigInt(block)) throw rpcFailed(chain.rpcUrl, `it has ${head} blocks, and the deployment is in block ${block}`)
  throw new TrellisError({
    code: 'DEPLOYMENT_MISSING',
    message: 'The chain has no contract where the deployment has one.',
    details: { contract: name, address, rpcUrl: placeOf(chain.rpcUrl) },
    next: 'deploy again (npx hardhat deploy --network localhost), or point the service at the right RPC',
  })
}
