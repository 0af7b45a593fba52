// SPDX-License-Identifier: GPL-3.0-or-later
/** What we use of circomlibjs 0.1.7, which ships no types. Field elements are Montgomery bytes; convert with `F`. */

declare module 'circomlibjs' {
  export type Element = Uint8Array
  export interface Field {
    e(value: bigint | string | number): Element
    toObject(element: Element): bigint
    eq(a: Element, b: Element): boolean
  }
  export type PointPair = [x: Element, y: Element]
  export interface EddsaSignature {
    R8: PointPair
    S: bigint
  }
  export interface BabyJub {
    F: Field
    Generator: PointPair
    Base8: PointPair
    subOrder: bigint
    addPoint(a: PointPair, b: PointPair): PointPair
    mulPointEscalar(base: PointPair, scalar: bigint): PointPair
    inCurve(point: PointPair): boolean
    inSubgroup(point: PointPair): boolean
  }
  export interface Eddsa {
    F: Field
    babyJub: BabyJub
    prv2pub(secret: Uint8Array): PointPair
    signPoseidon(secret: Uint8Array, message: Element): EddsaSignature
    verifyPoseidon(message: Element, signature: EddsaSignature, publicKey: PointPair): boolean
  }
  export interface Poseidon {
    F: Field
    (inputs: readonly bigint[]): Element
  }
  export function buildEddsa(): Promise<Eddsa>
  export function buildBabyjub(): Promise<BabyJub>
  export function buildPoseidon(): Promise<Poseidon>
}
