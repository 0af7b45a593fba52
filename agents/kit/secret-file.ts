// SPDX-License-Identifier: Apache-2.0
/** Files with secrets in them: readable by their owner only, written whole or not at all, never over another. */
import { randomBytes } from 'node:crypto'
import { closeSync, fsyncSync, linkSync, mkdirSync, openSync, readFileSync, rmSync, statSync, writeSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { TrellisError } from './errors.ts'

/** Longest secret file that is read. A keystore has under 1 KB. */
const maxBytes = 64 * 1024

/** @throws TrellisError KEY_EXPOSED | KEY_UNREADABLE */
export function readSecretFile(file: string): string {
  try {
    const { mode, size } = statSync(file)
    // The mode says nothing on Windows.
    if (process.platform !== 'win32' && (mode & (isCredential(file) ? 0o007 : 0o077)) !== 0)
      throw keyError('KEY_EXPOSED', 'Others on this machine can read the file.', file, `chmod 600 ${file}`)
    if (size > maxBytes) throw new Error(`it has ${size} bytes`)
    return readFileSync(file, 'utf8')
  } catch (error) {
    if (error instanceof TrellisError) throw error
    // The message of the system repeats the path; its code says enough.
    const reason = (error as NodeJS.ErrnoException).code ?? (error instanceof Error ? error.message : String(error))
    throw keyError('KEY_UNREADABLE', `The file cannot be read: ${reason}.`, file, 'check the path in the configuration')
  }
}

/** systemd gives a service its credentials by an access list, which shows as a group's right to read; nobody else may enter the folder. */
const isCredential = (file: string): boolean => {
  const folder = process.env['CREDENTIALS_DIRECTORY']
  return folder !== undefined && folder !== '' && dirname(resolve(file)) === resolve(folder)
}

/** A password or a token: the first line, as editors and `echo` end it. */
export function readSecretLine(file: string): string {
  const line = readSecretFile(file).replace(/\r?\n$/, '')
  if (line !== '' && !line.includes('\n')) return line
  throw keyError('KEY_UNREADABLE', 'One line was expected in the file.', file, 'write the secret on its first line, and nothing else')
}

/**
 * Writes a complete file beside and links it into place: a kill leaves all of it or none, and of two writers one wins.
 * @throws TrellisError KEY_FILE_EXISTS; nothing is overwritten
 */
export function writeSecretFile(file: string, content: string): void {
  const folder = dirname(file)
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const draft = `${file}.${randomBytes(4).toString('hex')}`
  const handle = openSync(draft, 'wx', 0o600)
  try {
    writeSync(handle, content)
    fsyncSync(handle)
  } finally {
    closeSync(handle)
  }
  try {
    linkSync(draft, file)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    throw keyError('KEY_FILE_EXISTS', 'There is a file already, and keys are never overwritten.', file, 'choose another name')
  } finally {
    rmSync(draft)
  }
  if (process.platform !== 'win32') syncFolder(folder)
}

function syncFolder(folder: string): void {
  const handle = openSync(folder, 'r')
  fsyncSync(handle)
  closeSync(handle)
}

/** An error about a file with a secret. Never carries what is in it, nor a path that is a key itself: people do set `keyFile` to their key. */
export function keyError(code: string, message: string, file: string, next: string): TrellisError {
  if (/[0-9a-fA-F]{64}/.test(file))
    return new TrellisError({
      code,
      message: 'A key stands where the path of a key file belongs.',
      next: 'make a new key: this one was seen',
    })
  return new TrellisError({ code, message, details: { file }, next })
}
