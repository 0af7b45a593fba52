// SPDX-License-Identifier: Apache-2.0
/** Which events of which contracts Ponder reads. */
import { createConfig } from 'ponder'
import { zeroAddress } from 'viem'
import {
  accessManagerAbi,
  dataKeyRegistryAbi,
  ioIDAbi,
  ioIDRegistryAbi,
  ioIDStoreAbi,
  projectAbi,
  projectStoreAbi,
  proverStoreAbi,
  routerAbi,
  taskEscrowAbi,
  taskManagerAbi,
} from '../../protocol/generated/abi.ts'
import { job } from './job.ts'

const startBlock = Math.min(...Object.values(job.contracts).map(({ block }) => block))
const at = (name: string) => ({ chain: 'chain' as const, address: job.contracts[name]?.address ?? zeroAddress, startBlock })

export default createConfig({
  database:
    'url' in job.database
      ? { kind: 'postgres', connectionString: job.database.url }
      : { kind: 'pglite', directory: `${job.database.directory}/pglite` },
  ordering: 'omnichain',
  chains: { chain: { id: job.chainId, rpc: job.rpcUrls, pollingInterval: job.pollMs, disableCache: job.disableCache } },
  contracts: {
    AccessManager: { ...at('AccessManager'), abi: accessManagerAbi },
    Project: { ...at('Project'), abi: projectAbi },
    IoIDStore: { ...at('IoIDStore'), abi: ioIDStoreAbi },
    IoID: { ...at('IoID'), abi: ioIDAbi },
    IoIDRegistry: { ...at('IoIDRegistry'), abi: ioIDRegistryAbi },
    DataKeyRegistry: { ...at('DataKeyRegistry'), abi: dataKeyRegistryAbi },
    ProjectStore: { ...at('ProjectStore'), abi: projectStoreAbi },
    ProverStore: { ...at('ProverStore'), abi: proverStoreAbi },
    TaskManager: { ...at('TaskManager'), abi: taskManagerAbi, includeTransactionReceipts: true },
    TaskEscrow: { ...at('TaskEscrow'), abi: taskEscrowAbi },
    Router: { ...at('Router'), abi: routerAbi },
  },
})
