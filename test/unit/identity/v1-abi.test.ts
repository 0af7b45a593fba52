// SPDX-License-Identifier: Apache-2.0
/** Our compiled contracts answer to what v1's (and v2's) clients call: selectors, return types, mutability, topics, inherited ones included. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import type { AbiEvent, AbiFunction } from 'viem'
import { artifactFolder } from '../../../deploy/artifacts.ts'
import { eventFacts, type Facts, factsFile, factsText, functionFacts } from '../../fixtures/v1/generate.ts'

const artifacts = artifactFolder(join(import.meta.dirname, '../../../artifacts'))
const facts = JSON.parse(readFileSync(factsFile, 'utf8')) as Facts

const ownable = ['renounceOwnership()', 'transferOwnership(address)', 'OwnershipTransferred(address,address)']
/** What is missing on purpose: governance owns these two, and gives itself away through the AccessManager with its delays (`owner()` names it). */
const ABSENT: Readonly<Record<string, readonly string[]>> = { Project: ownable, IoIDStore: ownable }

describe('the ABI of ioID v1', () => {
  it('is the one of the committed text', () => {
    expect(readFileSync(factsFile, 'utf8'), 'node test/fixtures/v1/generate.ts').to.equal(factsText())
    expect(Object.keys(facts)).to.have.length(16)
  })

  for (const [contract, { functions, events }] of Object.entries(facts)) {
    const { abi } = artifacts.read(contract)
    const absent = ABSENT[contract] ?? []

    it(`${contract}: ${Object.keys(functions).length} functions answer with the same types`, () => {
      const ours = new Map(
        abi
          .filter((item): item is AbiFunction => item.type === 'function')
          .map(functionFacts)
          .map((have) => [have.selector, have]),
      )
      for (const [signature, want] of Object.entries(functions)) {
        if (absent.includes(signature)) expect(ours.has(want.selector), `${signature} is here after all`).to.equal(false)
        else {
          const have = ours.get(want.selector)
          // A function that promises to write nothing answers whoever sends it a transaction too.
          const mutability = have?.mutability === 'read' && want.mutability === 'write' ? 'read' : want.mutability
          expect(have, signature).to.deep.equal({ ...want, mutability })
        }
      }
    })

    it(`${contract}: ${Object.keys(events).length} events have the same topics`, () => {
      const ours = new Map(
        abi
          .filter((item): item is AbiEvent => item.type === 'event')
          .map(eventFacts)
          .map((have) => [have.topic, have]),
      )
      for (const [signature, want] of Object.entries(events)) {
        if (absent.includes(signature)) expect(ours.has(want.topic), `${signature} is here after all`).to.equal(false)
        else expect(ours.get(want.topic), signature).to.deep.equal(want)
      }
    })
  }
})
