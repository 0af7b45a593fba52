// SPDX-License-Identifier: Apache-2.0
/** The addresses file of a deployment: which contracts, on which chain, since which block. */
import { readFileSync } from 'node:fs'
import { z } from 'zod'
import { connectChain, type ChainClient, type ChainPolicy } from './chain.ts'
import { TrellisError } from './errors.ts'
import { isLoopback } from './loopback.ts'

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

/**
 * Reads the addresses file and connects to its chain. `local` allows bare and public development keys, so it takes all three marks of a local network.
 * @throws what `readDeployment` and `connectChain` throw */
export async function connectDeployment(
  config: { rpcUrl: string; addressesFile: string } & ChainPolicy,
): Promise<{ deployment: Deployment; chain: ChainClient; local: boolean }> {
  const deployment = readDeployment(config.addressesFile)
  const { rpcUrl, confirmations, pollMs, reorgDepth } = config
  const { chainId, genesisHash } = deployment
  const chain = await connectChain({ rpcUrl, chainId, genesisHash, confirmations, pollMs, reorgDepth })
  return { deployment, chain, local: isLocal(deployment, rpcUrl) }
}
