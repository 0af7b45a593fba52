// SPDX-License-Identifier: Apache-2.0
/** The proof market: stores, task manager, escrow, router, reference dapp, and how they know each other. */
import type { Address } from 'viem'
import type { Deployer } from '../deployer.ts'
import type { Network } from '../network.ts'

export async function deployW3bstream(deployer: Deployer, network: Network, local: boolean): Promise<void> {
  const at = (name: string): Address => deployer.contracts.get(name)!.address
  const manager = at('AccessManager')
  const init = { functionName: 'initialize', args: [manager] }

  await deployer.proxy('ProjectStore', 'ProjectStore', { functionName: 'initialize', args: [manager, local && network.replayAllowed] }, [
    at('Project'),
    at('ProgramRegistry'),
  ])
  await deployer.proxy('ProverStore', 'ProverStore', init, [at('IoIDRegistry')])
  await deployer.proxy('TaskManager', 'TaskManager', init, [
    ...[at('ProjectStore'), at('ProverStore'), at('IoID'), at('DataKeyRegistry'), at('Memberships'), at('CredentialRegistry')],
  ])
  await deployer.create('TaskEscrow', 'TaskEscrow', [at('TaskManager'), at('Project')])
  await deployer.proxy('Router', 'Router', init, [
    at('TaskManager'),
    at('ProverStore'),
    at('ProjectStore'),
    at('ProgramRegistry'),
    at('DataKeyRegistry'),
  ])
  await deployer.create('TelemetryDapp', 'TelemetryDapp', [at('Router')])

  const wires = [
    ['TaskManager', 'escrow', 'setEscrow', 'TaskEscrow'],
    ['TaskManager', 'router', 'setRouter', 'Router'],
    ['ProjectStore', 'router', 'setRouter', 'Router'],
    ['ProverStore', 'taskManager', 'setTaskManager', 'TaskManager'],
  ] as const
  for (const [contract, getter, setter, target] of wires) {
    await deployer.ensure(
      `${contract} knows ${target}`,
      () => deployer.read<Address>(contract, at(contract), getter),
      at(target),
      () => deployer.write(contract, at(contract), setter, [at(target)]),
    )
  }
  await deployer.ensure(
    `provers are offline ${network.heartbeatTtlSeconds} s after a heartbeat`,
    () => deployer.read<number>('ProverStore', at('ProverStore'), 'heartbeatTtl'),
    network.heartbeatTtlSeconds,
    () => deployer.write('ProverStore', at('ProverStore'), 'setHeartbeatTtl', [network.heartbeatTtlSeconds]),
  )
  for (const operator of network.operators) {
    await deployer.ensure(
      `${operator} is an operator`,
      () => deployer.read<boolean>('TaskManager', at('TaskManager'), 'operators', [operator]),
      true,
      () => deployer.write('TaskManager', at('TaskManager'), 'addOperator', [operator]),
    )
  }
}
