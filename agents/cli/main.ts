// SPDX-License-Identifier: Apache-2.0
/** The one binary of Trellis. Each command is a file of this folder, loaded when it is called. */
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander'
import { TrellisError } from '../protocol/errors.ts'
import type { AuditOptions } from './audit.ts'
import type { BackupOptions } from './backup.ts'
import { addChainCommands } from './chain/commands.ts'
import { printError } from './print.ts'
import type { ImportOptions } from './keys.ts'
import type { RunOptions } from './run.ts'
import type { TasksOptions } from './tasks.ts'

function whole(least: number, most: number) {
  return (text: string): number => {
    const value = Number(text)
    if (!/^\d+$/.test(text) || value < least || value > most)
      throw new InvalidArgumentError(`a whole number from ${least} to ${most} was expected.`)
    return value
  }
}

/** Every command, for who lists them. */
export const program = new Command('npm run trellis --')
  .description('Devices with wallets of their own, readings that are proven, and pay that follows the proof.')
  .option('--state <folder>', 'where the local run keeps its state (default: .trellis, or TRELLIS_STATE)')
  .showHelpAfterError('(npm run trellis -- --help lists the commands)')
  .exitOverride()
  // Somebody who gives a key as an argument finds it in his shell's history already: it need not be in a log, too.
  .configureOutput({ outputError: (text, write) => write(text.replaceAll(/(0x)?[0-9a-fA-F]{32,}/g, '(hex digits)')) })
  .addHelpText(
    'after',
    '\nExamples:\n  npm start                          everything on this machine, until Ctrl-C\n  npm run demo -- --json             the same job, then exit; last line is JSON\n  npm run trellis -- status | logs gateway | audit | stop',
  )

const state = (): string | undefined => program.opts<{ state?: string }>().state

/** Options of the two commands that run the whole job. */
function jobOptions(command: Command): Command {
  return command
    .option('--data <file>', 'replay this CSV file instead of the sensor data set')
    .option('--device <column>', 'column of --data that names the device')
    .option('--time <column>', 'column of --data with the time: unix seconds or ISO 8601')
    .option('--value <column>', 'column of --data with the value')
    .option('--all', 'replay all rows of the data set, not only rows 2241 to 2560 of each mote', false)
    .addOption(new Option('--speed <factor>', 'project seconds per second of the replay').argParser(whole(1, 100_000)))
    .option('--free-ports', 'take any free ports instead of 8545, 18830 and 8083 to 8087', false)
    .option('--no-build', 'do not look whether contracts and circuits need a build')
}

jobOptions(program.command('start'))
  .description('Builds, starts the network and every service, runs the job, stays up until Ctrl-C')
  .addHelpText('after', '\nExamples:\n  npm start\n  npm start -- --data readings.csv --device sensor --time at --value humidity')
  .action(async (options: Record<string, unknown>) => (await import('./start.ts')).start(state(), options))

jobOptions(program.command('demo'))
  .description('Runs the same job as start and exits')
  .option('--json', 'print the summary as one line of JSON at the end', false)
  .addHelpText('after', '\nExamples:\n  npm run demo -- --json\n  npm run demo -- --all --speed 600')
  .action(async (options: Record<string, unknown>) => (await import('./demo.ts')).demo(state(), options))

program
  .command('init')
  .description('Makes a project of your own in a new folder: contract, circuit, device, test')
  .argument('<name>', 'name of project and folder')
  .action(async (name: string) => (await import('./init.ts')).init([name]))

program
  .command('status')
  .description('What runs, where, and how far the job is')
  .option('--json', 'as JSON', false)
  .action(async (options: { json: boolean }) => (await import('./status.ts')).status(state(), options))

program
  .command('logs')
  .description('Shows the log of a service (all, when none is named)')
  .argument('[service]', 'chain, gateway, coordinator, prover-1, device-1, …')
  .addOption(new Option('-n, --lines <count>', 'lines from the end').argParser(whole(1, 100_000)).default(40))
  .option('-f, --follow', 'keep printing what is added', false)
  .addHelpText('after', '\nExample:\n  npm run trellis -- logs gateway --follow')
  .action(async (service: string | undefined, options: { lines: number; follow: boolean }) =>
    (await import('./logs.ts')).logs(state(), service, options),
  )

program
  .command('stop')
  .description('Stops the local run, also what outlived a killed supervisor')
  .action(async () => (await import('./stop.ts')).stop(state()))

program
  .command('reset')
  .description('Stops the local run and removes its state: keys, stores, logs, addresses')
  .action(async () => (await import('./reset.ts')).reset(state()))

/** Options of the commands that read stores and chain of any network. */
const networkOptions = (command: Command): Command =>
  command
    .option('--json', 'as one line of JSON', false)
    .option('--addresses <file>', 'of any network, instead of the local run: the addresses file of its deployment')
    .option('--rpc <url>', 'an RPC endpoint of its chain')
    .option('--gateway <urls>', 'a gateway of each of its stores, separated by commas')
    .option('--project <id>', 'the project')
    .option('--coordinator <urls>', 'coordinators, separated by commas: what they know of tasks')

networkOptions(program.command('trace'))
  .description('Follows a reading to its pay: window, task, assignment, proof, settlement, with times from stores and chain')
  .argument('<id>', 'a reading (device:sequence), the root of a window, a task, or a transaction')
  .addHelpText('after', '\nExamples:\n  npm run trellis -- trace 0xabc…:17\n  npm run trellis -- trace 0x… --json')
  .action(async (id: string, options: AuditOptions) => (await import('./trace.ts')).trace(state(), id, options))

networkOptions(program.command('audit'))
  .description('Shows by ids that every accepted reading is settled exactly once and paid; fails when not')
  .addHelpText(
    'after',
    '\nExamples:\n  npm run trellis -- audit\n  npm run trellis -- audit --addresses deploy/addresses/4690.json --rpc https://rpc.example --gateway https://a.example,https://b.example --project 7',
  )
  .action(async (options: AuditOptions) => (await import('./audit.ts')).audit(state(), options))

const services = ['--service <kind=file...>', 'services by their configurations, instead of the local run: gateway=gateway.json …'] as const

program
  .command('backup')
  .description('Copies every store and key into one file, while services run')
  .requiredOption('--out <file>', 'file to write; an existing one is never overwritten')
  .option(...services)
  .option('--json', 'print file, size and hash as one line of JSON', false)
  .addHelpText(
    'after',
    '\nExamples:\n  npm run trellis -- backup --out trellis.backup\n  npm run trellis -- backup --out n.backup --service gateway=gateway.json coordinator=coordinator.json',
  )
  .action(async (options: BackupOptions) => (await import('./backup.ts')).backup(state(), options))

program
  .command('restore')
  .description('Puts a backup where nothing is; services then ask the chain before they act')
  .argument('<file>', 'a backup')
  .option(...services)
  .addHelpText('after', '\nExample:\n  npm run trellis -- restore trellis.backup')
  .action(async (file: string, options: { service?: string[] }) => (await import('./restore.ts')).restore(state(), file, options))

program
  .command('doctor')
  .description('Checks this machine and this checkout; each finding with its fix')
  .option('--json', 'as one line of JSON', false)
  .action(async (options: { json: boolean }) => (await import('./doctor.ts')).doctor(state(), options))

program
  .command('run')
  .description('Runs one service in this process')
  .argument('<service>', 'gateway, coordinator, prover, device, portal or indexer')
  .option('--config <file>', 'JSON configuration; TRELLIS_<SERVICE>_<FIELD> and --set win over it')
  .option('--set <field=value...>', 'a field of the configuration')
  .option('--offer', 'device: print the offer of this device as one JSON line and exit', false)
  .addOption(
    new Option('--back-out [version]', 'take the stores that a newer version wrote back to this one (or to a version), and exit').argParser(
      whole(1, 10_000),
    ),
  )
  .addOption(new Option('--stores', 'print where the stores are').hideHelp())
  .addHelpText(
    'after',
    '\nExamples:\n  npm run trellis -- run gateway --config gateway.json\n  npm run trellis -- run device --config device.json --offer',
  )
  .action(async (service: string, options: RunOptions) => (await import('./run.ts')).run(service, options))

const tasks = program
  .command('tasks')
  .description('Tasks of a coordinator: what was put aside, and another try for it')
  .addHelpText(
    'after',
    '\nExamples:\n  npm run trellis -- tasks list --dead\n  npm run trellis -- tasks retry --all\n  npm run trellis -- tasks retry 0x… --config coordinator.json',
  )

const taskOptions = (command: Command): Command =>
  command
    .option('--config <file>', 'configuration of the coordinator (default: that of the local run)')
    .option('--url <url>', 'where it answers, when that is not the address of its configuration')
    .option('--json', 'as one line of JSON', false)

taskOptions(tasks.command('list'))
  .description('Lists tasks with state, tries and reason')
  .option('--dead', 'only those that were put aside', false)
  .action(async ({ dead, ...options }: TasksOptions & { dead: boolean }) =>
    (await import('./tasks.ts')).listTasks(state(), { ...options, ...(dead && { state: 'dead' }) }),
  )

taskOptions(tasks.command('retry'))
  .description('Tries tasks again that were put aside; signed with the key of the coordinator')
  .argument('[task...]', 'tasks as tasks list shows them')
  .option('--all', 'every dead task that can be tried again', false)
  .action(async (ids: string[], options: TasksOptions & { all: boolean }) => (await import('./tasks.ts')).retryTasks(state(), ids, options))

addChainCommands(program, state, whole)

const keys = program
  .command('keys')
  .description('Keys of agents in encrypted files; passwords come from a file or the terminal, never as arguments')
  .addHelpText(
    'after',
    '\nExamples:\n  npm run trellis -- keys new --out coordinator.json\n  npm run trellis -- keys import --from old.hex --out coordinator.json\n  npm run trellis -- keys list .',
  )

/** Options of the two commands that write a keystore. */
const keystoreOptions = (command: Command): Command =>
  command
    .requiredOption('--out <file>', 'keystore to write; an existing file is never overwritten')
    .option('--password-file <file>', 'file with the password of the keystore (mode 0600); asked for when not given')

keystoreOptions(keys.command('new'))
  .description('Makes a key and writes it as an encrypted keystore')
  .action(async (options: { out: string; passwordFile?: string }) => (await import('./keys.ts')).newKey(options))

keystoreOptions(keys.command('import'))
  .description('Writes a key that there is already (64 hex digits, or a v3 keystore) as an encrypted keystore')
  .option('--from <file>', 'file with the key; standard input when not given')
  .option('--from-password-file <file>', 'file with the password of the keystore that is imported')
  .action(async (options: ImportOptions) => (await import('./keys.ts')).importKey(options))

keys
  .command('list')
  .description('Address, kind and file of each key in a folder')
  .argument('[folder]', 'folder', '.')
  .option('--json', 'as one line of JSON', false)
  .action(async (folder: string, options: { json: boolean }) => (await import('./keys.ts')).listKeys(folder, options))

keys
  .command('address')
  .description('The address of a key file, checked against its key')
  .argument('<file>', 'key file')
  .option('--password-file <file>', 'file with its password (mode 0600); asked for when not given')
  .action(async (file: string, options: { passwordFile?: string }) => (await import('./keys.ts')).keyAddress(file, options))

// Older Nodes do not say which module is the program's.
if ((import.meta.main as boolean | undefined) !== false) {
  try {
    await program.parseAsync()
  } catch (error) {
    if (error instanceof CommanderError) {
      // Help and version end here with code 0; mistakes in the arguments were printed by commander with the usage.
      process.exitCode = error.exitCode
    } else {
      printError(error)
      process.exitCode = error instanceof TrellisError && error.code === 'INTERRUPTED' ? 130 : 1
    }
  }
}
