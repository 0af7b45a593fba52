// SPDX-License-Identifier: Apache-2.0
/** The file of a device's keys: JSON, mode 0600, made once and never overwritten. */
import { randomBytes } from 'node:crypto'
import { closeSync, fsyncSync, linkSync, mkdirSync, openSync, readFileSync, rmSync, statSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'
import { type Hex, bytesToHex, hexToBytes } from 'viem'
import { createKeys, type DeviceKeys } from '../../keys.ts'
import { deviceError } from './errors.ts'

const form = /^0x[0-9a-f]{64}$/

/**
 * Reads the keys, or makes them at the first start.
 * @throws TrellisError KEYS_READABLE_BY_OTHERS | KEYS_UNREADABLE
 */
export function loadOrCreateKeys(file: string): DeviceKeys {
  for (;;) {
    const found = readKeys(file)
    if (found !== undefined) return found
    createFile(file, newKeys())
  }
}

/** Reads the keys. @throws TrellisError KEYS_MISSING, and what `loadOrCreateKeys` throws */
export function loadKeys(file: string): DeviceKeys {
  const found = readKeys(file)
  if (found !== undefined) return found
  throw deviceError('KEYS_MISSING', 'There is no file with the keys of a device.', { file }, `make one: trellis did new --out ${file}`)
}

/** New keys, for `saveKeys`. */
export function newKeys(): DeviceKeys {
  return createKeys((length) => Uint8Array.from(randomBytes(length)))
}

/** Writes keys to a file of their own. @throws TrellisError KEYS_EXIST; nothing is overwritten */
export function saveKeys(file: string, keys: DeviceKeys): void {
  if (!createFile(file, keys))
    throw deviceError('KEYS_EXIST', 'There is a file already, and keys are never overwritten.', { file }, 'choose another name')
}

function readKeys(file: string): DeviceKeys | undefined {
  let text: string
  try {
    // The mode says nothing on Windows.
    if (process.platform !== 'win32' && (statSync(file).mode & 0o077) !== 0) {
      throw deviceError('KEYS_READABLE_BY_OTHERS', 'Other users can read the keys of this device.', { file }, `chmod 600 ${file}`)
    }
    text = readFileSync(file, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
  try {
    const { identity, data } = JSON.parse(text) as Record<string, unknown>
    if (typeof identity === 'string' && typeof data === 'string' && form.test(identity) && form.test(data)) {
      return { identity: hexToBytes(identity as Hex), data: hexToBytes(data as Hex) }
    }
  } catch {
    // Told below, without the text: it may hold a key.
  }
  throw deviceError(
    'KEYS_UNREADABLE',
    'The key file of this device is damaged.',
    { file },
    'restore it from its copy; a new key is a new device',
  )
}

/** Writes a complete file beside and links it into place, so that a kill leaves all of it or none, and two starters agree on one. */
function createFile(file: string, { identity, data }: DeviceKeys): boolean {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 })
  const draft = `${file}.${process.pid}`
  // Left by a kill of a process with the same id, which in a container is every start.
  rmSync(draft, { force: true })
  const handle = openSync(draft, 'wx', 0o600)
  try {
    writeSync(handle, `${JSON.stringify({ identity: bytesToHex(identity), data: bytesToHex(data) })}\n`)
    fsyncSync(handle)
  } finally {
    closeSync(handle)
  }
  try {
    linkSync(draft, file)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    return false
  } finally {
    rmSync(draft, { force: true })
  }
}
