// SPDX-License-Identifier: Apache-2.0
/** Reads a device and verifies a proof, on chain and here, by viem. */
import { verifyGroth16 } from 'trellis/crypto'
import {
  didOf,
  deviceId,
  encodeProof,
  encodeVerifierKey,
  groth16VerifierAbi,
  ioIDAbi,
  ioIDRegistryAbi,
  verifierKeyId,
} from 'trellis/protocol'
import { parseEnvelope } from 'trellis/protocol/codec'
import { createDeviceSigner, createKeys } from 'trellis/sdk'
import { newKeys } from 'trellis/sdk/node'
import { pathFromPem } from 'trellis/sdk/x509'
import { createPublicClient, createWalletClient, hexToBytes, http } from 'viem'
import { mnemonicToAccount } from 'viem/accounts'
import { hardhat } from 'viem/chains'

const { rpcUrl, addresses, mnemonic, device, groth16 } = JSON.parse(process.argv[2])
const transport = http(rpcUrl)
const client = createPublicClient({ chain: hardhat, transport, pollingInterval: 25 })
const owner = createWalletClient({ chain: hardhat, transport, account: mnemonicToAccount(mnemonic, { addressIndex: 6 }) })
const verifier = { abi: groth16VerifierAbi, address: addresses.Groth16Verifier }

const did = didOf(deviceId(device))
const [exists, wallet] = await Promise.all([
  client.readContract({ abi: ioIDRegistryAbi, address: addresses.IoIDRegistry, functionName: 'exists', args: [device] }),
  client.readContract({ abi: ioIDAbi, address: addresses.IoID, functionName: 'wallet', args: [did] }),
])

const key = encodeVerifierKey(groth16.key)
const keyId = verifierKeyId(key)
if ((await client.readContract({ ...verifier, functionName: 'signalsOf', args: [keyId] })) === 0n)
  await client.waitForTransactionReceipt({ hash: await owner.writeContract({ ...verifier, functionName: 'registerKey', args: [key] }) })
const account = await client.readContract({ ...verifier, functionName: 'keyAccount', args: [keyId] })
const code = hexToBytes(await client.getCode({ address: account })).subarray(1)
const [proof, signals] = [encodeProof(groth16.proof), groth16.publicSignals.map(BigInt)]
const wrong = signals.with(0, signals[0] + 1n)
const onChain = (publicSignals) => client.readContract({ ...verifier, functionName: 'verify', args: [keyId, proof, publicSignals] })
const answers = {
  chain: [await onChain(signals), await onChain(wrong)],
  here: [verifyGroth16(code, signals, proof), verifyGroth16(code, wrong, proof)],
}

// A device of one's own: what it signs is what the gateway's parser reads.
const keys = createKeys((length) => crypto.getRandomValues(new Uint8Array(length)))
const places = { chainId: 31337, ioIDRegistry: addresses.IoIDRegistry, dataKeyRegistry: addresses.DataKeyRegistry }
const signed = createDeviceSigner({ keys, project: 1n, ...places }).reading(
  { sequence: 0, time: 1_700_000_000, channel: 'humidity', value: '45.93' },
  2,
)
const { encodeEnvelope } = await import('trellis/protocol/codec')
const parsed = parseEnvelope(encodeEnvelope(signed))
const certificates = typeof pathFromPem === 'function' && newKeys().identity.length === 32
console.log(JSON.stringify({ node: process.versions.node, did, exists, wallet, answers, parsed: parsed.ok, certificates }))
process.exit()
