// The contract of this project on a chain in this process: what the router may do, and nobody else.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { network } from 'hardhat'
import { createPublicClient, createWalletClient, custom, encodeAbiParameters, type Abi, type Hex, zeroHash } from 'viem'
import { hardhat } from 'viem/chains'

const { abi, bytecode } = JSON.parse(readFileSync('artifacts/contracts/__DAPP__.sol/__DAPP__.json', 'utf8')) as { abi: Abi; bytecode: Hex }
const result = 'address device,address wallet,uint32 window,uint64 firstSequence,uint64 firstTime,uint8 count,uint8 above,uint32 sum,uint24 min,uint24 max'
const results = [{ type: 'tuple[]', components: result.split(',').map((field) => ({ type: field.split(' ')[0]!, name: field.split(' ')[1]! })) }]

test('keeps the newest window of a device, and takes it from the router only', async () => {
  const { provider } = await network.connect()
  const transport = custom(provider)
  const client = createPublicClient({ chain: hardhat, transport })
  const wallet = createWalletClient({ chain: hardhat, transport })
  const [router, stranger] = (await wallet.getAddresses()) as [Hex, Hex]
  const hash = await wallet.deployContract({ abi, bytecode, args: [router], account: router })
  const { contractAddress } = await client.waitForTransactionReceipt({ hash })
  const dapp = { abi, address: contractAddress! }
  const process = (window: number, from: Hex) => {
    const one = { device: stranger, wallet: stranger, window, firstSequence: 0n, firstTime: 1n, count: 64, above: 0, sum: 64 * 2150, min: 2150, max: 2150 }
    const args = [stranger, 1n, [zeroHash], encodeAbiParameters(results, [[one]])]
    return client.simulateContract({ ...dapp, functionName: 'process', args, account: from }).then(({ request }) => wallet.writeContract(request))
  }
  await assert.rejects(process(0, stranger), /Dapp_NotRouter/)
  await process(1, router)
  await process(0, router)
  assert.deepEqual(await client.readContract({ ...dapp, functionName: 'latest', args: [1n, stranger] }), [1, 64, 64 * 2150])
})
