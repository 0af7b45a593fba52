// SPDX-License-Identifier: Apache-2.0
/** What is deployed where, and who may configure what: read from the chain's access manager. */
import { type ReactNode, useState } from 'react'
import type { Network, NetworkContract } from '../../api.ts'
import { amount, count } from '../data/format.ts'
import { useNetwork, useToken } from '../data/reads.ts'
import { Address, Card, Copy, Failed, Notice, PageHead, Skeleton, Source } from '../parts/bits.tsx'
import { type Column, Table } from '../parts/table.tsx'

/** The code behind a proxy, as the deployment names it. */
const isLogic = ({ name }: NetworkContract): boolean => name.endsWith('Implementation')

const columns: readonly Column<NetworkContract>[] = [
  { label: 'Contract', width: '26%', cell: ({ name }) => <strong>{name}</strong> },
  {
    label: 'Address',
    wide: true,
    cell: ({ name, address }) => (
      <span className="address">
        <span className="mono">{address}</span>
        <Copy text={address} what={`address of ${name}`} />
      </span>
    ),
  },
  {
    label: 'Code',
    width: '17%',
    cell: ({ upgradeable }) => <span className="tag">{upgradeable ? 'upgrade after a delay' : 'never changes'}</span>,
  },
  {
    label: 'Who may configure',
    width: '22%',
    cell: ({ roles }) => (roles.length === 0 ? <span className="quiet">nobody</span> : roles.map(({ role }) => role).join(', ')),
  },
]

export function Contracts(): ReactNode {
  const found = useNetwork()
  const network = found.data
  const [all, setAll] = useState(false)
  const logics = network?.contracts.filter(isLogic).length ?? 0
  return (
    <div className="page">
      <PageHead title="Contracts">
        <p>Escrow and verifiers can never change. What can is upgraded through one authority, after a delay that everybody sees.</p>
      </PageHead>
      <Card title="Addresses" note={<Source from="chain" read={found} />}>
        <Table
          caption="Contracts of this network"
          columns={columns}
          rows={network?.contracts.filter((contract) => all || !isLogic(contract))}
          error={found.error}
          retry={() => void found.refetch()}
          places={12}
          empty={{ title: 'Nothing is deployed', text: 'npm start deploys the suite on a local chain.' }}
        />
        {logics === 0 ? null : (
          <button type="button" className="button more" aria-expanded={all} onClick={() => setAll(!all)}>
            {all ? 'Without' : 'With'} the {logics} contracts of code behind proxies
          </button>
        )}
      </Card>
      <div className="grid-2">
        <Card title="Who may configure what" note={<Source from="access manager" read={found} />}>
          {network === undefined ? (
            found.error === null ? (
              <Skeleton chars={24} />
            ) : (
              <Failed error={found.error} retry={() => void found.refetch()} />
            )
          ) : (
            <Grants network={network} />
          )}
        </Card>
        <div className="page">
          <Card title="Network" note={<Source from="chain" read={found} />}>
            <dl className="facts">
              <dt>Chain id</dt>
              <dd>{network?.chainId ?? <Skeleton chars={5} />}</dd>
              <dt>Kind</dt>
              <dd>{network?.kind ?? <Skeleton chars={5} />}</dd>
              <dt>Genesis</dt>
              <dd>{network === undefined ? <Skeleton chars={12} /> : <Address value={network.genesisHash} what="genesis hash" />}</dd>
              <dt>Deployed at</dt>
              <dd>{network === undefined ? <Skeleton chars={8} /> : `block ${count(network.deployedAtBlock)}`}</dd>
              {network?.services.map(({ name, url, ready }) => (
                <Service key={name} name={name} url={url} ready={ready} />
              ))}
            </dl>
          </Card>
          {Object.entries(network?.terms ?? {}).map(([project, terms]) => (
            <TermsCard key={project} project={project} of={terms} />
          ))}
        </div>
      </div>
    </div>
  )
}

const Service = ({ name, url, ready }: { name: string; url: string; ready: boolean }): ReactNode => (
  <>
    <dt>{name}</dt>
    <dd>
      <i className="dot" data-state={ready ? 'live' : 'down'} /> {ready ? 'ready' : 'not ready'} <span className="mono quiet">{url}</span>
    </dd>
  </>
)

function Grants({ network }: { network: Network }): ReactNode {
  const grants = network.contracts.flatMap(({ name, roles }) => roles.map((role) => ({ contract: name, ...role })))
  if (grants.length === 0)
    return (
      <Notice title="No role is given">
        <p>Nobody can configure this network.</p>
      </Notice>
    )
  const roles = new Map<string, { members: Set<string>; contracts: { contract: string; functions: string[] }[] }>()
  for (const { role, members, contract, functions } of grants) {
    const entry = roles.get(role) ?? { members: new Set<string>(), contracts: [] }
    for (const member of members) entry.members.add(member)
    entry.contracts.push({ contract, functions })
    roles.set(role, entry)
  }
  return (
    <div className="grants">
      {[...roles].map(([role, { members, contracts }]) => (
        <div className="grant" key={role}>
          <h3>{role}</h3>
          <div>
            {members.size === 0 ? (
              <span className="quiet">no member</span>
            ) : (
              [...members].map((member) => <Address key={member} value={member} what={role} />)
            )}
          </div>
          <dl className="facts">
            {contracts.map(({ contract, functions }) => (
              <Granted key={contract} contract={contract} functions={functions} />
            ))}
          </dl>
        </div>
      ))}
    </div>
  )
}

const Granted = ({ contract, functions }: { contract: string; functions: string[] }): ReactNode => (
  <>
    <dt>{contract}</dt>
    <dd className="tags">
      {functions.map((name) => (
        <span className="tag mono" key={name}>
          {name}
        </span>
      ))}
    </dd>
  </>
)

function TermsCard({ project, of: { version, terms } }: { project: string; of: Network['terms'][string] }): ReactNode {
  const token = useToken()
  const paid = (units: string): string => `${amount(BigInt(units), token?.decimals)} ${token?.symbol ?? ''}`
  return (
    <Card title={`Terms of project ${project}`} note={<span className="card-note">version {version}, frozen</span>}>
      <dl className="facts">
        <dt>A reading pays</dt>
        <dd>{paid(terms.pricePerReading)} to the device&apos;s wallet</dd>
        <dt>A proof pays</dt>
        <dd>{paid(terms.proverFee)} to the prover</dd>
        <dt>Assigning pays</dt>
        <dd>{paid(terms.sequencerFee)} to the coordinator</dd>
        <dt>A task takes</dt>
        <dd>at most {count(terms.taskSeconds)} s</dd>
        <dt>Paid in</dt>
        <dd>
          <Address value={terms.token} what="token" />
        </dd>
      </dl>
    </Card>
  )
}
