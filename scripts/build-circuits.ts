// SPDX-License-Identifier: Apache-2.0
/**
 * Builds every circuit of circuits/circuits.json into build/circuits/<name>/: r1cs, sym, wasm, the INSECURE local proving key and its verification key.
 * What is built is skipped when its sources, parameters, tools and seed are those of the last build. The verification key and the manifest under
 * circuits/keys are compared with what came out; `--write` rewrites them, `--force` builds anyway.
 */
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { extname, join } from 'node:path'
import { keccak256 } from 'viem'
import * as snarkjs from 'snarkjs'
import { compileCircuit } from '../agents/prover/circom/compile.ts'
import { LOCAL_SEED, localProvingKey } from '../agents/prover/circom/local-setup.ts'
import { readConstraintSystem } from '../agents/prover/circom/r1cs.ts'
import { at as inRepository, files, hashOf, refuse } from './shell.ts'

interface Circuit {
  program: string
  file: string
  template: string
  params: number[]
  publicSignals: string[]
  constraints?: number
  power: number
}

/** What circuits/keys/manifest.json says about one key. */
interface KeyFacts {
  /** File under build/circuits/<name>. */
  file: string
  insecure: true
  seed: string
  /** SHA-256 of the r1cs file. */
  circuit: string
  /** SHA-256 and keccak-256 of the proving key's file; the chain keeps the latter. */
  sha256: string
  keccak256: string
}

const flags = new Set(process.argv.slice(2))
/** `--root FOLDER`: a project that has the package installed, with circuits of its own. Its circuits.json need not count constraints. */
const rootAt = process.argv.indexOf('--root')
const at = (...parts: string[]): string => (rootAt < 0 ? inRepository(...parts) : join(process.argv[rootAt + 1] ?? '.', ...parts))
const circuits = JSON.parse(readFileSync(at('circuits', 'circuits.json'), 'utf8')) as Record<string, Circuit>
const manifestFile = at('circuits', 'keys', 'manifest.json')
const manifest: Record<string, KeyFacts> = existsSync(manifestFile)
  ? (JSON.parse(readFileSync(manifestFile, 'utf8')) as Record<string, KeyFacts>)
  : {}
const started = performance.now()
const tell = (line: string): void => console.log(`${((performance.now() - started) / 1000).toFixed(1).padStart(5)} s  ${line}`)
const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')
const version = (name: string): string =>
  (JSON.parse(readFileSync(at('node_modules', name, 'package.json'), 'utf8')) as { version: string }).version

/** Changes whenever the products could: sources, the code that makes keys, tools, parameters, seed. */
function stampOf(circuit: Circuit): string {
  const sources = [
    ...new Set([at(), inRepository()].flatMap((root) => files(join(root, 'circuits', 'lib'), (path) => path.endsWith('.circom')))),
    at('circuits', circuit.file),
  ]
  const makers = ['binfile', 'compile', 'local-setup', 'r1cs'].map((name) =>
    inRepository('agents', 'prover', 'circom', `${name}${extname(import.meta.filename)}`),
  )
  const tools = ['circom2', 'circomlib', 'snarkjs'].map((name) => `${name}@${version(name)}`).join(' ')
  return hashOf([...sources, ...makers], `${tools} ${JSON.stringify(circuit)} ${LOCAL_SEED}`)
}

async function build(name: string, circuit: Circuit): Promise<KeyFacts> {
  const out = at('build', 'circuits', name)
  const key = `${name}.insecure.zkey`
  const stampFile = at('build', 'circuits', name, 'stamp')
  const stamp = stampOf(circuit)
  const products = [`${name}.r1cs`, `${name}.sym`, `${name}.wasm`, key, 'verification_key.json', 'program.json']
  const fresh =
    !flags.has('--force') &&
    existsSync(stampFile) &&
    readFileSync(stampFile, 'utf8') === stamp &&
    products.every((product) => existsSync(at('build', 'circuits', name, product)))
  const path = (file: string): string => at('build', 'circuits', name, file)
  if (fresh) {
    tell(`${name}  unchanged`)
  } else {
    rmSync(stampFile, { force: true })
    mkdirSync(out, { recursive: true })
    tell(`${name}  compiling ${circuit.file}`)
    await compileCircuit(at('circuits', circuit.file), out, { level: 2, symbols: true })
    renameSync(path(`${name}_js/${name}.wasm`), path(`${name}.wasm`))
    rmSync(path(`${name}_js`), { recursive: true })
    const system = readConstraintSystem(readFileSync(path(`${name}.r1cs`)))
    const { constraints = system.constraints.length } = circuit
    if (system.constraints.length !== constraints || system.publicSignals !== circuit.publicSignals.length) {
      throw new Error(
        `${name} has ${system.constraints.length} constraints and ${system.publicSignals} public signals; circuits.json says ${constraints} and ${circuit.publicSignals.length}`,
      )
    }
    tell(`${name}  ${system.constraints.length} constraints; making the insecure local key`)
    const bytes = await localProvingKey(system)
    writeFileSync(path(key), bytes)
    const verification = await snarkjs.zKey.exportVerificationKey(bytes)
    writeFileSync(path('verification_key.json'), `${JSON.stringify(verification, null, 2)}\n`)
    writeFileSync(path('program.json'), `${JSON.stringify({ program: circuit.program, provingKey: key, insecure: true })}\n`)
    writeFileSync(stampFile, stamp)
    tell(`${name}  key of ${(statSync(path(key)).size / 1e6).toFixed(1)} MB`)
  }
  const keyBytes = readFileSync(path(key))
  return {
    file: key,
    insecure: true,
    seed: LOCAL_SEED,
    circuit: sha256(readFileSync(path(`${name}.r1cs`))),
    sha256: sha256(keyBytes),
    keccak256: keccak256(keyBytes),
  }
}

const stale: string[] = []
for (const [name, circuit] of Object.entries(circuits)) {
  const facts = await build(name, circuit)
  const committed = at('circuits', 'keys', `${name}.vk.json`)
  const verification = readFileSync(at('build', 'circuits', name, 'verification_key.json'), 'utf8')
  if (flags.has('--write')) {
    mkdirSync(at('circuits', 'keys'), { recursive: true })
    writeFileSync(committed, verification)
    manifest[name] = facts
  } else {
    if (!existsSync(committed) || readFileSync(committed, 'utf8') !== verification) stale.push(`circuits/keys/${name}.vk.json`)
    if (JSON.stringify(manifest[name]) !== JSON.stringify(facts)) stale.push(`circuits/keys/manifest.json (${name})`)
  }
}
if (flags.has('--write')) writeFileSync(manifestFile, `${JSON.stringify(manifest, null, 2)}\n`)
if (stale.length > 0) {
  refuse(
    'KEYS_STALE',
    'The circuits build to other keys than those committed.',
    stale,
    'node scripts/build-circuits.ts --write, and commit circuits/keys',
  )
}
// snarkjs may keep workers alive after an export.
process.exit()
