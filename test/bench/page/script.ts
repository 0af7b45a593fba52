// SPDX-License-Identifier: Apache-2.0
/**
 * Years of history on a chain in seconds: anvil gives the contracts' addresses a code that emits the logs which its call data carries, so that what
 * reads the chain meets real blocks, transactions, receipts and logs of the real addresses. Call data may open with a real call.
 */
import { createRequire } from 'node:module'
import { concat, type Hex, numberToHex, pad, size } from 'viem'

/**
 * Call data: anything, then records, then one word with the place of the first record. A record is a word `n`: for n ≤ 4 topics, the length of the
 * data, the data; for n = 5 an address, the length of call data, that call data. All in whole words.
 */
const SOURCE = `
// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;
contract Script {
    fallback() external payable {
        assembly {
            let end := sub(calldatasize(), 32)
            for { let i := calldataload(end) } lt(i, end) {} {
                let n := calldataload(i)
                let topics := add(i, 32)
                let words := n
                if eq(n, 5) { words := 1 }
                let place := add(topics, mul(words, 32))
                let length := calldataload(place)
                calldatacopy(0, add(place, 32), length)
                switch n
                case 1 { log1(0, length, calldataload(topics)) }
                case 2 { log2(0, length, calldataload(topics), calldataload(add(topics, 32))) }
                case 3 { log3(0, length, calldataload(topics), calldataload(add(topics, 32)), calldataload(add(topics, 64))) }
                case 4 {
                    log4(
                        0, length, calldataload(topics), calldataload(add(topics, 32)), calldataload(add(topics, 64)), calldataload(add(topics, 96))
                    )
                }
                default { if iszero(call(gas(), calldataload(topics), 0, 0, length, 0, 0)) { revert(0, 0) } }
                i := add(add(place, 32), length)
            }
        }
    }
}`

interface Solc {
  compile(input: string): string
}

/** The code that such an address gets. */
export function scriptCode(): Hex {
  const solc = createRequire(import.meta.url)('solc') as Solc
  const settings = { optimizer: { enabled: true }, outputSelection: { '*': { '*': ['evm.deployedBytecode.object'] } } }
  const input = { language: 'Solidity', sources: { 'Script.sol': { content: SOURCE } }, settings }
  const { contracts } = JSON.parse(solc.compile(JSON.stringify(input))) as {
    contracts: Record<string, Record<string, { evm: { deployedBytecode: { object: string } } }>>
  }
  return `0x${contracts['Script.sol']!['Script']!.evm.deployedBytecode.object}`
}

export interface Log {
  topics: readonly Hex[]
  data: Hex
}

const word = (value: number): Hex => numberToHex(value, { size: 32 })

const logRecord = ({ topics, data }: Log): Hex => concat([word(topics.length), ...topics, word(size(data)), data])

/** Call data that opens with `call` and emits these logs at the address called; those of other addresses by calls in between. */
export function script(call: Hex, to: Hex, logs: readonly (Log & { address: Hex })[]): Hex {
  const start = Math.ceil(size(call) / 32) * 32
  const records = logs.map(({ address, ...log }) => {
    if (address.toLowerCase() === to.toLowerCase()) return logRecord(log)
    const inner = concat([logRecord(log), word(0)])
    return concat([word(5), pad(address, { size: 32 }), word(size(inner)), inner])
  })
  return concat([pad(call, { size: start, dir: 'right' }), ...records, word(start)])
}
