// SPDX-License-Identifier: GPL-3.0-or-later
/** What we use of snarkjs 0.7.6, which ships no types. A file is a path or `{ type: 'mem', data }`, which snarkjs fills when it writes. */

declare module 'snarkjs' {
  export interface MemFile {
    type: 'mem'
    data?: Uint8Array
  }
  export type File = string | Uint8Array | MemFile
  export interface Logger {
    debug(message: string): void
    info(message: string): void
    warn(message: string): void
    error(message: string): void
  }
  /** Coordinates are decimal strings; points are projective with a last coordinate of 1, G2 limbs real part first. */
  export interface Groth16Proof {
    pi_a: [string, string, string]
    pi_b: [[string, string], [string, string], [string, string]]
    pi_c: [string, string, string]
    protocol: 'groth16'
    curve: 'bn128'
  }
  export interface VerificationKey {
    protocol: 'groth16'
    curve: 'bn128'
    nPublic: number
    vk_alpha_1: [string, string, string]
    vk_beta_2: [[string, string], [string, string], [string, string]]
    vk_gamma_2: [[string, string], [string, string], [string, string]]
    vk_delta_2: [[string, string], [string, string], [string, string]]
    vk_alphabeta_12: unknown
    IC: [string, string, string][]
  }
  export type Input = Readonly<Record<string, string | readonly string[] | bigint | readonly bigint[] | number>>
  export interface Curve {
    G1: { g: Uint8Array; toAffine(point: Uint8Array): Uint8Array }
    G2: { g: Uint8Array; toAffine(point: Uint8Array): Uint8Array }
    /** `code` is there for single-threaded curves only. */
    tm: { code: Uint8Array<ArrayBuffer> }
    terminate(): Promise<void>
  }
  export const curves: { getCurveFromName(name: string, options?: { singleThread?: boolean }): Promise<Curve> }
  export const groth16: {
    prove(
      key: File,
      witness: File,
      logger?: Logger,
      options?: { singleThread?: boolean },
    ): Promise<{ proof: Groth16Proof; publicSignals: string[] }>
    fullProve(input: Input, wasm: File, key: File): Promise<{ proof: Groth16Proof; publicSignals: string[] }>
    verify(key: VerificationKey, publicSignals: readonly string[], proof: Groth16Proof): Promise<boolean>
  }
  export const wtns: {
    calculate(input: Input, wasm: File, witness: File): Promise<void>
    check(r1cs: File, witness: File): Promise<boolean>
  }
  export const powersOfTau: {
    newAccumulator(curve: Curve, power: number, file: File): Promise<unknown>
    contribute(old: File, next: File, name: string, entropy: string): Promise<unknown>
    beacon(old: File, next: File, name: string, beaconHex: string, iterationsExponent: number): Promise<unknown>
    preparePhase2(old: File, next: File): Promise<unknown>
  }
  export const zKey: {
    newZKey(r1cs: File, ptau: File, key: File): Promise<Uint8Array | -1>
    contribute(old: File, next: File, name: string, entropy: string): Promise<unknown>
    beacon(old: File, next: File, name: string, beaconHex: string, iterationsExponent: number): Promise<unknown>
    verifyFromR1cs(r1cs: File, ptau: File, key: File, logger?: Logger): Promise<boolean>
    exportVerificationKey(key: File): Promise<VerificationKey>
  }
}
