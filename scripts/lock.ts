// SPDX-License-Identifier: Apache-2.0
/** A lock file with the holder's process id: waits for a living holder, takes over from a dead one. */
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'

/** True while a process with this id exists. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

/** Runs `work` while holding the lock `file`. `onWait` is called once with the holder's id when somebody else has it. */
export async function locked<T>(file: string, work: () => Promise<T>, onWait: (holder: number) => void = () => {}): Promise<T> {
  mkdirSync(dirname(file), { recursive: true })
  for (let told = false; ;) {
    try {
      writeFileSync(file, String(process.pid), { flag: 'wx' })
      break
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    }
    const holder = readHolder(file)
    if (holder === undefined) continue
    if (!isAlive(holder)) {
      // Renaming is atomic: of several that see the dead holder, one wins and the others find nothing to rename.
      try {
        renameSync(file, `${file}.${holder}`)
        rmSync(`${file}.${holder}`, { force: true })
      } catch {
        // another one was faster
      }
      continue
    }
    if (!told) onWait(holder)
    told = true
    await new Promise((wake) => setTimeout(wake, 250))
  }
  const release = (): void => rmSync(file, { force: true })
  process.once('exit', release)
  try {
    return await work()
  } finally {
    process.removeListener('exit', release)
    release()
  }
}

function readHolder(file: string): number | undefined {
  try {
    const pid = Number(readFileSync(file, 'utf8'))
    return Number.isInteger(pid) && pid > 0 ? pid : undefined
  } catch {
    return undefined
  }
}
