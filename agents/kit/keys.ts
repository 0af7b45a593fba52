// SPDX-License-Identifier: Apache-2.0
/** Signing keys of agents: an encrypted keystore, a remote signer, or on local networks a bare key file; never an argument. */
import { basename, dirname } from 'node:path'
import type { Hex, LocalAccount } from 'viem'
import { mnemonicToAccount, privateKeyToAccount } from 'viem/accounts'
import type { StorePlace } from './backup.ts'
import { TrellisError } from './errors.ts'
import { decryptKeystore, parseKeystore } from './keystore.ts'
import { openRemoteSigner, type RemoteSignerSource } from './remote-signer.ts'
import { keyError, readSecretFile, readSecretLine } from './secret-file.ts'

/** Exactly one of the two. */
export interface KeySource {
  /** Web3 Secret Storage v3, with `passwordFile`; on local networks 64 hex digits are taken too. Mode 0600. */
  keyFile?: string | undefined
  passwordFile?: string | undefined
  remoteSigner?: RemoteSignerSource | undefined
}

/** The key of a running agent. Whoever signs reads `account` anew for each request or transaction. */
export interface AgentKey {
  readonly account: LocalAccount
  /**
   * Reads the key again, from a new source when one is given. True when the address is another one now. When this throws, the key in use stays.
   * @throws what `openKey` throws
   */
  reload(source?: KeySource): Promise<boolean>
  /** Forgets the key: `account` throws from now on. */
  close(): void
}

/**
 * Opens the key of an agent.
 * @param local  true on local networks only: bare hex files and the public development keys are allowed there, nowhere else
 * @throws TrellisError KEY_UNREADABLE | KEY_EXPOSED | KEY_PUBLIC | KEY_UNENCRYPTED, and what `openRemoteSigner` throws
 */
export async function openKey(source: KeySource, { local }: { local: boolean }): Promise<AgentKey> {
  let current: LocalAccount | null = await loadAccount(source, { local })
  let from = source
  return {
    get account() {
      if (current === null) throw new TrellisError({ code: 'STOPPED', message: 'The key is closed.' })
      return current
    },
    async reload(next = from) {
      const found = await loadAccount(next, { local })
      const other = found.address.toLowerCase() !== current?.address.toLowerCase()
      from = next
      current = found
      return other
    },
    close() {
      current = null
    },
  }
}

/** The account behind a source, once. @throws what `openKey` throws */
export async function loadAccount(source: KeySource, { local }: { local: boolean }): Promise<LocalAccount> {
  const { keyFile, passwordFile, remoteSigner } = source
  const account =
    remoteSigner === undefined
      ? privateKeyToAccount(await readKey(keyFile ?? '', passwordFile, local))
      : await openRemoteSigner(remoteSigner)
  if (local || !developmentAddresses().has(account.address.toLowerCase())) return account
  throw new TrellisError({
    code: 'KEY_PUBLIC',
    message: 'This is a public development key: everybody can sign with it.',
    details: { address: account.address, ...(keyFile === undefined ? {} : { file: keyFile }) },
    next: 'make a new key: trellis keys new',
  })
}

/** The key file of a source, for a backup: encrypted ones stay so, and their passwords are kept elsewhere. */
export const keyFiles = ({ keyFile }: KeySource): StorePlace[] =>
  keyFile === undefined ? [] : [{ kind: 'files', folder: dirname(keyFile), pattern: basename(keyFile) }]

async function readKey(file: string, passwordFile: string | undefined, local: boolean): Promise<Hex> {
  const text = readSecretFile(file).trim()
  const bare = parseBareKey(text)
  if (bare !== null && !local) {
    const next = 'encrypt it: trellis keys import --from FILE --out KEYSTORE, and name a passwordFile'
    throw keyError('KEY_UNENCRYPTED', 'A bare key file is for local networks only.', file, next)
  }
  if (bare !== null) return bare
  const keystore = parseKeystore(text)
  if (keystore === null)
    throw keyError('KEY_UNREADABLE', 'The key file is neither a hex key nor a v3 keystore.', file, 'make one: trellis keys new')
  if (passwordFile === undefined) throw keyError('KEY_UNREADABLE', 'The keystore needs its password.', file, 'set passwordFile (mode 0600)')
  return decryptKeystore(keystore, readSecretLine(passwordFile), file)
}

/** 64 hex digits in range, or null. */
export function parseBareKey(text: string): Hex | null {
  if (!/^(0x)?[0-9a-fA-F]{64}$/.test(text)) return null
  const key = `0x${text.replace(/^0x/, '').toLowerCase()}` as const
  const order = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n
  return BigInt(key) > 0n && BigInt(key) < order ? key : null
}

/** The mnemonic whose accounts every development chain funds. Public: refused off local networks. */
export const DEVELOPMENT_MNEMONIC = 'test test test test test test test test test test test junk'

let development: Set<string> | null = null

/** Lower-case addresses of the accounts that development chains fund. */
export function developmentAddresses(): Set<string> {
  development ??= new Set(
    Array.from({ length: 20 }, (_, addressIndex) => mnemonicToAccount(DEVELOPMENT_MNEMONIC, { addressIndex }).address.toLowerCase()),
  )
  return development
}
