// SPDX-License-Identifier: Apache-2.0
import { expect } from 'chai'
import { TrellisError } from '../../../agents/kit/errors.ts'
import { createBackoff, createStack, sleep, startLoop } from '../../../agents/kit/lifecycle.ts'
import { createLog } from '../../../agents/kit/log.ts'
import { createMetrics } from '../../../agents/kit/metrics.ts'

const log = createLog('test', 'silent')

describe('createBackoff', () => {
  it('doubles up to its cap, shortened by jitter, and starts again after a success', () => {
    const plain = createBackoff({ firstMs: 100, capMs: 500, random: () => 0 })
    expect([1, 2, 3, 4, 5].map(() => plain.next())).to.deep.equal([100, 200, 400, 500, 500])
    plain.reset()
    expect(plain.next()).to.equal(100)
    expect(createBackoff({ firstMs: 100, jitter: 0.5, random: () => 1 }).next()).to.equal(50)
  })
})

describe('startLoop', () => {
  it('repeats at once on "again", waits on "wait", and can be woken', async () => {
    const abort = new AbortController()
    let passes = 0
    const loop = startLoop({ name: 'x', log, idleMs: 60_000, signal: abort.signal, pass: async () => (++passes < 3 ? 'again' : 'wait') })
    await sleep(50)
    expect(passes).to.equal(3)
    loop.wake()
    await sleep(20)
    expect(passes).to.equal(4)
    abort.abort()
    await loop.done
  })

  it('does not lose a wake that comes during a pass', async () => {
    const abort = new AbortController()
    let passes = 0
    const loop = startLoop({
      name: 'x',
      log,
      idleMs: 60_000,
      signal: abort.signal,
      pass: async () => {
        passes += 1
        if (passes === 1) loop.wake()
        return 'wait'
      },
    })
    await sleep(50)
    expect(passes).to.equal(2)
    abort.abort()
    await loop.done
  })

  it('tries again after an error, and ends on a fatal one', async () => {
    let passes = 0
    const pass = async (): Promise<'again'> => {
      passes += 1
      throw new TrellisError({ code: passes < 3 ? 'RPC_FAILED' : 'CHAIN_RESET', message: 'x' })
    }
    const loop = startLoop({
      name: 'x',
      log,
      idleMs: 1,
      signal: new AbortController().signal,
      fatal: ['CHAIN_RESET'],
      backoff: { firstMs: 1 },
      pass,
    })
    const error = await loop.done.then(
      () => null,
      (reason: unknown) => reason,
    )
    expect(error).to.have.property('code', 'CHAIN_RESET')
    expect(passes).to.equal(3)
  })
})

describe('createStack', () => {
  it('stops parts in reverse order, each once, also after one that fails', async () => {
    const order: string[] = []
    const stack = createStack(log)
    stack.add('a', () => void order.push('a'))
    stack.add('b', () => Promise.reject(new Error('no')))
    stack.add('c', () => void order.push('c'))
    await stack.close()
    await stack.close()
    expect(order).to.deep.equal(['c', 'a'])
  })
})

describe('createMetrics', () => {
  it('refuses names without a unit and gives one metric per name', async () => {
    const metrics = createMetrics('x', { defaults: false })
    expect(() => metrics.counter('things', 'h'))
      .to.throw()
      .with.property('code', 'METRIC_NAME')
    expect(() => metrics.histogram('time', 'h', [1]))
      .to.throw()
      .with.property('code', 'METRIC_NAME')
    metrics.counter('things_total', 'h').inc()
    metrics.counter('things_total', 'h').inc()
    expect(await metrics.text()).to.contain('trellis_x_things_total{service="x"} 2')
  })
})

describe('createLog', () => {
  it('writes errors with their code and hides secrets', () => {
    const lines: string[] = []
    const out = createLog('x', 'info', { write: (line) => void lines.push(line) })
    out.info(
      { err: new TrellisError({ code: 'A', message: 'b', details: { n: 1n } }), privateKey: '0x1', headers: { authorization: 's' } },
      'm',
    )
    const line = JSON.parse(lines[0]!) as {
      err: { code: string; details: { n: string } }
      privateKey: string
      headers: { authorization: string }
    }
    expect(line.err).to.deep.include({ code: 'A', details: { n: '1' } })
    expect([line.privateKey, line.headers.authorization]).to.deep.equal(['[secret]', '[secret]'])
  })
})
