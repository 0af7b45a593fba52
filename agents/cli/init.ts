// SPDX-License-Identifier: Apache-2.0
/** `trellis init NAME`: a project of one's own in a new folder, with the package it came from. Nothing that exists is written to. */
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { TrellisError } from '../protocol/errors.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))

interface Manifest {
  name: string
  version: string
  peerDependencies?: Record<string, string>
  dependencies?: Record<string, string>
}

const read = (file: string): Manifest => JSON.parse(readFileSync(file, 'utf8')) as Manifest

/** @throws TrellisError NAME_INVALID, FOLDER_NOT_EMPTY, NOT_A_PACKAGE */
export function init(args: readonly string[]): void {
  const [name, ...more] = args
  if (name === undefined || more.length > 0 || !/^[a-z][a-z0-9]*(-[a-z0-9]+)*$/.test(name) || name.length > 40)
    throw new TrellisError({
      code: 'NAME_INVALID',
      message: name === undefined ? 'A project needs a name.' : 'This is not a name for a project.',
      details: { given: args.join(' ') || 'nothing', needs: 'one word of a to z, 0 to 9 and single dashes, 40 at most, a letter first' },
      next: 'trellis init my-depin',
    })
  const manifest = read(join(root, 'package.json'))
  if (manifest.peerDependencies === undefined)
    throw new TrellisError({
      code: 'NOT_A_PACKAGE',
      message: 'This is a checkout, and a project needs the package.',
      next: `npm run pack -- FOLDER, then npx --package FOLDER/${manifest.name}-${manifest.version}.tgz trellis init ${name}`,
    })
  const folder = resolve(process.cwd(), name)
  if (existsSync(folder) && readdirSync(folder).length > 0)
    throw new TrellisError({
      code: 'FOLDER_NOT_EMPTY',
      message: 'The folder has files in it, and nothing is overwritten.',
      details: { folder },
      next: 'another name, or remove the folder',
    })
  const words = {
    NAME: name,
    DAPP: name.replaceAll(/(^|-)(\w)/g, (_, __, letter: string) => letter.toUpperCase()),
    CIRCUIT: name.replaceAll('-', '_'),
  }
  const filled = (text: string): string => text.replaceAll(/__(NAME|DAPP|CIRCUIT)__/g, (_, word: keyof typeof words) => words[word])
  const write = (path: string, text: string): void => {
    mkdirSync(dirname(join(folder, path)), { recursive: true })
    writeFileSync(join(folder, path), text, { flag: 'wx' })
    console.log(`  ${name}/${path}`)
  }

  console.log(`A project in ${name}/:`)
  const template = join(root, 'templates', 'project')
  for (const path of readdirSync(template, { recursive: true, encoding: 'utf8' }).sort()) {
    if (!/\.\w+$|gitignore$/.test(path)) continue
    write(filled(path.replaceAll('\\', '/')).replace(/^gitignore$/, '.gitignore'), filled(readFileSync(join(template, path), 'utf8')))
  }
  const program = `${name}/steady/1`
  const data = { data: 'data/readings.csv', device: 'device', time: 'time', value: 'temperature' }
  write('trellis.json', `${JSON.stringify({ name, data, dapp: words.DAPP, program }, undefined, 2)}\n`)
  write('data/readings.csv', sample())
  const { viem } = manifest.dependencies as { viem: string }
  write(
    'package.json',
    `${JSON.stringify(
      {
        ...{ name, version: '0.1.0', private: true, type: 'module' },
        scripts: {
          start: 'trellis start',
          trellis: 'trellis',
          test: 'hardhat build && node --test test/*.test.ts',
          device: 'node device.ts',
        },
        dependencies: { trellis: origin(manifest, folder), viem },
        devDependencies: manifest.peerDependencies,
        // Its only use here would be sources that are not compiled, and it pulls a tree of its own.
        overrides: { '@account-abstraction/contracts': { '@uniswap/v3-periphery': 'npm:base64-sol@1.0.1' } },
      },
      undefined,
      2,
    )}\n`,
  )
  console.log(`\nnext  cd ${name} && npm install && npm start     a network with your project, and the first proofs of data/readings.csv`)
}

/** Where this package came from, as npm noted it: its version in a registry, or the tarball, which is kept in the project. */
function origin({ name, version }: Manifest, folder: string): string {
  const lock = join(root, '..', '.package-lock.json')
  if (!existsSync(lock)) return version
  const { packages } = JSON.parse(readFileSync(lock, 'utf8')) as { packages: Record<string, { resolved?: string }> }
  const resolved = packages[`node_modules/${name}`]?.resolved
  if (resolved?.startsWith('file:') !== true) return version
  const tarball = resolve(root, '..', '..', resolved.slice('file:'.length))
  mkdirSync(join(folder, 'vendor'), { recursive: true })
  cpSync(tarball, join(folder, 'vendor', basename(tarball)), { errorOnExist: true, force: false })
  console.log(`  ${basename(folder)}/vendor/${basename(tarball)}`)
  return `file:vendor/${basename(tarball)}`
}

/** Two thermometers, a reading a minute; a stand-in until there are readings of one's own. */
function sample(): string {
  const rows = ['device,time,temperature']
  for (let i = 0; i < 128; i++)
    for (const [device, base] of [
      ['cellar', 14],
      ['roof', 21],
    ] as const)
      // prettier-ignore
      rows.push(`${device},${1_760_000_000 + 60 * i},${(base + 2 * Math.sin(i / 20) + 0.1 * ((i * 7) % 5)).toFixed(2)}`)
  return `${rows.join('\n')}\n`
}
