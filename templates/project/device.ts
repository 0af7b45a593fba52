// A device of your own: its keys, a reading that it signs, and what the gateway of `npm start` answers.   node device.ts [VALUE]
import { existsSync, readFileSync } from 'node:fs'
import { projectId, termsFromJson } from 'trellis/protocol'
import { encodeEnvelope } from 'trellis/protocol/codec'
import { createDeviceSigner } from 'trellis/sdk'
import { loadKeys, newKeys, saveKeys } from 'trellis/sdk/node'

const gateway = process.env['GATEWAY'] ?? 'http://127.0.0.1:8083'
const keysFile = 'device.keys.json'
const { data } = JSON.parse(readFileSync('trellis.json', 'utf8')) as { data: { value: string } }
if (!existsSync(keysFile)) saveKeys(keysFile, newKeys())

const project = await fetch(`${gateway}/v1/projects/1`).catch(() => undefined)
if (project?.ok !== true) {
  console.error(`The gateway at ${gateway} does not answer.\n  next  npm start, in another terminal`)
  process.exit(1)
}
type Hex = `0x${string}`
const facts = (await project.json()) as { chainId: number; contracts: { ioIDRegistry: Hex; dataKeyRegistry: Hex }; terms: unknown }
const signer = createDeviceSigner({ keys: loadKeys(keysFile), project: projectId(1), chainId: facts.chainId, ...facts.contracts })
const reading = { sequence: 0, time: Math.floor(Date.now() / 1000), channel: data.value, value: process.argv[2] ?? '21.50' }
const body = encodeEnvelope(signer.reading(reading, termsFromJson(facts.terms).decimals))
const answer = await fetch(`${gateway}/v1/messages`, { method: 'POST', body, headers: { 'content-type': 'application/json' } })
console.log(`device  ${signer.publicKeys.device}\nsigned  ${body}\nanswer  ${await answer.text()}`)
console.log('next    npx trellis device register --project 1 --keys device.keys.json   (the chain does not know this device yet)')
