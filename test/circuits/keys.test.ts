// SPDX-License-Identifier: Apache-2.0
/** Attack 28: which proving keys may go onto a network that is not local, by whole ceremonies over a small circuit. */
import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import * as snarkjs from 'snarkjs'
import { keccak256 } from 'viem'
import { localProvingKey } from '../../agents/prover/circom/local-setup.ts'
import { readConstraintSystem } from '../../agents/prover/circom/r1cs.ts'
import { TrellisError } from '../../agents/protocol/errors.ts'
import { readSections } from '../../agents/prover/circom/binfile.ts'
import { Groth16Prover } from '../../agents/prover/circom/groth16.ts'
import { checkProvingKey, readCeremony } from '../../agents/prover/circom/key-check.ts'
import type { Ceremony } from '../../deploy/network.ts'
import { programKeys } from '../../deploy/program-keys.ts'
import { compileHarness, librarySources } from './mutants.ts'

const BEACON = '0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20'

describe('circuits: proving keys off local networks', function () {
  this.timeout(120_000)
  const folder = mkdtempSync(join(tmpdir(), 'trellis-keys-'))
  const path = (name: string): string => join(folder, name)
  const r1cs = path('bits.r1cs')
  const ptau = path('final.ptau')
  let ptauSha256 = ''

  /** A key with so many contributions, and a beacon or not. */
  async function ceremony(name: string, contributions: number, beacon: boolean): Promise<string> {
    let file = path(`${name}-0.zkey`)
    await snarkjs.zKey.newZKey(r1cs, ptau, file)
    for (let i = 1; i <= contributions; i++) {
      const next = path(`${name}-${i}.zkey`)
      await snarkjs.zKey.contribute(file, next, `person ${i}`, `entropy of ${name} ${i}`)
      file = next
    }
    if (!beacon) return file
    const last = path(`${name}-beacon.zkey`)
    await snarkjs.zKey.beacon(file, last, 'beacon', BEACON, 10)
    return last
  }

  async function reasonsOf(provingKey: string, change: { r1cs?: string; ptauSha256?: string } = {}): Promise<string> {
    try {
      await checkProvingKey({ r1cs, provingKey, ptau, ptauSha256, ...change })
      return 'accepted'
    } catch (error) {
      expect(error).to.be.instanceOf(TrellisError)
      expect((error as TrellisError).code).to.equal('KEY_REFUSED')
      return ((error as TrellisError).details['reasons'] as string[]).join('; ')
    }
  }

  before(async () => {
    await compileHarness('bits', librarySources(), 'keys')
    writeFileSync(r1cs, readFileSync(new URL('../../build/mutants/keys/bits.r1cs', import.meta.url)))
    const curve = await snarkjs.curves.getCurveFromName('bn128')
    await snarkjs.powersOfTau.newAccumulator(curve, 5, path('0.ptau'))
    await snarkjs.powersOfTau.contribute(path('0.ptau'), path('1.ptau'), 'one', 'entropy')
    await snarkjs.powersOfTau.beacon(path('1.ptau'), path('2.ptau'), 'beacon', BEACON, 10)
    await snarkjs.powersOfTau.preparePhase2(path('2.ptau'), ptau)
    ptauSha256 = createHash('sha256').update(readFileSync(ptau)).digest('hex')
  })
  after(async () => {
    rmSync(folder, { recursive: true, force: true })
    await (globalThis as { curve_bn128?: snarkjs.Curve | null }).curve_bn128?.terminate()
  })

  it('takes a key of three contributions and a beacon, for its own circuit and powers only', async () => {
    const key = await ceremony('good', 3, true)
    const report = await checkProvingKey({ r1cs, provingKey: key, ptau, ptauSha256 })
    expect(report).to.include({ contributions: 3, beacon: BEACON, keyHash: keccak256(readFileSync(key)) })
    expect(report.verificationKey.vk_delta_2).to.not.deep.equal(report.verificationKey.vk_gamma_2)
    expect(await reasonsOf(key, { ptauSha256: '00'.repeat(32) })).to.contain('powers of tau hash to')
    await compileHarness('point', librarySources(), 'keys-other')
    const other = fileURLToPath(new URL('../../build/mutants/keys-other/point.r1cs', import.meta.url))
    expect(await reasonsOf(key, { r1cs: other })).to.contain('does not verify against the circuit')
  })

  it('proves under the key of a ceremony', async () => {
    const key = readFileSync(await ceremony('used', 3, true))
    const witness = path('bits.wtns')
    await snarkjs.wtns.calculate({ in: '178' }, fileURLToPath(new URL('../../build/mutants/keys/bits_js/bits.wasm', import.meta.url)), witness)
    const curve = await snarkjs.curves.getCurveFromName('bn128', { singleThread: true })
    const { a, b, c } = new Groth16Prover(curve.tm.code, key).prove(readSections(readFileSync(witness), 'wtns').get(2)!)
    const text = ([x, y]: readonly [bigint, bigint]): [string, string] => [x.toString(), y.toString()]
    const proof: snarkjs.Groth16Proof = {
      pi_a: [...text(a), '1'],
      pi_b: [text(b[0]), text(b[1]), ['1', '0']],
      pi_c: [...text(c), '1'],
      protocol: 'groth16',
      curve: 'bn128',
    }
    const bits = ['0', '1', '0', '0', '1', '1', '0', '1']
    const verification = await snarkjs.zKey.exportVerificationKey(key)
    expect(await snarkjs.groth16.verify(verification, bits, proof)).to.equal(true)
    expect(await snarkjs.groth16.verify(verification, bits.with(0, '1'), proof)).to.equal(false)
  })

  it('refuses a key without contributions: delta equals gamma', async () => {
    const reasons = await reasonsOf(await ceremony('none', 0, false))
    expect(reasons).to.contain('delta equals gamma')
    expect(reasons).to.contain('0 contributions')
  })

  it('refuses two contributions and a beacon', async () => {
    expect(await reasonsOf(await ceremony('two', 2, true))).to.equal('it has 2 contributions and a beacon counts for none; 3 are needed')
  })

  it('refuses three contributions without a beacon', async () => {
    expect(await reasonsOf(await ceremony('open', 3, false))).to.equal('its last contribution is not a beacon')
  })

  it('refuses a key whose points were changed after the ceremony', async () => {
    const bytes = readFileSync(await ceremony('changed', 3, true))
    const local = await localProvingKey(readConstraintSystem(readFileSync(r1cs)), 'another seed')
    // Another alpha, as an attacker who knows it would set.
    const points = Buffer.from(bytes).indexOf(Buffer.from(bytes.subarray(12))) + 12 + 4 + 12 + 84
    bytes.set(local.subarray(points, points + 64), points)
    const file = path('changed.zkey')
    writeFileSync(file, bytes)
    expect(await reasonsOf(file)).to.equal('it does not verify against the circuit and the powers of tau')
  })

  it('refuses the insecure local key', async () => {
    const file = path('bits.insecure.zkey')
    const bytes = await localProvingKey(readConstraintSystem(readFileSync(r1cs)))
    writeFileSync(file, bytes)
    const { gamma, delta } = readCeremony(bytes)
    expect(gamma, 'yet even here delta differs from gamma').to.not.equal(delta)
    expect(await reasonsOf(file)).to.contain('0 contributions')
  })

  it('refuses what is not a key', async () => {
    expect(await reasonsOf(r1cs)).to.contain('not a Groth16 proving key')
  })

  describe('as deploy reads them from a network file', () => {
    const sha256 = (file: string): string => createHash('sha256').update(readFileSync(file)).digest('hex')
    let good: Ceremony
    /** `folder` as a checkout whose only circuit is `bits`. */
    const where = { circuits: folder, built: path('built'), base: folder }

    before(async () => {
      const provingKey = await ceremony('deployed', 3, true)
      writeFileSync(path('bits.vk.json'), JSON.stringify(await snarkjs.zKey.exportVerificationKey(provingKey)))
      const keyHash = keccak256(readFileSync(provingKey))
      // Absolute and relative paths are both taken.
      good = { provingKey, keyHash, verificationKey: 'bits.vk.json', ptau, ptauSha256 }
      mkdirSync(path('keys'))
      mkdirSync(path('built/bits'), { recursive: true })
      writeFileSync(path('built/bits/bits.r1cs'), readFileSync(r1cs))
      const publicSignals = Array.from({ length: 8 }, (_, i) => `out${i}`)
      writeFileSync(path('circuits.json'), JSON.stringify({ bits: { program: 'test/bits/1', publicSignals } }))
      // The repository's own key stays insecure whatever the network file names.
      const entry = { insecure: true, circuit: sha256(r1cs), keccak256: `0x${'00'.repeat(32)}` }
      writeFileSync(path('keys/manifest.json'), JSON.stringify({ bits: entry }))
    })

    const refusal = (bits?: Ceremony): Promise<string> =>
      programKeys({ ceremonies: bits && { bits } }, false, where).then(
        () => 'accepted',
        (error: unknown) => {
          expect((error as TrellisError).code).to.equal('KEY_NOT_FOR_PUBLIC')
          expect((error as TrellisError).next).to.contain('ceremony')
          return String((error as TrellisError).details['bits'])
        },
      )

    it('takes the key of a ceremony, as secure and with its own hash', async () => {
      const [key] = await programKeys({ ceremonies: { bits: good } }, false, where)
      expect(key).to.include({ name: 'test/bits/1', keyHash: good.keyHash, insecure: false, signals: 8 })
    })

    it('refuses what the file promises and the ceremony does not show', async () => {
      expect(await refusal()).to.contain('names no ceremony')
      expect(await refusal({ ...good, keyHash: `0x${'11'.repeat(32)}` })).to.contain('the network file says 0x11')
      expect(await refusal({ ...good, ptauSha256: '11'.repeat(32) })).to.contain('powers of tau hash to')
      expect(await refusal({ ...good, provingKey: 'none.zkey' })).to.equal(`missing: ${path('none.zkey')}`)
      const other = { ...(JSON.parse(readFileSync(path('bits.vk.json'), 'utf8')) as snarkjs.VerificationKey) }
      writeFileSync(path('other.vk.json'), JSON.stringify({ ...other, vk_alpha_1: other.IC[0] }))
      expect(await refusal({ ...good, verificationKey: 'other.vk.json' })).to.contain('other.vk.json is not the verification key')
    })

    it('refuses keys that no ceremony closed, and a circuit that is not of these sources', async () => {
      const open = await ceremony('unclosed', 3, false)
      expect(await refusal({ ...good, provingKey: open, keyHash: keccak256(readFileSync(open)) })).to.contain('not a beacon')
      const local = path('local.zkey')
      writeFileSync(local, await localProvingKey(readConstraintSystem(readFileSync(r1cs))))
      expect(await refusal({ ...good, provingKey: local, keyHash: keccak256(readFileSync(local)) })).to.contain('0 contributions')
      writeFileSync(path('built/bits/bits.r1cs'), readFileSync(r1cs).subarray(0, -1))
      expect(await refusal(good)).to.contain('not the one of circuits/keys/manifest.json')
    })
  })

  it('makes the same local key twice, and another for another seed', async () => {
    const system = readConstraintSystem(readFileSync(r1cs))
    expect(Buffer.from(await localProvingKey(system)).equals(await localProvingKey(system))).to.equal(true)
    expect(Buffer.from(await localProvingKey(system)).equals(await localProvingKey(system, 'other'))).to.equal(false)
  })
})
