// SPDX-License-Identifier: Apache-2.0
/** What goes over the wire, without ABIs: the published entry of a device's own code. */
export * from './ack.ts'
export * from './canonical-json.ts'
export * from './envelope.ts'
export * from './fixed-point.ts'
export * from './signed-ack.ts'
export * from './window.ts'
