// SPDX-License-Identifier: Apache-2.0
/** Compiled contracts by name, and their init code with constructor arguments and libraries put in. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Abi, type Address, encodeDeployData, type Hex } from 'viem'
import { TrellisError } from '../agents/protocol/errors.ts'

export interface Artifact {
  contractName: string
  sourceName: string
  abi: Abi
  bytecode: Hex
  deployedBytecode: Hex
  linkReferences: Record<string, Record<string, { length: number; start: number }[]>>
}

export interface ArtifactSource {
  /** @throws TrellisError ARTIFACT_MISSING */
  read(name: string): Artifact
}

/** Artifacts of one folder that Hardhat wrote. The folder is walked once, at the first read. */
export function artifactFolder(folder: string): ArtifactSource {
  let index: Map<string, string> | undefined
  const cache = new Map<string, Artifact>()
  const walk = (): Map<string, string> => {
    const found = new Map<string, string>()
    if (!existsSync(folder)) return found
    for (const path of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
      const match = /(?:^|[\\/])[^\\/]+\.sol[\\/](\w+)\.json$/.exec(path)
      const name = match?.[1]
      if (name === undefined || path.startsWith('build-info')) continue
      // Ours win over a dependency's contract of the same name.
      if (!found.has(name) || path.startsWith('contracts')) found.set(name, join(folder, path))
    }
    return found
  }
  return {
    read(name) {
      const known = cache.get(name)
      if (known !== undefined) return known
      index ??= walk()
      const path = index.get(name)
      if (path === undefined) {
        throw new TrellisError({
          code: 'ARTIFACT_MISSING',
          message: `There is no compiled contract ${name}.`,
          details: { folder },
          next: 'npm run build',
        })
      }
      const artifact = JSON.parse(readFileSync(path, 'utf8')) as Artifact
      cache.set(name, artifact)
      return artifact
    },
  }
}

/** Bytecode with every library address filled in. @throws TrellisError LIBRARY_MISSING */
export function linked(artifact: Artifact, libraries: Readonly<Record<string, Address>> = {}): Hex {
  let code = artifact.bytecode as string
  for (const contracts of Object.values(artifact.linkReferences)) {
    for (const [library, places] of Object.entries(contracts)) {
      const address = libraries[library]
      if (address === undefined) {
        throw new TrellisError({
          code: 'LIBRARY_MISSING',
          message: `${artifact.contractName} needs the address of library ${library}.`,
          next: `deploy ${library} first and pass it in libraries`,
        })
      }
      for (const { start, length } of places) {
        const from = 2 + start * 2
        code = code.slice(0, from) + address.slice(2).toLowerCase() + code.slice(from + length * 2)
      }
    }
  }
  return code as Hex
}

/** What a creation transaction carries: linked bytecode and encoded constructor arguments. */
export const initCode = (artifact: Artifact, args: readonly unknown[], libraries: Readonly<Record<string, Address>> = {}): Hex =>
  encodeDeployData({ abi: artifact.abi, bytecode: linked(artifact, libraries), args })
