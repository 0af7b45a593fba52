// SPDX-License-Identifier: Apache-2.0
/** Commands that speak to a chain: their options and examples. What they do is in the file of each, loaded when it is called. */
import { type Command, InvalidArgumentError, Option } from 'commander'
import type { IssueOptions, RenewOptions } from '../cert.ts'
import type { IssueOptions as OfferOptions, TypeOptions } from '../credential.ts'
import type { NetworkOptions } from './network.ts'
import type { SpendOptions } from './spend.ts'

type Whole = (least: number, most: number) => (text: string) => number
type State = () => string | undefined

/** Of every command: which chain. */
const onNetwork = (command: Command): Command =>
  command
    .option('--network <name>', 'network of deploy/networks (default: the running local network)')
    .option('--rpc <url>', 'RPC endpoint, instead of the network’s')
    .option('--addresses <file>', 'addresses file of the deployment, where it lies elsewhere')
    .option('--json', 'as one line of JSON', false)

/** Of commands that sign: whose key. */
const keyed = (command: Command): Command =>
  command
    .option('--key-file <file>', 'keystore of the key that pays and consents (default: the project owner’s, on a local network)')
    .option('--password-file <file>', 'file with its password (mode 0600)')
    .option('--signer-url <url>', 'remote signer, instead of a key file')
    .option('--signer-address <address>', 'the key in the remote signer')
    .option('--signer-token-file <file>', 'file with the remote signer’s token (mode 0600)')

/** Of commands that send: the answer to the question, too. */
const spending = (command: Command): Command => keyed(onNetwork(command)).option('-y, --yes', 'go on without the question', false)

const withDocument = (command: Command): Command =>
  command
    .option('--document <file>', 'DID document (default: made of the keys)')
    .option('--uri <uri>', 'where the document lies already; it is fetched and compared')
    .option('--gateway <url>', 'gateway to leave the document at (default: that of the local run)')
    .option('--ipfs-gateway <url>', 'where ipfs: URIs are asked')

const token = (text: string): string => {
  if (/^\d{1,78}$/.test(text)) return text
  throw new InvalidArgumentError('a token id was expected: a whole number.')
}
const list = (value: string, before: string[]): string[] => [...before, value]
const example = (command: Command, ...lines: string[]): Command =>
  command.addHelpText(
    'after',
    `\nExample${lines.length > 1 ? 's' : ''}:\n${lines.map((line) => `  npm run trellis -- ${line}`).join('\n')}`,
  )

export function addChainCommands(program: Command, state: State, whole: Whole): void {
  addProject(program.command('project').description('Projects: their ioIDs, device contract, operators and metadata'), state, whole)
  addCredential(
    program.command('credential').description('Credentials of devices: types, issuers, offers, claims, revocation'),
    state,
    whole,
  )
  addDid(program.command('did').description('DIDs: keys and documents of devices, and what a did:io resolves to'), state)
  addDevice(
    program.command('device').description('Devices: registration, document, key, removal, and many of them from a file'),
    state,
    whole,
  )
  addCert(program.command('cert').description('Certificates of devices: X.509 whose state is on the chain'), state, whole)
}

function addProject(project: Command, state: State, whole: Whole): void {
  const load = () => import('../project.ts')
  example(project, 'project create "Air quality" --type hardware', 'project list --json')

  example(spending(project.command('create')), 'project create "Air quality" --type virtual --yes')
    .description('Registers a project to the paying key')
    .argument('<name>', 'its name; no other project may have it')
    .addOption(
      new Option('--type <type>', 'hardware buys ioIDs ahead, virtual with each device')
        .choices(['hardware', 'virtual'])
        .default('hardware'),
    )
    .action(async (name: string, options: SpendOptions & { type: string }) => (await load()).createProject(state(), name, options))

  example(onNetwork(project.command('show')), 'project show 1 --json')
    .description('A project: owner, devices, quota, device contract, operators, metadata')
    .argument('<project>', 'project id')
    .action(async (id: string, options: NetworkOptions) => (await load()).showProject(state(), id, options))

  example(onNetwork(project.command('list')), 'project list --owner 0x70997970C51812dc3A010C7d01b50e0d17dc79C8')
    .description('Projects, oldest first')
    .option('--owner <address>', 'only those of this account')
    .addOption(new Option('--from <id>', 'first project id').argParser(whole(1, Number.MAX_SAFE_INTEGER)).default(1))
    .addOption(new Option('--limit <count>', 'most projects').argParser(whole(1, 10_000)).default(100))
    .action(async (options: NetworkOptions & { owner?: string; from: number; limit: number }) =>
      (await load()).listProjects(state(), options),
    )

  example(spending(project.command('set-device-contract')), 'project set-device-contract 1', 'project set-device-contract 1 0x… --yes')
    .description('Ties a device contract to a project, once: one that is there, or a new collection')
    .argument('<project>', 'project id')
    .argument('[address]', 'an ERC-721 of your own; without it a collection is created')
    .option('--name <name>', 'name of the new collection (default: the project’s)')
    .option('--symbol <symbol>', 'its symbol', 'DEVICE')
    .action(async (id: string, address: string | undefined, options: SpendOptions & { name?: string; symbol: string }) =>
      (await load()).setDeviceContract(state(), id, address, options),
    )

  example(spending(project.command('apply')), 'project apply 1 100')
    .description('Buys ioIDs ahead, for a hardware project')
    .argument('<project>', 'project id')
    .argument('<amount>', 'ioIDs to buy', whole(1, 1_000_000_000))
    .action(async (id: string, amount: number, options: SpendOptions) => (await load()).applyForIoIDs(state(), id, amount, options))

  example(spending(project.command('operators')), 'project operators 1', 'project operators 1 --add 0x… --remove 0x…')
    .description('Who may write metadata beside the owner; names and drops them')
    .argument('<project>', 'project id')
    .option('--add <address>', 'name an operator (may be repeated)', list, [])
    .option('--remove <address>', 'drop an operator (may be repeated)', list, [])
    .action(async (id: string, options: SpendOptions & { add: string[]; remove: string[] }) =>
      (await load()).operators(state(), id, options),
    )

  example(spending(project.command('metadata')), 'project metadata 1', 'project metadata 1 website --set https://air.example')
    .description('Lists metadata, shows an entry, or writes it')
    .argument('<project>', 'project id')
    .argument('[name]', 'name of the entry')
    .option('--set <value>', 'text, or 0x and hex digits')
    .action(async (id: string, name: string | undefined, options: SpendOptions & { set?: string }) =>
      (await load()).metadata(state(), id, name, options),
    )
}

function addDid(did: Command, state: State): void {
  const load = () => import('../did.ts')
  example(did, 'did new --out sensor.keys.json', 'did resolve did:io:0x…')

  example(did.command('new'), 'did new --out sensor.keys.json --service gateway=TrellisGateway=https://gateway.example')
    .description('Makes the keys and the DID document of a device; needs no network')
    .requiredOption('--out <file>', 'keys file to write (mode 0600); an existing one is never overwritten')
    .option('--document <file>', 'document to write (default: beside the keys, .did.json)')
    .option('--service <id=type=url>', 'service entry of the document (may be repeated)', list, [])
    .option('--json', 'as one line of JSON', false)
    .action(async (options: { out: string; document?: string; service: string[]; json: boolean }) => (await load()).newDid(options))

  example(onNetwork(did.command('show')), 'did show did:io:0x…', 'did show --keys sensor.keys.json')
    .description('What the chain says of a DID, or what keys or a document are; fetches nothing')
    .argument('[did]', 'in any form of the field')
    .option('--keys <file>', 'keys of a device: the document made of them')
    .option('--document <file>', 'a DID document: its form, keys and hash')
    .option('--device <device>', 'device of the keys, where they are not its first')
    .action(async (name: string | undefined, options: NetworkOptions & { keys?: string; document?: string; device?: string }) =>
      (await load()).showDid(state(), name, options),
    )

  example(
    withDocument(spending(did.command('publish'))),
    'did publish --keys sensor.keys.json',
    'did publish --keys sensor.keys.json --uri https://docs.example/sensor.json',
  )
    .description('Puts the document where it can be fetched and, once the device is registered, its hash and URI on chain')
    .requiredOption('--keys <file>', 'keys of the device')
    .option('--device <device>', 'device of the keys, where they are not its first')
    .action(async (options: SpendOptions & { keys: string; device?: string }) =>
      (await import('../device.ts')).updateDevice(state(), options.device, { ...options, publish: true }),
    )

  example(onNetwork(did.command('resolve')), 'did resolve did:io:0x… --json')
    .description('Resolves a DID: the document, checked against the chain; fails when there is none to trust')
    .argument('<did>', 'in any form of the field')
    .option('--ipfs-gateway <url>', 'where ipfs: URIs are asked')
    .action(async (name: string, options: NetworkOptions & { ipfsGateway?: string }) => (await load()).resolve(state(), name, options))
}

function addDevice(device: Command, state: State, whole: Whole): void {
  const load = () => import('../device.ts')
  example(device, 'device register --project 1 --keys sensor.keys.json', 'device batch fleet.csv --project 1 --yes')

  example(
    withDocument(spending(device.command('register'))),
    'device register --project 1 --keys sensor.keys.json',
    'device register --project 1 --offer offer.json --token-id 7 --yes',
  )
    .description('Registers a device: device NFT, document, ioID and wallet')
    .requiredOption('--project <id>', 'project id')
    .option('--keys <file>', 'keys of the device, where they are at hand')
    .option('--offer <file>', 'what run device --offer printed, where the device keeps its keys')
    .option('--token-id <id>', 'device NFT (default: a free one, or a new one)', token)
    .action(async (options: SpendOptions & { project: string }) => (await load()).registerDevice(state(), options))

  example(withDocument(spending(device.command('update'))), 'device update 0x… --keys sensor.keys.json')
    .description('Puts another document of a registered device on chain')
    .argument('<device>', 'address or DID')
    .requiredOption('--keys <file>', 'current keys of the device')
    .action(async (name: string, options: SpendOptions & { keys: string }) => (await load()).updateDevice(state(), name, options))

  example(spending(device.command('rotate')), 'device rotate 0x… --keys old.keys.json --out new.keys.json')
    .description('Gives a device a new identity key and retires the old one for ever')
    .argument('<device>', 'address or DID')
    .requiredOption('--out <file>', 'keys file to write, or one that an earlier try wrote')
    .option('--keys <file>', 'old keys, to keep the data key; not needed otherwise')
    .action(async (name: string, options: SpendOptions & { out: string; keys?: string }) =>
      (await load()).rotateDevice(state(), name, options),
    )

  example(spending(device.command('remove')), 'device remove 0x… --keys sensor.keys.json')
    .description('Removes a device; its wallet stays with you')
    .argument('<device>', 'address or DID')
    .requiredOption('--keys <file>', 'current keys of the device')
    .action(async (name: string, options: SpendOptions & { keys: string }) => (await load()).removeDevice(state(), name, options))

  example(spending(device.command('batch')), 'device batch fleet.csv --project 1 --yes --json')
    .description('Registers the devices of a CSV file (columns keys or offer; document, uri, token); goes on where it was stopped')
    .argument('<file>', 'CSV file with a header; paths in it start at its folder')
    .requiredOption('--project <id>', 'project id')
    .option('--gateway <url>', 'gateway to leave documents at (default: that of the local run)')
    .option('--ipfs-gateway <url>', 'where ipfs: URIs are asked')
    .option('--out <file>', 'result of each row (default: beside the file, .result.csv)')
    .action(async (file: string, options: SpendOptions & { project: string }) =>
      (await import('../batch.ts')).registerBatch(state(), file, options),
    )

  example(onNetwork(device.command('show')), 'device show 0x… --json')
    .description('A device: owner, wallet and its balance, key, document')
    .argument('<device>', 'address or DID')
    .action(async (name: string, options: NetworkOptions) => (await load()).showDevice(state(), name, options))

  example(onNetwork(device.command('list')), 'device list --project 1 --limit 20')
    .description('Devices of a project')
    .requiredOption('--project <id>', 'project id')
    .addOption(new Option('--limit <count>', 'most devices').argParser(whole(1, 1_000_000)).default(1_000))
    .action(async (options: NetworkOptions & { project: string; limit: number }) => (await load()).listDevices(state(), options))
}

function addCert(cert: Command, state: State, whole: Whole): void {
  const load = () => import('../cert.ts')
  /** Of the two commands that make a key and a certificate. */
  const issuing = (command: Command): Command =>
    command
      .requiredOption('--out <folder>', 'folder to write: key.pem (mode 0600) and path.pem; an existing one is never overwritten')
      .option('--issuer <folder>', 'the certificate above, with its key (default: none, for a root)')
      .addOption(
        new Option('--hours <count>', 'how long it is good (default: 24, an authority 5 years, none longer than the issuer)').argParser(
          whole(1, 1_000_000),
        ),
      )
      .option('--public-key <file>', 'certify this key (PEM), where the device keeps its private one')
      .option('--json', 'as one line of JSON', false)
  const issuerKeys = 'keys of the device above: its current key signs (for a root: the device itself)'
  example(cert, 'cert issue --device 0x… --name fleet.example --authority 1 --out root', 'cert status root')

  example(
    issuing(cert.command('issue')),
    'cert issue --device 0x… --name fleet.example --authority 1 --out root',
    'cert issue --device 0x… --name pump1.fleet.example --issuer root --out pump1',
  )
    .description('Makes a key and its certificate; needs no network')
    .requiredOption('--device <device>', 'address or DID of the device that it is for')
    .requiredOption('--name <name>', 'dNSName, lower case; of an authority, the end of all names below')
    .addOption(new Option('--authority <count>', 'it may issue, and so many authorities may stand below it').argParser(whole(0, 3)))
    .action(async (options: IssueOptions) => (await load()).issueCertificate(options))

  example(
    issuing(cert.command('renew')),
    'cert renew pump1 --issuer root --out pump1-next',
    'cert publish pump1-next --issuer-keys hub.keys.json',
  )
    .description('Makes the next key and certificate of the same device and name; published, it revokes the old one')
    .argument('<folder>', 'the certificate that it takes the place of')
    .action(async (folder: string, options: RenewOptions) => (await load()).renewCertificate(folder, options))

  example(
    spending(cert.command('publish')),
    'cert publish root --issuer-keys hub.keys.json',
    'cert publish pump1 --issuer-keys hub.keys.json --subject-keys pump.keys.json',
  )
    .description('Puts a certificate on chain; the paying key of a root is the owner’s')
    .argument('<folder>', 'certificate')
    .requiredOption('--issuer-keys <file>', issuerKeys)
    .option('--subject-keys <file>', 'keys of the device that it is for, where that is another')
    .action(async (folder: string, options: SpendOptions & { issuerKeys: string; subjectKeys?: string }) =>
      (await load()).publishCertificate(state(), folder, options),
    )

  example(onNetwork(cert.command('status')), 'cert status pump1 --json')
    .description('Whether a certificate, and all above it, is good now; fails when it is not')
    .argument('<certificate>', 'folder or id')
    .action(async (name: string, options: NetworkOptions) => (await load()).certificateStatus(state(), name, options))

  example(spending(cert.command('revoke')), 'cert revoke pump1', 'cert revoke pump1 --issuer-keys hub.keys.json --yes')
    .description('Revokes a certificate and all below it, for good')
    .argument('<certificate>', 'folder or id')
    .option('--issuer-keys <file>', 'keys of a device above it (not needed where the paying key is the owner of its device)')
    .action(async (name: string, options: SpendOptions & { issuerKeys?: string }) =>
      (await load()).revokeCertificate(state(), name, options),
    )
}

function addCredential(credential: Command, state: State, whole: Whole): void {
  const load = () => import('../credential.ts')
  example(credential, 'credential type "Calibrated" --price 1000', 'credential status 0x… "Calibrated" --creator 0x…')
  const made = (command: Command): Command => command.option('--creator <address>', 'who made the type, where it is named by its name')

  example(spending(credential.command('type')), 'credential type "Calibrated" --price 1000 --open 0x…')
    .description('Makes a type of the paying key, or changes its price and issuers')
    .argument('<type>', 'its name, or its id')
    .option('--price <wei>', 'burned with each credential')
    .option('--schema <file>', 'JSON schema of its credentials: its hash goes on chain')
    .option('--schema-uri <uri>', 'where the schema lies')
    .option('--open <address>', 'let an issuer issue (may be repeated)', list, [])
    .option('--close <address>', 'end an issuer; what it issued stays good (may be repeated)', list, [])
    .option('--void <address>', 'end an issuer and all that it issued, for good (may be repeated)', list, [])
    .action(async (type: string, options: TypeOptions) => (await load()).credentialType(state(), type, options))

  example(
    made(keyed(onNetwork(credential.command('issue')))),
    'credential issue 0x… --type "Calibrated" --credential credential.json --out offer.json',
  )
    .description('Signs an offer of a credential to a device; sends nothing')
    .argument('<device>', 'address or DID')
    .requiredOption('--type <type>', 'name of a type, or its id')
    .requiredOption('--credential <file>', 'the credential, JSON: its hash is what is claimed')
    .requiredOption('--out <file>', 'offer to write; an existing file is never overwritten')
    .addOption(new Option('--days <days>', 'days that the credential is valid').argParser(whole(1, 36_500)).default(365))
    .addOption(new Option('--open-days <days>', 'days that the offer may be taken').argParser(whole(1, 365)).default(30))
    .addOption(new Option('--list <number>', 'which of your status lists').argParser(whole(0, 1_000_000)).default(0))
    .option('--max-price <wei>', 'most that the claim may burn (default: the price of now)')
    .action(async (device: string, options: OfferOptions) => (await load()).issueCredential(state(), device, options))

  example(spending(credential.command('claim')), 'credential claim offer.json --keys sensor.keys.json')
    .description('Takes an offered credential for a device, and burns its price')
    .argument('<offer>', 'file that credential issue wrote')
    .requiredOption('--keys <file>', 'current keys of the device')
    .action(async (offer: string, options: SpendOptions & { keys: string }) => (await load()).claimCredential(state(), offer, options))

  example(made(onNetwork(credential.command('status'))), 'credential status 0x… 0x… --json')
    .description('Whether a device holds a good credential of a type; fails when it does not')
    .argument('<device>', 'address or DID')
    .argument('<type>', 'id of the type, or its name with --creator')
    .action(async (device: string, type: string, options: NetworkOptions & { creator?: string }) =>
      (await load()).credentialStatus(state(), device, type, options),
    )

  example(
    made(spending(credential.command('revoke'))),
    'credential revoke 0x… "Calibrated"',
    'credential revoke 0x… "Calibrated" --suspend',
  )
    .description('Revokes a credential for good, or suspends and resumes it; its issuer only')
    .argument('<device>', 'address or DID')
    .argument('<type>', 'name of a type, or its id')
    .option('--suspend', 'only suspend it', false)
    .option('--resume', 'take a suspension back', false)
    .action(async (device: string, type: string, options: SpendOptions & { creator?: string; suspend: boolean; resume: boolean }) =>
      (await load()).revokeCredential(state(), device, type, options),
    )

  example(spending(credential.command('cancel')), 'credential cancel offer.json')
    .description('Takes an offer back that was not taken yet; its issuer only. Revoking a credential leaves offers open')
    .argument('<offer>', 'file that credential issue wrote')
    .action(async (offer: string, options: SpendOptions) => (await load()).cancelOffer(state(), offer, options))

  example(onNetwork(credential.command('list')), 'credential list 0x… --json')
    .description('Credentials that a device took, with what they are now')
    .argument('<device>', 'address or DID')
    .action(async (device: string, options: NetworkOptions) => (await load()).listCredentials(state(), device, options))
}
