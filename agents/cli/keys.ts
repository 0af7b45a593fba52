// SPDX-License-Identifier: Apache-2.0
/** `trellis keys new|import|list|address`: keys of agents as encrypted files. No key and no password is ever an argument or printed. */
import { randomBytes } from 'node:crypto'
import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { bytesToHex, type Hex } from 'viem'
import { privateKeyToAddress } from 'viem/accounts'
import { developmentAddresses, parseBareKey } from '../kit/keys.ts'
import { claimedAddress, decryptKeystore, encryptKeystore, parseKeystore } from '../kit/keystore.ts'
import { readSecretFile, writeSecretFile } from '../kit/secret-file.ts'
import { isTrellisError, TrellisError } from '../protocol/errors.ts'
import { fromWhereCalled } from './local/state.ts'
import { passwordOf } from './password.ts'
import { columns } from './print.ts'

export interface NewKeyOptions {
  out: string
  passwordFile?: string
}

export interface ImportOptions extends NewKeyOptions {
  /** File of the key; stdin when undefined. */
  from?: string
  /** Of a keystore that is imported. */
  fromPasswordFile?: string
}

const path = (file: string | undefined): string | undefined => (file === undefined ? undefined : fromWhereCalled(file))

/** Makes a key. */
export async function newKey(options: NewKeyOptions): Promise<void> {
  let key: Hex | null = null
  while (key === null) key = parseBareKey(bytesToHex(randomBytes(32)))
  await store(key, options)
}

/** Encrypts a key that there is already: 64 hex digits, or a keystore under another password. */
export async function importKey(options: ImportOptions): Promise<void> {
  const from = path(options.from)
  const name = from ?? 'standard input'
  const text = (from === undefined ? await readInput() : readSecretFile(from)).trim()
  const keystore = parseKeystore(text)
  const key =
    keystore === null
      ? parseBareKey(text)
      : await decryptKeystore(keystore, await passwordOf(path(options.fromPasswordFile), 'the keystore to import'), name)
  if (key === null) {
    throw new TrellisError({
      code: 'KEY_UNREADABLE',
      message: 'What was given is neither a hex key nor a v3 keystore.',
      details: { from: name },
      next: 'give 64 hex digits or a keystore: trellis keys import --from FILE --out KEYSTORE',
    })
  }
  await store(key, options)
}

async function store(key: Hex, { out, passwordFile }: NewKeyOptions): Promise<void> {
  const file = fromWhereCalled(out)
  const password = await passwordOf(path(passwordFile), 'the new keystore', { twice: true })
  writeSecretFile(file, await encryptKeystore(key, password))
  const address = privateKeyToAddress(key)
  console.log(`${address}  ${file}`)
  if (developmentAddresses().has(address.toLowerCase()))
    console.error('This is a public development key: every agent refuses it off local networks.')
}

interface Listed {
  address: string
  kind: 'keystore' | 'bare key' | 'development key'
  file: string
}

/** Keys of a folder; what is no key is left out. The address of a keystore is the one that it claims: `keys address` checks it. */
export function listKeys(folder: string, { json }: { json: boolean }): void {
  const found = readdirSync(fromWhereCalled(folder), { withFileTypes: true })
    .filter((entry) => entry.isFile())
    .flatMap(({ name }) => describe(join(fromWhereCalled(folder), name)) ?? [])
    .sort((a, b) => (a.file < b.file ? -1 : 1))
  if (json) console.log(JSON.stringify(found))
  else if (found.length === 0) console.log(`There are no keys in ${folder}.`)
  else console.log(columns(found.map(({ address, kind, file }) => [address, kind, file])))
}

function describe(file: string): Listed | null {
  if (statSync(file).size > 64 * 1024) return null
  let text: string
  try {
    text = readSecretFile(file).trim()
  } catch (error) {
    if (!isTrellisError(error, 'KEY_EXPOSED')) return null
    // A file that others can read may be a key or anything else: only a key is worth a word.
    return /key|UTC--/i.test(file) ? { address: 'others can read it: chmod 600', kind: 'keystore', file } : null
  }
  const keystore = parseKeystore(text)
  if (keystore !== null) return { address: claimedAddress(keystore) ?? 'names no address', kind: 'keystore', file }
  const key = parseBareKey(text)
  if (key === null) return null
  const address = privateKeyToAddress(key).toLowerCase()
  return { address, kind: developmentAddresses().has(address) ? 'development key' : 'bare key', file }
}

/** The address of a key file, checked against its key. */
export async function keyAddress(name: string, { passwordFile }: { passwordFile?: string }): Promise<void> {
  const file = fromWhereCalled(name)
  const text = readSecretFile(file).trim()
  const keystore = parseKeystore(text)
  const key = keystore === null ? parseBareKey(text) : await decryptKeystore(keystore, await passwordOf(path(passwordFile), file), file)
  if (key === null)
    throw new TrellisError({
      code: 'KEY_UNREADABLE',
      message: 'There is no key in this file.',
      details: { file },
      next: 'trellis keys list',
    })
  console.log(privateKeyToAddress(key))
}

/** A key from a pipe. */
async function readInput(): Promise<string> {
  if (process.stdin.isTTY) {
    throw new TrellisError({
      code: 'KEY_UNREADABLE',
      message: 'A key is not typed at a terminal, where it shows.',
      next: 'pipe it in, or name its file with --from FILE',
    })
  }
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of process.stdin) {
    size += (chunk as Buffer).length
    if (size > 64 * 1024) throw new TrellisError({ code: 'KEY_UNREADABLE', message: 'That is too long for a key.', next: 'give one key' })
    chunks.push(chunk as Buffer)
  }
  return Buffer.concat(chunks).toString('utf8')
}
