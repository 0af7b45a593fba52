// SPDX-License-Identifier: Apache-2.0
import { once } from 'node:events'
import { request } from 'node:http'
import { connect } from 'node:net'
import { expect } from 'chai'
import { startHttp, type HttpServer } from '../../../agents/kit/http.ts'
import { createLog } from '../../../agents/kit/log.ts'
import { createMetrics } from '../../../agents/kit/metrics.ts'

describe('startHttp', () => {
  let http: HttpServer
  let reason: string | null = null
  let release: () => void = () => undefined
  const open = (port = 0, more: object = {}) =>
    startHttp({
      hostname: '127.0.0.1',
      port,
      log: createLog('x', 'silent'),
      metrics: createMetrics('x', { defaults: false }),
      ready: () => reason,
      bodyLimitBytes: 1_000,
      timeoutMs: 300,
      maxInFlight: 2,
      routes: (app) => {
        app.post('/echo', async (c) => c.text(await c.req.text()))
        app.get('/throws', () => {
          throw new Error('a path of this machine')
        })
        app.get('/hangs', () => new Promise<Response>((resolve) => (release = () => resolve(new Response('late')))))
      },
      ...more,
    })
  before(async () => {
    http = await open()
  })
  after(() => http.close(0))
  const code = async (response: Response): Promise<string> => ((await response.json()) as { error: { code: string } }).error.code
  it('refuses pages of other origins, and takes its own and those that it was told of', async () => {
    const door = await open(0, { allowedOrigins: ['https://portal.example'] })
    const ask = (origin: string) => fetch(`${door.url}/health`, { headers: { origin } })
    try {
      const foreign = await ask('http://evil.example')
      expect([foreign.status, await code(foreign)]).to.deep.equal([403, 'WRONG_ORIGIN'])
      expect((await ask('null')).status).to.equal(403)
      for (const own of [door.url, `http://localhost:${door.port}`, 'https://portal.example'])
        expect((await ask(own)).status, own).to.equal(200)
    } finally {
      await door.close(0)
    }
  })

  it('bounds the path, the query and the headers', async () => {
    const long = await fetch(`${http.url}/health?q=${'x'.repeat(3_000)}`)
    expect([long.status, await code(long)]).to.deep.equal([414, 'URI_TOO_LONG'])
    expect((await fetch(`${http.url}/health`, { headers: { 'x-long': 'x'.repeat(9_000) } })).status).to.equal(431)
  })

  it('ends a connection whose request does not come, while others are answered', async () => {
    const slow = connect(http.port, '127.0.0.1')
    const [said] = [once(slow, 'data'), slow.write('GET /health HTTP/1.1\r\nhost: ')]
    const dripping = setInterval(() => slow.write('x'), 100)
    try {
      expect((await fetch(`${http.url}/health`)).status).to.equal(200)
      expect(String((await said)[0])).to.include('408')
    } finally {
      clearInterval(dripping)
      slow.destroy()
    }
  })

  /** fetch does not let a Host be chosen. */
  const withHost = (host: string): Promise<number> =>
    new Promise((resolve, reject) => {
      request({ host: '127.0.0.1', port: http.port, path: '/health', headers: { host } }, (response) => {
        response.resume()
        resolve(response.statusCode ?? 0)
      })
        .on('error', reject)
        .end()
    })

  it('answers health, readiness with its reason, and metrics', async () => {
    expect((await fetch(`${http.url}/health`)).status).to.equal(200)
    expect((await fetch(`${http.url}/ready`)).status).to.equal(200)
    reason = 'warming up'
    const answer = await fetch(`${http.url}/ready`)
    expect([answer.status, await answer.json()]).to.deep.equal([503, { status: 'not ready', reason }])
    reason = null
    expect(await (await fetch(`${http.url}/metrics`)).text()).to.contain('trellis_x_http_request_seconds')
  })

  it('refuses a Host that is not its own, port included', async () => {
    expect(await withHost(`localhost:${http.port}`)).to.equal(200)
    expect(await withHost('127.0.0.1')).to.equal(421)
    expect(await withHost(`evil.example:${http.port}`)).to.equal(421)
    expect(await withHost(`127.0.0.1:${http.port + 1}`)).to.equal(421)
  })

  it('limits bodies, with and without a length', async () => {
    const body = 'x'.repeat(2_000)
    const answer = await fetch(`${http.url}/echo`, { method: 'POST', body })
    expect([answer.status, await code(answer)]).to.deep.equal([413, 'TOO_LARGE'])
    const stream = new ReadableStream({
      start(controller) {
        controller.enqueue(new TextEncoder().encode(body))
        controller.close()
      },
    })
    expect((await fetch(`${http.url}/echo`, { method: 'POST', body: stream, duplex: 'half' })).status).to.equal(413)
    expect(await (await fetch(`${http.url}/echo`, { method: 'POST', body: 'ok' })).text()).to.equal('ok')
  })

  it('hides what nobody foresaw and names what is not there', async () => {
    const answer = await fetch(`${http.url}/throws`)
    const text = await answer.text()
    expect(answer.status).to.equal(500)
    expect(text).to.contain('INTERNAL').and.not.contain('machine')
    expect(await code(await fetch(`${http.url}/nothing`))).to.equal('NOT_FOUND')
  })

  it('answers 405 and what is allowed where a path takes another method', async () => {
    const wrong = await fetch(`${http.url}/echo`, { method: 'DELETE' })
    expect([wrong.status, wrong.headers.get('allow'), await code(wrong)]).to.deep.equal([405, 'POST', 'METHOD_NOT_ALLOWED'])
    expect((await fetch(`${http.url}/nothing`, { method: 'DELETE' })).status).to.equal(404)
  })

  it('gives up on a request that takes too long, and refuses more than it can work on', async () => {
    const [one, two, three] = await Promise.all([1, 2, 3].map(() => fetch(`${http.url}/hangs`)))
    const codes = await Promise.all([one!, two!, three!].map(code))
    expect(codes.sort()).to.deep.equal(['OVERLOADED', 'REQUEST_TIMEOUT', 'REQUEST_TIMEOUT'])
    release()
  })

  it('names a busy port and what to do', async () => {
    const error = await open(http.port).then(
      () => null,
      (reason_: unknown) => reason_ as { code: string; next: string },
    )
    expect(error?.code).to.equal('PORT_BUSY')
    expect(error?.next).to.contain(String(http.port))
  })
})
