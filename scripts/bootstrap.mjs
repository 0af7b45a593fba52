// The door of every npm script. Runs on Node 20 or newer with nothing installed: brings node_modules up to date with
// package-lock.json (under Node 24 where the machine's Node is older than 22), then hands over to Node 24.
import { spawn, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { constants } from 'node:os'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const at = (...parts) => join(root, ...parts)
const NODE_MAJOR = 24
const INSTALL_NODE = '24.21.0'
const windows = process.platform === 'win32'

/** What each word after `bootstrap.mjs` runs. */
const TARGETS = {
  trellis: 'agents/cli/main.ts',
  test: 'scripts/test.ts',
  bench: 'scripts/bench.ts',
  build: 'scripts/build.ts',
  pack: 'scripts/package.ts',
  generate: 'scripts/generate.ts',
  lint: 'scripts/lint.ts',
  layers: 'scripts/layers.ts',
  licences: 'scripts/licences.ts',
  layouts: 'scripts/layouts.ts',
  selectors: 'scripts/selectors.ts',
}

/** Prints what happened, why and what to do, and ends. */
function fail(code, what, why, next) {
  console.error(`\n${code}  ${what}\n  why   ${why}\n  next  ${next}\n`)
  process.exit(1)
}

const nodeBinary = () => at('node_modules', 'node', 'bin', windows ? 'node.exe' : 'node')
const stampFile = at('node_modules', '.trellis-install')
const lockHash = () =>
  createHash('sha256')
    .update(readFileSync(at('package-lock.json')))
    .digest('hex')

/** True when Node 24 and the native EVM are really there, not only their folders. */
function works() {
  if (!existsSync(nodeBinary())) return false
  const probe = spawnSync(nodeBinary(), ['-e', "require('@nomicfoundation/edr'); process.stdout.write(process.versions.node)"], {
    cwd: root,
    encoding: 'utf8',
  })
  return probe.status === 0 && probe.stdout.startsWith(`${NODE_MAJOR}.`)
}

/** True when npm's own record of node_modules says the versions of package-lock.json (an install done by hand). */
function matchesLock() {
  try {
    const want = JSON.parse(readFileSync(at('package-lock.json'), 'utf8')).packages
    const have = JSON.parse(readFileSync(at('node_modules', '.package-lock.json'), 'utf8')).packages
    return Object.entries(want).every(([path, entry]) => path === '' || entry.optional || have[path]?.version === entry.version)
  } catch {
    return false
  }
}

function fresh(hash) {
  if (!existsSync(stampFile)) {
    if (!matchesLock() || !works()) return false
    writeFileSync(stampFile, hash)
    return true
  }
  return readFileSync(stampFile, 'utf8').trim() === hash && existsSync(nodeBinary())
}

const alive = (pid) => {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return error.code === 'EPERM'
  }
}

/** Holds `.trellis/install.lock` while `work` runs; waits for another holder, takes over from a dead one. */
async function locked(work) {
  const lock = at('.trellis', 'install.lock')
  mkdirSync(at('.trellis'), { recursive: true })
  for (let told = false; ;) {
    try {
      writeFileSync(lock, String(process.pid), { flag: 'wx' })
      break
    } catch (error) {
      if (error.code !== 'EEXIST') throw error
    }
    let holder = 0
    try {
      holder = Number(readFileSync(lock, 'utf8'))
    } catch {
      continue // released between the two calls
    }
    if (holder > 0 && !alive(holder)) {
      // Renaming is atomic: of several that see the dead holder, one wins and the others find nothing to rename.
      try {
        const stale = `${lock}.${holder}`
        renameSync(lock, stale)
        rmSync(stale, { force: true })
      } catch {}
      continue
    }
    if (!told) console.error(`· another install is running (process ${holder}); waiting for it`)
    told = true
    await new Promise((wake) => setTimeout(wake, 500))
  }
  const release = () => rmSync(lock, { force: true })
  process.once('exit', release)
  try {
    return await work()
  } finally {
    process.removeListener('exit', release)
    release()
  }
}

/** Runs a program in the foreground, passes signals on, resolves with its exit code (128 + n after signal n). */
function foreground(command, args, env = process.env) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: root, stdio: 'inherit', env, shell: windows && command === 'npm' })
    const forward = (signal) => child.kill(signal)
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, forward)
    // npm and its shell die of a signal without passing it on: whoever is orphaned so stops what it started.
    const parent = process.ppid
    const orphaned = setInterval(() => process.ppid !== parent && child.kill('SIGTERM'), 1_000)
    child.once('error', reject)
    child.once('exit', (code, signal) => {
      clearInterval(orphaned)
      for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.removeListener(name, forward)
      resolve(signal ? 128 + (constants.signals[signal] ?? 0) : (code ?? 1))
    })
  })
}

async function install() {
  const [major] = process.versions.node.split('.').map(Number)
  const started = Date.now()
  console.error(`· installing dependencies from package-lock.json${major < 22 ? ` (under Node ${INSTALL_NODE})` : ''}`)
  const ci = ['ci', '--no-audit', '--no-fund', '--loglevel=error']
  const args = major < 22 ? ['exec', '--yes', `--package=node@${INSTALL_NODE}`, '--', 'npm', ...ci] : ci
  const ticker = setInterval(() => console.error(`  … ${Math.round((Date.now() - started) / 1000)} s`), 10_000)
  const code = await foreground('npm', args).finally(() => clearInterval(ticker))
  if (code > 128) process.exit(code)
  if (code !== 0) {
    fail(
      'INSTALL_FAILED',
      `npm ci ended with ${code}.`,
      'the lines above are from npm',
      'check the network to the npm registry, then run the same command again',
    )
  }
  if (!works()) {
    fail(
      'INSTALL_INCOMPLETE',
      `Node ${NODE_MAJOR} or the native EVM is missing after the install.`,
      'npm leaves out optional native packages that its own Node cannot run',
      `npm exec --yes --package=node@${INSTALL_NODE} -- npm ci`,
    )
  }
  writeFileSync(stampFile, lockHash())
  console.error(`· dependencies installed in ${Math.round((Date.now() - started) / 1000)} s`)
}

const [target, ...rest] = process.argv.slice(2)
const script = TARGETS[target]
if (Number(process.versions.node.split('.')[0]) < 20) {
  fail(
    'NODE_TOO_OLD',
    `This is Node ${process.versions.node}.`,
    'Trellis starts on Node 20 or newer',
    'install Node 20 or newer, then run the same command',
  )
}
if (script === undefined) {
  fail(
    'UNKNOWN_TARGET',
    `bootstrap.mjs does not know "${target ?? ''}".`,
    `it runs ${Object.keys(TARGETS).join(', ')}`,
    'use the npm scripts: npm run',
  )
}
if (!existsSync(at('package-lock.json'))) {
  fail('NO_LOCK_FILE', 'package-lock.json is missing.', 'versions are pinned there', 'git checkout package-lock.json')
}
if (!fresh(lockHash())) await locked(async () => (fresh(lockHash()) ? undefined : install()))
if (!existsSync(at(script))) fail('NOT_HERE', `${script} does not exist.`, 'this checkout does not have it', 'git status; git checkout .')

const path = `${at('node_modules', '.bin')}${delimiter}${process.env.PATH ?? ''}`
process.exitCode = await foreground(nodeBinary(), [at(script), ...rest], { ...process.env, PATH: path })
