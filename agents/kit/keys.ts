// SPDX-License-Identifier: Apache-2.0
/** Signing keys of services: an encrypted keystore (Web3 Secret Storage v3), or on local networks a bare key file; never an argument. */
import { createDecipheriv, pbkdf2Sync, scryptSync, timingSafeEqual } from 'node:crypto'
import { readFileSync, statSync } from 'node:fs'
import { bytesToHex, hexToBytes, keccak256, type Hex, type LocalAccount } from 'viem'
import { mnemonicToAccount, privateKeyToAccount } from 'viem/accounts'
import { z } from 'zod'
import { TrellisError } from './errors.ts'

export interface KeySource {
  keyFile: string
  passwordFile?: string | undefined
}

/**
 * The account of a key file.
 * @param local  true on local networks only: bare hex files and the public development keys are allowed there, nowhere else
 * @throws TrellisError KEY_UNREADABLE | KEY_EXPOSED | KEY_PUBLIC | KEY_UNENCRYPTED
 */
export function loadAccount({ keyFile, passwordFile }: KeySource, { local }: { local: boolean }): LocalAccount {
  const text = readSecret(keyFile)
  const bare = /^(0x)?[0-9a-fA-F]{64}$/.test(text)
  if (bare && !local)
    throw keyError(
      'KEY_UNENCRYPTED',
      'A bare key file is for local networks only.',
      keyFile,
      'make a v3 keystore of it and name a passwordFile',
    )
  const key = bare ? `0x${text.replace(/^0x/, '')}` : decryptKeystore(text, passwordFile, keyFile)
  const account = privateKeyToAccount(key as Hex)
  if (!local && developmentAddresses().has(account.address)) {
    throw keyError('KEY_PUBLIC', 'This is a public development key: everybody can sign with it.', keyFile, 'make a new key')
  }
  return account
}

function readSecret(file: string): string {
  try {
    if ((statSync(file).mode & 0o077) !== 0)
      throw keyError('KEY_EXPOSED', 'Others on this machine can read the key file.', file, `chmod 600 ${file}`)
    return readFileSync(file, 'utf8').trim()
  } catch (error) {
    if (error instanceof TrellisError) throw error
    throw keyError(
      'KEY_UNREADABLE',
      `The key file cannot be read: ${error instanceof Error ? error.message : String(error)}.`,
      file,
      'check keyFile',
    )
  }
}

const bytes = z.string().regex(/^(0x)?([0-9a-fA-F]{2})*$/)
const keystoreSchema = z.object({
  version: z.literal(3),
  crypto: z.object({
    cipher: z.literal('aes-128-ctr'),
    cipherparams: z.object({ iv: bytes }),
    ciphertext: bytes,
    mac: bytes,
    kdf: z.enum(['scrypt', 'pbkdf2']),
    kdfparams: z.object({
      salt: bytes,
      dklen: z.int().min(32).max(64),
      n: z
        .int()
        .max(1 << 20)
        .optional(),
      r: z.int().max(64).optional(),
      p: z.int().max(64).optional(),
      c: z.int().max(10_000_000).optional(),
      prf: z.literal('hmac-sha256').optional(),
    }),
  }),
})

/** Web3 Secret Storage, version 3. The MAC is keccak256(derived[16..32] | ciphertext). */
function decryptKeystore(text: string, passwordFile: string | undefined, keyFile: string): Hex {
  if (passwordFile === undefined)
    throw keyError('KEY_UNREADABLE', 'The keystore needs its password.', keyFile, 'set passwordFile (mode 0600)')
  const password = Buffer.from(readSecret(passwordFile), 'utf8')
  const parsed = keystoreSchema.safeParse(keystoreJson(text))
  if (!parsed.success)
    throw keyError('KEY_UNREADABLE', 'The key file is neither a hex key nor a v3 keystore.', keyFile, z.prettifyError(parsed.error))
  const { kdf, kdfparams, ciphertext, cipherparams, mac } = parsed.data.crypto
  const raw = (value: string): Buffer => Buffer.from(value.replace(/^0x/, ''), 'hex')
  const { n = 8192, r = 8, p = 1, c = 262_144, dklen } = kdfparams
  const derived =
    kdf === 'scrypt'
      ? scryptSync(password, raw(kdfparams.salt), dklen, { N: n, r, p, maxmem: 256 * n * r })
      : pbkdf2Sync(password, raw(kdfparams.salt), c, dklen, 'sha256')
  const expected = hexToBytes(keccak256(Buffer.concat([derived.subarray(16, 32), raw(ciphertext)])))
  const given = raw(mac)
  if (given.length !== 32 || !timingSafeEqual(expected, given)) {
    throw keyError('KEY_UNREADABLE', 'The password does not open the keystore.', keyFile, 'check passwordFile')
  }
  const decipher = createDecipheriv('aes-128-ctr', derived.subarray(0, 16), raw(cipherparams.iv))
  return bytesToHex(Buffer.concat([decipher.update(raw(ciphertext)), decipher.final()]))
}

/** Some wallets write `Crypto`, as the first drafts of the format did. */
function keystoreJson(text: string): unknown {
  try {
    const { Crypto, ...rest } = JSON.parse(text) as Record<string, unknown>
    return { crypto: Crypto, ...rest }
  } catch {
    return null
  }
}

/** The mnemonic whose accounts every development chain funds. Public: refused off local networks. */
export const DEVELOPMENT_MNEMONIC = 'test test test test test test test test test test test junk'

function developmentAddresses(): Set<string> {
  return new Set(Array.from({ length: 20 }, (_, addressIndex) => mnemonicToAccount(DEVELOPMENT_MNEMONIC, { addressIndex }).address))
}

function keyError(code: string, message: string, file: string, next: string): TrellisError {
  return new TrellisError({ code, message, details: { file }, next })
}
