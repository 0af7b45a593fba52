// SPDX-License-Identifier: GPL-3.0-or-later
/** iden3's container of r1cs, wtns and zkey files: magic, version, then sections of (type, length, bytes), all little-endian. */

export type Sections = ReadonlyMap<number, Uint8Array>

/** Sections by type. Throws a RangeError for another magic or a file that ends early; of two sections of one type the last counts. */
export function readSections(file: Uint8Array, magic: string): Sections {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength)
  if (new TextDecoder().decode(file.subarray(0, 4)) !== magic) throw new RangeError(`not a ${magic} file`)
  const sections = new Map<number, Uint8Array>()
  let at = 12
  for (let i = 0; i < view.getUint32(8, true); i++) {
    const type = view.getUint32(at, true)
    const length = Number(view.getBigUint64(at + 4, true))
    at += 12
    if (at + length > file.length) throw new RangeError(`${magic} file ends inside section ${type}`)
    sections.set(type, file.subarray(at, at + length))
    at += length
  }
  return sections
}

/** A file of the given sections, in their order. */
export function writeSections(
  magic: string,
  version: number,
  sections: readonly (readonly [type: number, bytes: Uint8Array])[],
): Uint8Array {
  const file = new Uint8Array(12 + sections.reduce((sum, [, bytes]) => sum + 12 + bytes.length, 0))
  const view = new DataView(file.buffer)
  file.set(new TextEncoder().encode(magic))
  view.setUint32(4, version, true)
  view.setUint32(8, sections.length, true)
  let at = 12
  for (const [type, bytes] of sections) {
    view.setUint32(at, type, true)
    view.setBigUint64(at + 4, BigInt(bytes.length), true)
    file.set(bytes, at + 12)
    at += 12 + bytes.length
  }
  return file
}

/** Little-endian integer of 32 bytes at `at`. */
export function readElement(bytes: Uint8Array, at: number): bigint {
  const view = new DataView(bytes.buffer, bytes.byteOffset + at, 32)
  let value = 0n
  for (let word = 3; word >= 0; word--) value = (value << 64n) | view.getBigUint64(8 * word, true)
  return value
}

/** Writes an integer below 2^256 as 32 little-endian bytes at `at`. */
export function writeElement(bytes: Uint8Array, at: number, value: bigint): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset + at, 32)
  for (let word = 0; word < 4; word++) view.setBigUint64(8 * word, (value >> BigInt(64 * word)) & 0xffff_ffff_ffff_ffffn, true)
}
