// SPDX-License-Identifier: Apache-2.0
/** A device that serves over TLS, in a process of its own. Argument: options as JSON. Prints its port, then each peer and each refusal; echoes. */
import type { AddressInfo } from 'node:net'
import { createPublicClient, http } from 'viem'
import type { Address, DeviceId } from '../../agents/protocol/ids.ts'
import { type TlsIdentity, tlsServer } from '../../agents/sdk/drivers/node/tls.ts'
import { statusReader } from '../../agents/sdk/x509/registry.ts'

export interface TlsProcessOptions {
  rpcUrl: string
  registry: Address
  roots: DeviceId[]
  identity: TlsIdentity
}

const { rpcUrl, registry, roots, identity } = JSON.parse(process.argv[2] ?? '{}') as TlsProcessOptions
const print = (line: Record<string, unknown>): void => console.log(JSON.stringify(line))
const status = statusReader(createPublicClient({ transport: http(rpcUrl) }), registry)
const server = tlsServer(
  identity,
  { roots, status, recheckMs: 250 },
  ({ socket, peer }) => {
    print({ peer: peer.device, name: peer.name, protocol: socket.getProtocol() })
    socket.on('data', (data) => socket.write(data))
  },
  ({ code, details }) => print({ refused: code, ...details }),
)
server.on('tlsClientError', () => print({ refused: 'handshake' }))
server.listen(0, '127.0.0.1', () => print({ port: (server.address() as AddressInfo).port }))
