// SPDX-License-Identifier: Apache-2.0
/** A password from a file, or typed without echo; never an argument: those show in `ps` and in the history of the shell. */
import type { ReadStream } from 'node:tty'
import { readSecretLine } from '../kit/secret-file.ts'
import { TrellisError } from '../protocol/errors.ts'

export interface Terminal {
  input: NodeJS.ReadableStream & Partial<Pick<ReadStream, 'isTTY' | 'setRawMode'>>
  output: NodeJS.WritableStream
}

const terminal: Terminal = { input: process.stdin, output: process.stderr }

/** Most characters of a typed password. */
const maxLength = 1_024

/**
 * @param file   password file; asked at the terminal when undefined
 * @param twice  ask again and compare, for a password that opens nothing yet
 * @throws TrellisError PASSWORD_MISSING | PASSWORD_DIFFERS | INTERRUPTED, and what `readSecretLine` throws
 */
export async function passwordOf(
  file: string | undefined,
  what: string,
  { twice = false, at = terminal }: { twice?: boolean; at?: Terminal } = {},
): Promise<string> {
  if (file !== undefined) return readSecretLine(file)
  const password = await ask(`Password of ${what}: `, at)
  if (password === '') throw missing('A password is needed.')
  if (twice && (await ask('The same again: ', at)) !== password) {
    throw new TrellisError({ code: 'PASSWORD_DIFFERS', message: 'The two passwords differ.', next: 'try again; nothing was written' })
  }
  return password
}

function ask(question: string, { input, output }: Terminal): Promise<string> {
  if (input.isTTY !== true || input.setRawMode === undefined) throw missing('There is no terminal to ask for a password.')
  output.write(question)
  // In raw mode the terminal shows nothing by itself.
  input.setRawMode(true)
  return new Promise((resolve, reject) => {
    let typed: string[] = []
    const end = (finish: () => void): void => {
      input.removeListener('data', read)
      input.setRawMode?.(false)
      input.pause()
      output.write('\n')
      finish()
    }
    const read = (chunk: Buffer): void => {
      for (const character of chunk.toString('utf8')) {
        if (character === '\r' || character === '\n') return end(() => resolve(typed.join('')))
        if (character === '\u0003' || character === '\u0004')
          return end(() => reject(new TrellisError({ code: 'INTERRUPTED', message: 'No password was given.' })))
        if (character === '\u007f' || character === '\b') typed = typed.slice(0, -1)
        else if (typed.length < maxLength) typed.push(character)
      }
    }
    input.on('data', read)
    input.resume()
  })
}

function missing(message: string): TrellisError {
  return new TrellisError({ code: 'PASSWORD_MISSING', message, next: 'write it into a file of mode 0600: --password-file FILE' })
}
