// SPDX-License-Identifier: Apache-2.0
/** `did:io` identifiers: `did:io:` and the lower-case address of a device's first key. The wallet on chain is keyed by that exact string. */
import { TrellisError } from './errors.ts'
import type { DeviceId } from './ids.ts'

export type Did = `did:io:${DeviceId}`

const form = /^did:io:(0x[0-9a-fA-F]{40})$/

/** The DID of a device, in the exact form that the chain stores. */
export function didOf(device: DeviceId): Did {
  return `did:io:${device}`
}

/**
 * The device that a DID names. Mixed case is read, because clients in the field write checksummed addresses.
 * @throws TrellisError DID_INVALID
 */
export function deviceOfDid(did: string): DeviceId {
  const match = form.exec(did)
  if (match?.[1] === undefined) {
    throw new TrellisError({
      code: 'DID_INVALID',
      message: 'This is not a did:io identifier.',
      details: { did },
      next: 'write did:io:0x and 40 hexadecimal digits',
    })
  }
  return match[1].toLowerCase() as DeviceId
}

/** A DID URL with a fragment, such as the id of a verification method. */
export function didUrl(did: Did, fragment: string): `${Did}#${string}` {
  return `${did}#${fragment}`
}
