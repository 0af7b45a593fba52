// SPDX-License-Identifier: Apache-2.0
/** Fetching what a stranger's URI names: bounds of size, time and redirects, and no way into this network. */
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect } from 'chai'
import type { TrellisError } from '../../../agents/protocol/errors.ts'
import { createDocumentFetch, type FetchOptions, isPrivateAddress } from '../../../agents/sdk/drivers/node/fetch-document.ts'

describe('sdk/drivers/node/fetch-document', () => {
  let server: Server
  let base: string
  let hits: string[] = []

  before(async () => {
    server = createServer((request, response) => {
      const { url = '' } = request
      hits.push(url)
      if (url === '/loop') return void response.writeHead(302, { location: '/loop' }).end()
      if (url === '/away') return void response.writeHead(302, { location: 'ftp://elsewhere/x' }).end()
      if (url === '/once') return void response.writeHead(302, { location: '/document' }).end()
      if (url === '/large') return void response.end('x'.repeat(2_000))
      if (url === '/slow') return void response.write('{')
      if (url === '/document' || url === '/ipfs/Qm/did.json') return void response.end('{"id":1}')
      response.writeHead(404).end()
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  })
  after(() => {
    server.closeAllConnections()
    server.close()
  })
  beforeEach(() => (hits = []))

  const code = (uri: string, options: FetchOptions = { privateHosts: true, maxBytes: 1_000, timeoutMs: 300 }): Promise<string> =>
    createDocumentFetch(options)(uri).then(
      (bytes) => Buffer.from(bytes).toString(),
      (error: unknown) => (error as TrellisError).code,
    )

  it('gives the bytes, over a redirect and through an IPFS gateway', async () => {
    expect(await code(`${base}/document`)).to.equal('{"id":1}')
    expect(await code(`${base}/once`)).to.equal('{"id":1}')
    expect(await code('ipfs://Qm/did.json', { privateHosts: true, ipfsGateway: `${base}/` })).to.equal('{"id":1}')
    expect(await code('ipfs://ipfs/Qm/did.json', { privateHosts: true, ipfsGateway: base })).to.equal('{"id":1}')
  })

  it('bounds size, time and redirects', async () => {
    for (const path of ['/large', '/slow', '/loop', '/none']) expect(await code(base + path), path).to.equal('DOCUMENT_UNREADABLE')
    expect(hits.filter((path) => path === '/loop')).to.have.length(4)
    expect(await code('http://127.0.0.1:1/')).to.equal('DOCUMENT_UNREADABLE')
  })

  it('fetches from https, http and, where a gateway is named, ipfs only', async () => {
    for (const uri of ['ftp://x/y', 'file:///etc/passwd', 'data:,x', 'ipfs://Qm', 'nothing', `${base}/away`])
      expect(await code(uri), uri).to.equal('DOCUMENT_URI_UNSUPPORTED')
    expect(await code(`${base}/document`, { privateHosts: true, http: false })).to.equal('DOCUMENT_URI_UNSUPPORTED')
  })

  it('does not reach into this machine or a private network, by number or by name', async () => {
    const { port } = new URL(base)
    for (const host of ['127.0.0.1', 'localhost', '[::1]', '[::ffff:127.0.0.1]', '2130706433', '0x7f.1', '10.0.0.1', '169.254.169.254'])
      expect(await code(`http://${host}:${port}/document`, { timeoutMs: 1_000 }), host).to.equal('DOCUMENT_URI_PRIVATE')
    expect(hits).to.deep.equal([])
    for (const address of ['192.168.1.1', '172.31.0.1', '100.64.0.1', 'fd00::1', 'fe80::1', '::', '0.0.0.0', '224.0.0.1', 'no address'])
      expect(isPrivateAddress(address), address).to.equal(true)
    for (const address of ['1.1.1.1', '172.32.0.1', '2606:4700::1111']) expect(isPrivateAddress(address), address).to.equal(false)
  })
})
