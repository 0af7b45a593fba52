// SPDX-License-Identifier: Apache-2.0
/** One opener of a folder at a time, held by the operating system: kill -9 frees it, and no stale lock is ever left. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { TrellisError } from './errors.ts'

/**
 * Takes the folder for this process until `release` or the end of the process.
 * The lock is an open write transaction on `lock.sqlite`: a lock of the kernel on an open file, so it lives exactly as long
 * as its process does; a file with a process id in it is written beside it only to name the holder.
 * @throws TrellisError FOLDER_IN_USE naming the process that has it
 */
export function lockFolder(folder: string): { release: () => void } {
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const db = new DatabaseSync(join(folder, 'lock.sqlite'), { timeout: 0 })
  const holder = join(folder, 'lock.pid')
  try {
    db.exec('begin exclusive')
  } catch (error) {
    db.close()
    throw new TrellisError({
      code: 'FOLDER_IN_USE',
      message: 'Another process has this data folder open.',
      details: { folder, pid: readPid(holder) },
      next: 'stop that process, or give this service another data folder',
      cause: error,
    })
  }
  writeFileSync(holder, String(process.pid))
  return {
    release: () => {
      if (db.isOpen) db.close()
    },
  }
}

function readPid(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return 'unknown'
  }
}
