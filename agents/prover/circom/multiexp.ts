// SPDX-License-Identifier: GPL-3.0-or-later
/**
 * Sums of many points times scalars on bn254 (Pippenger), on the arithmetic of ffjavascript's WASM in this thread. Signed windows, and buckets filled by
 * affine additions that share one inversion: half the multiplications of ffjavascript's own, which adds into Jacobian buckets.
 */

export type Call = (...pointers: number[]) => number

/** Bytes after the last allocation that the module may take for itself, for instance while it inverts a batch. */
const SLACK = 4 << 20

/** ffjavascript's curve code with its memory: a heap that only grows. Pointers are byte offsets. */
export class Arithmetic {
  readonly bytes: Uint8Array
  readonly words: Uint32Array
  readonly #exports: Record<string, Call>
  readonly #end: number

  /** `code`: `tm.code` of a single-threaded curve; `capacity`: bytes that will be allocated. */
  constructor(code: Uint8Array<ArrayBuffer>, capacity: number) {
    const memory = new WebAssembly.Memory({ initial: Math.ceil((capacity + 2 * SLACK) / 65536) })
    this.#exports = new WebAssembly.Instance(new WebAssembly.Module(code), { env: { memory } }).exports
    this.bytes = new Uint8Array(memory.buffer)
    this.words = new Uint32Array(memory.buffer)
    this.#end = this.bytes.length - SLACK
  }

  call(name: string): Call {
    const call = this.#exports[name]
    if (call === undefined) throw new RangeError(`ffjavascript's WASM has no ${name}`)
    return call
  }

  /** Zeroed bytes, aligned to 64. The module keeps at address 0 where its free memory begins. */
  alloc(size: number): number {
    const at = (this.words[0]! + 63) & ~63
    if (at + size > this.#end) throw new RangeError(`the WASM memory ends before ${at + size}`)
    this.words[0] = at + size
    return at
  }

  put(bytes: Uint8Array): number {
    const at = this.alloc(bytes.length)
    this.bytes.set(bytes, at)
    return at
  }
}

/** What a pair of a bucket becomes: a sum, twice a point, or nothing because the two are opposite. */
const [SUM, TWICE, NOTHING] = [0, 1, 2] as const
/** Scalars have 254 bits; recoding to signed digits may carry once more. */
const BITS = 255
/** What one bucket costs in additions: a mixed and a full one at the end of each window. */
const BUCKET_COST = 4

export class MultiExp {
  readonly #a: Arithmetic
  readonly #element: number
  readonly #points: number
  readonly #denominators: number
  readonly #inverses: number
  readonly #scratch: number
  readonly #one: number
  readonly #window: number
  readonly #running: number
  readonly #group: 'g1m' | 'g2m'

  /** For at most `most` points. Coordinates have 32 bytes in g1m and 64 in g2m. */
  constructor(arithmetic: Arithmetic, group: 'g1m' | 'g2m', most: number) {
    this.#a = arithmetic
    this.#group = group
    this.#element = group === 'g1m' ? 32 : 64
    this.#points = arithmetic.alloc(most * 2 * this.#element)
    this.#denominators = arithmetic.alloc((most >> 1) * this.#element + this.#element)
    this.#inverses = arithmetic.alloc((most >> 1) * this.#element + this.#element)
    this.#scratch = arithmetic.alloc(4 * this.#element)
    this.#one = arithmetic.alloc(this.#element)
    this.#window = arithmetic.alloc(3 * this.#element)
    this.#running = arithmetic.alloc(3 * this.#element)
    arithmetic.call(`${this.#field}_one`)(this.#one)
  }

  /** Bytes that one of these allocates. */
  static capacity(group: 'g1m' | 'g2m', most: number): number {
    return (most * 3 + 32) * (group === 'g1m' ? 32 : 64) + 1024
  }

  get #field(): 'f1m' | 'f2m' {
    return this.#group === 'g1m' ? 'f1m' : 'f2m'
  }

  /**
   * Σ scalar·point as a Jacobian point at `result`.
   * @param points   affine points in Montgomery form, one after another; all zero is the neutral one
   * @param scalars  32 bytes each, little-endian, below the group's order
   */
  sum(points: number, scalars: number, count: number, result: number): void {
    const call = (name: string): Call => this.#a.call(`${this.#group}_${name}`)
    const [add, addMixed, double, zero, isZeroAffine] = ['add', 'addMixed', 'double', 'zero', 'isZeroAffine'].map(call) as [
      Call,
      Call,
      Call,
      Call,
      Call,
    ]
    const affine = 2 * this.#element
    const terms = this.#terms(scalars, count).filter((i) => isZeroAffine(points + i * affine) === 0)
    const { bits, digits, windows } = this.#digits(terms, scalars)
    const buckets = 1 << (bits - 1)
    const [starts, lengths] = [new Int32Array(buckets + 2), new Int32Array(buckets + 1)]
    zero(result)
    for (let window = windows - 1; window >= 0; window--) {
      for (let i = 0; i < bits; i++) double(result, result)
      const own = digits.subarray(window * terms.length, (window + 1) * terms.length)
      if (!this.#fill(own, terms, points, starts, lengths)) continue
      this.#collapse(starts, lengths)
      zero(this.#window)
      zero(this.#running)
      let any = false
      for (let bucket = buckets; bucket >= 1; bucket--) {
        if (lengths[bucket] === 1) {
          addMixed(this.#running, this.#points + starts[bucket]! * affine, this.#running)
          any = true
        }
        if (any) add(this.#window, this.#running, this.#window)
      }
      add(result, this.#window, result)
    }
  }

  /** Indices of the scalars that are not zero. */
  #terms(scalars: number, count: number): Int32Array {
    const { words } = this.#a
    const found = new Int32Array(count)
    let n = 0
    for (let i = 0, at = scalars >> 2; i < count; i++, at += 8) {
      let any = 0
      for (let word = 0; word < 8; word++) any |= words[at + word]!
      if (any !== 0) found[n++] = i
    }
    return found.subarray(0, n)
  }

  /** Signed digits, window after window, of the width that costs least. */
  #digits(terms: Int32Array, scalars: number): { bits: number; windows: number; digits: Int16Array } {
    const { words } = this.#a
    let wide = 0
    for (const i of terms) if (words[(scalars >> 2) + 8 * i + 7] !== 0 || words[(scalars >> 2) + 8 * i + 4] !== 0) wide++
    let [bits, least] = [4, Infinity]
    for (let width = 4; width <= 14; width++) {
      const cost = Math.ceil(BITS / width) * (wide + BUCKET_COST * 2 ** (width - 1))
      if (cost < least) [bits, least] = [width, cost]
    }
    const windows = Math.ceil(BITS / bits)
    const digits = new Int16Array(windows * terms.length)
    const [full, half, mask] = [1 << bits, 1 << (bits - 1), (1 << bits) - 1]
    terms.forEach((term, i) => {
      const at = (scalars >> 2) + 8 * term
      let carry = 0
      for (let window = 0, bit = 0; window < windows; window++, bit += bits) {
        const [word, shift] = [bit >> 5, bit & 31]
        const low = word < 8 ? words[at + word]! >>> shift : 0
        const high = shift + bits > 32 && word < 7 ? words[at + word + 1]! << (32 - shift) : 0
        let digit = ((low | high) & mask) + carry
        carry = digit > half ? 1 : 0
        if (carry === 1) digit -= full
        digits[window * terms.length + i] = digit
      }
    })
    return { bits, windows, digits }
  }

  /** Puts the points of one window in the order of their buckets, negated where the digit is negative. False when there are none. */
  #fill(digits: Int16Array, terms: Int32Array, points: number, starts: Int32Array, lengths: Int32Array): boolean {
    const copy = this.#a.call(`${this.#group}_copyAffine`)
    const negate = this.#a.call(`${this.#group}_negAffine`)
    const affine = 2 * this.#element
    lengths.fill(0)
    for (const digit of digits) if (digit !== 0) lengths[Math.abs(digit)]!++
    let at = 0
    for (let bucket = 1; bucket < lengths.length; bucket++) {
      starts[bucket] = at
      at += lengths[bucket]!
    }
    const next = starts.slice()
    for (let i = 0; i < digits.length; i++) {
      const digit = digits[i]!
      if (digit > 0) copy(points + terms[i]! * affine, this.#points + next[digit]!++ * affine)
      else if (digit < 0) negate(points + terms[i]! * affine, this.#points + next[-digit]!++ * affine)
    }
    return at > 0
  }

  /** Adds the points of each bucket, two and two in all buckets at once, until each has one or none. */
  #collapse(starts: Int32Array, lengths: Int32Array): void {
    const call = (name: string): Call => this.#a.call(`${this.#field}_${name}`)
    const [sub, add, mul, square, copy, isZero, eq] = ['sub', 'add', 'mul', 'square', 'copy', 'isZero', 'eq'].map(call) as [
      Call,
      Call,
      Call,
      Call,
      Call,
      Call,
      Call,
    ]
    const invert = call('batchInverse')
    const copyPoint = this.#a.call(`${this.#group}_copyAffine`)
    const size = this.#element
    const affine = 2 * size
    const [slope, x, y] = [this.#scratch, this.#scratch + size, this.#scratch + 2 * size]
    const kinds = new Uint8Array(lengths.reduce((sum, length) => sum + (length >> 1), 0))
    for (;;) {
      let pairs = 0
      for (let bucket = 1; bucket < lengths.length; bucket++) {
        let p = this.#points + starts[bucket]! * affine
        for (let left = lengths[bucket]!; left > 1; left -= 2, p += 2 * affine, pairs++) {
          const denominator = this.#denominators + pairs * size
          sub(p + affine, p, denominator)
          kinds[pairs] = SUM
          if (isZero(denominator) === 0) continue
          // The same point twice, or a point and its opposite. No point of this group has y = 0.
          const same = eq(p + size, p + affine + size) === 1
          kinds[pairs] = same ? TWICE : NOTHING
          if (same) add(p + size, p + size, denominator)
          else copy(this.#one, denominator)
        }
      }
      if (pairs === 0) return
      invert(this.#denominators, size, pairs, this.#inverses, size)
      pairs = 0
      for (let bucket = 1; bucket < lengths.length; bucket++) {
        let p = this.#points + starts[bucket]! * affine
        let out = p
        let left = lengths[bucket]!
        for (; left > 1; left -= 2, p += 2 * affine, pairs++) {
          const kind = kinds[pairs]!
          if (kind === NOTHING) continue
          if (kind === TWICE) {
            square(p, slope)
            add(slope, slope, x)
            add(slope, x, slope)
          } else {
            sub(p + affine + size, p + size, slope)
          }
          mul(slope, this.#inverses + pairs * size, slope)
          square(slope, x)
          sub(x, p, x)
          sub(x, p + affine, x)
          sub(p, x, y)
          mul(slope, y, y)
          sub(y, p + size, out + size)
          copy(x, out)
          out += affine
        }
        if (left === 1) {
          if (out !== p) copyPoint(p, out)
          out += affine
        }
        lengths[bucket] = (out - this.#points) / affine - starts[bucket]!
      }
    }
  }
}
