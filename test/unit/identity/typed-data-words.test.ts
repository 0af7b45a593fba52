// SPDX-License-Identifier: Apache-2.0
/** What interfaces say of typed data is what the code hashes: who signs reads the one, and is judged by the other. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import { keccak256, stringToBytes } from 'viem'

const contracts = join(import.meta.dirname, '../../../contracts')
const files = readdirSync(contracts, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.sol'))
const read = (name: string): string => readFileSync(join(contracts, name), 'utf8')

/** Struct types with named members: `Name(type member,…)`. */
const TYPE = /\b[A-Z]\w*\((?:[A-Za-z]\w* \w+,)*[A-Za-z]\w* \w+\)/g

/** Types in the comments of a file, each comment as one line. */
const told = (name: string): string[] =>
  (read(name).match(/(?:^[ \t]*\/\/\/.*\n)+/gm) ?? [])
    // A type broken between two members has its comma at the end of a line, or a member's name on the next.
    .map((comment) => comment.replace(/\n?[ \t]*\/\/\/ ?/g, ' ').replace(/, +/g, ','))
    .flatMap((comment) => comment.match(TYPE) ?? [])

/** Types in the code, and hashes that it has as numbers. */
const code = files.filter((name) => !name.startsWith('interfaces')).map((name) => read(name).replace(/^[ \t]*\/\/.*$/gm, ''))
const hashed = new Set(code.flatMap((text) => (text.match(/"[A-Z]\w*\([^"]*\)"/g) ?? []).flatMap((literal) => literal.match(TYPE) ?? [])))
const numbers = new Set(code.flatMap((text) => text.match(/0x[0-9a-f]{64}/g) ?? []))

describe('typed data in the words of interfaces', () => {
  const interfaces = files.filter((name) => name.startsWith('interfaces'))

  for (const name of interfaces.filter((file) => told(file).length > 0))
    it(`${name} says what is hashed`, () => {
      for (const type of told(name)) expect(hashed.has(type) || numbers.has(keccak256(stringToBytes(type))), type).to.equal(true)
    })

  it('names every type that the code hashes', () => {
    const words = new Set(interfaces.flatMap(told))
    expect(hashed.size).to.be.greaterThan(10)
    for (const type of hashed) expect(words.has(type), type).to.equal(true)
  })
})
