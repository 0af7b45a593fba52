// SPDX-License-Identifier: GPL-3.0-or-later
/** Witnesses by the WASM that circom compiles, instantiated once: every signal from the inputs, refused where the circuit's statement is false. */
import { FIELD } from '../../crypto/field.ts'
import { TrellisError } from '../../protocol/errors.ts'
import { writeElement, writeSections } from './binfile.ts'
import type { WitnessInput } from './input.ts'

/** The calculator's own codes for why it stopped. */
const REASONS: Readonly<Record<number, string>> = {
  1: 'an input is not a signal of the circuit',
  2: 'too many values are given',
  3: 'a signal is given twice',
  4: 'the statement is false',
  5: 'the calculator is out of memory',
  6: 'an input has too many values',
  7: 'an array was read outside its bounds',
}

export class WitnessCalculator {
  readonly #wasm: Record<string, (...values: number[]) => number>
  #message = ''

  /** `code`: the circuit's .wasm. Compiling takes a tenth of a second for the window circuit. */
  constructor(code: Uint8Array<ArrayBuffer>) {
    const call = (name: string): (() => number) => this.#wasm[name] as () => number
    const takeMessage = (): string => {
      let text = ''
      for (let char = call('getMessageChar')(); char !== 0; char = call('getMessageChar')()) text += String.fromCharCode(char)
      return text
    }
    const runtime = {
      exceptionHandler: (reason: number): never => {
        throw refused(REASONS[reason] ?? `the calculator stopped with ${reason}`, this.#message.trim())
      },
      printErrorMessage: (): void => void (this.#message += `${takeMessage()}\n`),
      writeBufferMessage: (): void => void takeMessage(),
      showSharedRWMemory: (): void => {},
    }
    this.#wasm = new WebAssembly.Instance(new WebAssembly.Module(code), { runtime }).exports
  }

  /**
   * The witness as a .wtns file.
   * @throws TrellisError WITNESS_REFUSED when inputs are missing, unknown, of another size or not in the field, or the constraints do not hold.
   */
  calculate(input: WitnessInput): Uint8Array {
    const wasm = this.#wasm
    this.#message = ''
    wasm['init']!(0)
    let given = 0
    for (const [name, value] of Object.entries(input)) {
      const values = typeof value === 'string' ? [value] : value
      const [high, low] = hashName(name)
      const size = wasm['getInputSignalSize']!(high, low)
      if (size !== values.length) throw refused(`input ${name} has ${values.length} values, the circuit takes ${Math.max(size, 0)}`)
      values.forEach((text, i) => {
        const element = /^\d{1,77}$/.test(text) ? BigInt(text) : FIELD
        if (element >= FIELD) throw refused(`input ${name} is not a field element`)
        for (let word = 0; word < 8; word++) wasm['writeSharedRWMemory']!(word, Number((element >> BigInt(32 * word)) & 0xffff_ffffn))
        wasm['setInputSignal']!(high, low, i)
        given++
      })
    }
    if (given < wasm['getInputSize']!()) throw refused(`${given} of ${wasm['getInputSize']!()} inputs are given`)

    const count = wasm['getWitnessSize']!()
    const header = new Uint8Array(40)
    const view = new DataView(header.buffer)
    view.setUint32(0, 32, true)
    writeElement(header, 4, FIELD)
    view.setUint32(36, count, true)
    const values = new DataView(new ArrayBuffer(32 * count))
    for (let i = 0; i < count; i++) {
      wasm['getWitness']!(i)
      for (let word = 0; word < 8; word++) values.setUint32(32 * i + 4 * word, wasm['readSharedRWMemory']!(word), true)
    }
    return writeSections('wtns', 2, [
      [1, header],
      [2, new Uint8Array(values.buffer)],
    ])
  }
}

function refused(why: string, trace = ''): TrellisError {
  return new TrellisError({ code: 'WITNESS_REFUSED', message: `No witness: ${why}.`, details: trace === '' ? {} : { trace } })
}

/** FNV-1a, 64 bits, as two signed halves: how circom's WASM names inputs. */
function hashName(name: string): [high: number, low: number] {
  let hash = 0xcbf29ce484222325n
  for (const byte of new TextEncoder().encode(name)) hash = ((hash ^ BigInt(byte)) * 0x100000001b3n) & 0xffff_ffff_ffff_ffffn
  return [Number(hash >> 32n), Number(hash & 0xffff_ffffn)]
}
