// SPDX-License-Identifier: Apache-2.0
/** Encrypted keys: Web3 Secret Storage, version 3, as geth, ethers and Web3Signer read and write it. */
import { createCipheriv, createDecipheriv, pbkdf2, randomBytes, randomUUID, scrypt, timingSafeEqual } from 'node:crypto'
import { promisify } from 'node:util'
import { bytesToHex, hexToBytes, keccak256, type Hex } from 'viem'
import { privateKeyToAddress } from 'viem/accounts'
import { z } from 'zod'
import { keyError } from './secret-file.ts'

/** What geth and ethers write: about half a second and 128 MiB for each guess. */
const work = { n: 1 << 17, r: 8, p: 1 }
/** Most memory that a keystore may ask for, bytes: its parameters are written by whoever wrote the file. */
const maxMemory = 2 ** 30
/** Most turns of scrypt's or pbkdf2's loop. */
const maxTurns = 1 << 24

const bytes = z.string().regex(/^(0x)?([0-9a-fA-F]{2})*$/)
const keystoreSchema = z.object({
  version: z.literal(3),
  address: z
    .string()
    .regex(/^(0x)?[0-9a-fA-F]{40}$/)
    .optional(),
  crypto: z.object({
    cipher: z.literal('aes-128-ctr'),
    cipherparams: z.object({ iv: bytes }),
    ciphertext: bytes,
    mac: bytes,
    kdf: z.enum(['scrypt', 'pbkdf2']),
    kdfparams: z.object({
      salt: bytes,
      dklen: z.int().min(32).max(64),
      n: z.int().positive().optional(),
      r: z.int().positive().max(64).optional(),
      p: z.int().positive().max(64).optional(),
      c: z.int().positive().optional(),
      prf: z.literal('hmac-sha256').optional(),
    }),
  }),
})
type Keystore = z.output<typeof keystoreSchema>

const raw = (hex: string): Buffer => Buffer.from(hex.replace(/^0x/, ''), 'hex')
const deriveScrypt = promisify<Buffer, Buffer, number, { N: number; r: number; p: number; maxmem: number }, Buffer>(scrypt)
const derivePbkdf2 = promisify(pbkdf2)

/** The keystore in a text, or null when it is none. */
export function parseKeystore(text: string): Keystore | null {
  try {
    // Some wallets write `Crypto`, as the first drafts of the format did.
    const { Crypto, ...rest } = JSON.parse(text) as Record<string, unknown>
    return keystoreSchema.safeParse({ crypto: Crypto, ...rest }).data ?? null
  } catch {
    return null
  }
}

/** The address that a keystore claims, lower-case; not checked before it is opened. */
export function claimedAddress({ address }: Keystore): Hex | null {
  return address === undefined ? null : `0x${address.replace(/^0x/, '').toLowerCase()}`
}

/** Encrypts a private key. @returns JSON */
export async function encryptKeystore(privateKey: Hex, password: string): Promise<string> {
  const { n, r, p } = work
  const [salt, iv] = [randomBytes(32), randomBytes(16)]
  const derived = await deriveScrypt(passwordBytes(password), salt, 32, { N: n, r, p, maxmem: 256 * n * r })
  const cipher = createCipheriv('aes-128-ctr', derived.subarray(0, 16), iv)
  const ciphertext = Buffer.concat([cipher.update(hexToBytes(privateKey)), cipher.final()])
  return `${JSON.stringify({
    version: 3,
    id: randomUUID(),
    address: privateKeyToAddress(privateKey).slice(2).toLowerCase(),
    crypto: {
      cipher: 'aes-128-ctr',
      cipherparams: { iv: iv.toString('hex') },
      ciphertext: ciphertext.toString('hex'),
      kdf: 'scrypt',
      kdfparams: { dklen: 32, n, p, r, salt: salt.toString('hex') },
      mac: macOf(derived, ciphertext).toString('hex'),
    },
  })}\n`
}

/**
 * Opens a keystore.
 * @param file  for errors
 * @throws TrellisError KEY_UNREADABLE when the password is wrong, the parameters are out of bounds, or the key is not of the address it names
 */
export async function decryptKeystore(keystore: Keystore, password: string, file: string): Promise<Hex> {
  const { kdf, kdfparams, ciphertext, cipherparams, mac } = keystore.crypto
  const { n = 8192, r = 8, p = 1, c = 262_144, dklen, salt } = kdfparams
  const bounded = kdf === 'scrypt' ? 128 * n * r <= maxMemory && n * p <= maxTurns && (n & (n - 1)) === 0 && n > 1 : c <= maxTurns
  if (!bounded || raw(mac).length !== 32 || raw(cipherparams.iv).length !== 16 || raw(ciphertext).length !== 32)
    throw keyError(
      'KEY_UNREADABLE',
      'The parameters of the keystore are out of bounds.',
      file,
      'make the keystore again: trellis keys import',
    )
  // Programs differ in whether they normalise a password that is not ASCII.
  for (const given of new Set([password, password.normalize('NFKC')])) {
    const secret = Buffer.from(given, 'utf8')
    const derived =
      kdf === 'scrypt'
        ? await deriveScrypt(secret, raw(salt), dklen, { N: n, r, p, maxmem: 256 * n * r })
        : await derivePbkdf2(secret, raw(salt), c, dklen, 'sha256')
    if (!timingSafeEqual(macOf(derived, raw(ciphertext)), raw(mac))) continue
    const decipher = createDecipheriv('aes-128-ctr', derived.subarray(0, 16), raw(cipherparams.iv))
    const key = bytesToHex(Buffer.concat([decipher.update(raw(ciphertext)), decipher.final()]))
    const claimed = claimedAddress(keystore)
    if (claimed !== null && privateKeyToAddress(key).toLowerCase() !== claimed)
      throw keyError('KEY_UNREADABLE', 'The keystore names another address than its key has.', file, 'do not use this file')
    return key
  }
  throw keyError('KEY_UNREADABLE', 'The password does not open the keystore.', file, 'check the password')
}

/** keccak256(derived[16..32] | ciphertext) */
function macOf(derived: Buffer, ciphertext: Buffer): Buffer {
  return raw(keccak256(Buffer.concat([derived.subarray(16, 32), ciphertext])))
}

/** As ethers does: the same password typed on another keyboard gives the same bytes. */
function passwordBytes(password: string): Buffer {
  return Buffer.from(password.normalize('NFKC'), 'utf8')
}
