// SPDX-License-Identifier: GPL-3.0-or-later
/** What we use of WebAssembly: neither the ECMAScript library nor Node's types declare it. */

declare namespace WebAssembly {
  class Memory {
    constructor(descriptor: { initial: number })
    readonly buffer: ArrayBuffer
  }
  // eslint-disable-next-line @typescript-eslint/no-extraneous-class -- it is opaque
  class Module {
    constructor(bytes: Uint8Array<ArrayBuffer>)
  }
  class Instance {
    constructor(module: Module, imports: Record<string, Record<string, unknown>>)
    readonly exports: Record<string, (...pointers: number[]) => number>
  }
}
