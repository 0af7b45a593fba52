// SPDX-License-Identifier: Apache-2.0
/** Rules that fire when they should and are quiet when they should, dashboards that ask what there is, and a paragraph for every alert. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { alertList, metricList, observability } from '../../scripts/observability.ts'
import { at } from '../../scripts/shell.ts'
import { needs } from './support/engines.ts'

/** Series as promtool writes them (`start+step x times`, one value a minute) with which an alert fires within an hour, and with which it does not. */
const cases: Record<string, { fires: string[]; quiet: string[] }> = (() => {
  const one = (name: string, fires: string, quiet: string) => ({ fires: [`${name} ${fires}`], quiet: [`${name} ${quiet}`] })
  const of = (service: string, name: string, labels = ''): string =>
    `trellis_${service}_${name}{job="trellis",instance="a",service="${service}"${labels}}`
  const buckets = (service: string, name: string, limits: [string, string][]): string[] =>
    limits.map(([le, values]) => `${of(service, `${name}_bucket`, `,le="${le}"`)} ${values}`)
  const slow = (service: string, name: string, fast: string, wide: string) => ({
    fires: buckets(service, name, [
      [fast, '0x90'],
      [wide, '0+5x90'],
      ['+Inf', '0+5x90'],
    ]),
    quiet: buckets(service, name, [
      [fast, '0+5x90'],
      [wide, '0+5x90'],
      ['+Inf', '0+5x90'],
    ]),
  })
  return {
    TrellisDown: one('up{job="trellis",instance="a"}', '0x90', '1x90'),
    TrellisChainSilent: one(of('prover', 'chain_silent_seconds'), '0+10x90', '1x90'),
    TrellisRpcErrors: one(of('gateway', 'rpc_errors_total'), '0+12x90', '0+1x90'),
    TrellisSignerPoor: one(of('coordinator', 'signer_balance_wei'), '1e16x90', '1e18x90'),
    // Full within a day at this rate, though half empty now.
    TrellisDiskLow: one(of('gateway', 'disk_free_bytes'), '50e9-100e6x90', '50e9x90'),
    TrellisHttpErrors: {
      fires: [
        `${of('gateway', 'http_request_seconds_count', ',status="200",route="/"')} 0+90x90`,
        `${of('gateway', 'http_request_seconds_count', ',status="503",route="/"')} 0+10x90`,
      ],
      quiet: [
        `${of('gateway', 'http_request_seconds_count', ',status="200",route="/"')} 0+990x90`,
        `${of('gateway', 'http_request_seconds_count', ',status="503",route="/"')} 0+10x90`,
      ],
    },
    TrellisConnectionsRefused: {
      fires: [`${of('gateway', 'http_connections_refused_total')} 0+1x90`, `${of('gateway', 'mqtt_connections_refused_total')} 0+1x90`],
      quiet: [`${of('gateway', 'http_connections_refused_total')} 7x90`, `${of('gateway', 'mqtt_connections_refused_total')} 3x90`],
    },
    TrellisBusy: one('nodejs_eventloop_lag_p99_seconds{job="trellis",instance="a",service="gateway"}', '0.9x90', '0.02x90'),
    TrellisMessagesRefused: {
      fires: [
        `${of('gateway', 'messages_total', ',status="accepted",reason=""')} 0+80x90`,
        `${of('gateway', 'messages_total', ',status="refused",reason="BAD_SIGNATURE"')} 0+20x90`,
      ],
      quiet: [
        `${of('gateway', 'messages_total', ',status="accepted",reason=""')} 0+80x90`,
        `${of('gateway', 'messages_total', ',status="refused",reason="SEQUENCE_GAP"')} 0+20x90`,
      ],
    },
    TrellisOverloaded: one(of('gateway', 'messages_total', ',status="refused",reason="OVERLOADED"'), '0+5x90', '5x90'),
    TrellisAnswersSlow: slow('gateway', 'message_seconds', '0.1', '2'),
    TrellisTasksOld: one(of('coordinator', 'oldest_open_seconds'), '0+60x90', '30x90'),
    TrellisTasksDead: one(of('coordinator', 'tasks_count', ',state="dead"'), '0x30 3x60', '3x90'),
    TrellisNoProver: {
      fires: [`${of('coordinator', 'tasks_count', ',state="received"')} 4x90`, `${of('coordinator', 'assigned_total')} 9x90`],
      quiet: [`${of('coordinator', 'tasks_count', ',state="received"')} 4x90`, `${of('coordinator', 'assigned_total')} 0+1x90`],
    },
    TrellisProofsRefused: one(of('coordinator', 'refused_total', ',reason="BAD_PROOF"'), '0x40 1x50', '1x90'),
    TrellisSettlementSlow: slow('coordinator', 'received_to_settled_seconds', '60', '300'),
    TrellisReorg: one(of('coordinator', 'reorgs_total'), '0x40 1x50', '0x90'),
    TrellisProofsFail: one(of('prover', 'proofs_total', ',outcome="failed"'), '0x40 2x50', '0x90'),
    TrellisProofsSlow: slow('prover', 'proof_seconds', '5', '60'),
    TrellisTasksDisagree: one(of('prover', 'tasks_refused_total', ',why="CONTEXT"'), '0x40 1x50', '0x90'),
  }
})()

describe('what an operator watches', function () {
  this.timeout(60_000)
  let folder: string
  beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'trellis-rules-'))))
  afterEach(() => rmSync(folder, { recursive: true, force: true }))
  const alerts = alertList().flatMap((group) => group.alerts)
  const names = new Set(Object.values(metricList()).flatMap((metrics) => metrics.map(({ name }) => name)))

  it('has a paragraph for every alert, and no paragraph for one that is gone', () => {
    const guide = readFileSync(at('docs', 'operate.md'), 'utf8')
    const told = [...guide.matchAll(/^### (Trellis\w+)\n+([^#\n].*)/gm)].map(
      ([, name = '', text = '']) => [name, text.length > 40] as const,
    )
    expect(told.sort()).to.deep.equal(alerts.map(({ name }) => [name, true] as const).sort())
  })

  it('asks only for metrics that services have', () => {
    const asked = observability().flatMap(([file, text]) =>
      file.endsWith('.md') ? [] : [...text.matchAll(/trellis_[a-z]+_[a-z_]+/g)].map(([name]) => name),
    )
    expect(asked.length).to.be.greaterThan(40)
    const known = (name: string): boolean => names.has(name) || names.has(name.replace(/_(bucket|count|sum)$/, ''))
    expect(asked.filter((name) => !known(name))).to.deep.equal([])
    // Rules over all services name the end of a metric.
    const ends = alerts.flatMap(({ expr }) =>
      [...expr.matchAll(/trellis_\[a-z\]\+_([a-z_]+)"/g)].map(([, end]) => end!.replace(/_count$/, '')),
    )
    expect(ends.length).to.be.greaterThan(5)
    for (const end of ends)
      expect(
        [...names].some((name) => name.endsWith(`_${end}`)),
        end,
      ).to.equal(true)
  })

  it('fires each alert on series like those of its fault, and on no others', function () {
    const promtool = needs(this, 'promtool')
    expect(Object.keys(cases).sort()).to.deep.equal(alerts.map(({ name }) => name).sort())
    const tests = Object.entries(cases).flatMap(([name, { fires, quiet }]) =>
      [fires, quiet].map((series, i) => ({
        name: `${name} ${i === 0 ? 'fires' : 'is quiet'}`,
        interval: '1m',
        input_series: series.map((line) => ({ series: line.slice(0, line.indexOf('} ') + 1), values: line.slice(line.indexOf('} ') + 2) })),
        promql_expr_test: [
          {
            // Some hold for a moment only: had it fired at any time of the hour?
            expr: `max(max_over_time(ALERTS{alertname="${name}",alertstate="firing"}[80m])) or vector(0)`,
            eval_time: '80m',
            exp_samples: [{ labels: '{}', value: i === 0 ? 1 : 0 }],
          },
        ],
      })),
    )
    // JSON is YAML.
    writeFileSync(
      join(folder, 'tests.yml'),
      JSON.stringify({ rule_files: [at('deploy', 'observability', 'rules.yml')], evaluation_interval: '1m', tests }),
    )
    const done = spawnSync(promtool, ['test', 'rules', join(folder, 'tests.yml')], { encoding: 'utf8' })
    expect(done.status, `${done.stdout}\n${done.stderr}`).to.equal(0)
  })

  it('has rules and dashboards whose questions Prometheus can read', function () {
    const promtool = needs(this, 'promtool')
    const questions = observability().flatMap(([file, text]) =>
      file.endsWith('.json')
        ? (JSON.parse(text) as { panels: { targets: { expr: string }[] }[] }).panels.flatMap(({ targets }) =>
            targets.map(({ expr }) => expr),
          )
        : [],
    )
    const rules = questions.map((expr, i) => ({
      record: `q:${i}`,
      expr: expr.replaceAll('$__rate_interval', '5m').replaceAll('$instance', '.*'),
    }))
    writeFileSync(join(folder, 'rules.yml'), JSON.stringify({ groups: [{ name: 'dashboards', rules }] }))
    for (const file of [join(folder, 'rules.yml'), at('deploy', 'observability', 'rules.yml')]) {
      const done = spawnSync(promtool, ['check', 'rules', file], { encoding: 'utf8' })
      expect(done.status, `${done.stdout}\n${done.stderr}`).to.equal(0)
    }
  })
})
