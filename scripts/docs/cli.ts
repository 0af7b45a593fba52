// SPDX-License-Identifier: Apache-2.0
/** docs/reference/cli.md from the commands themselves. */
import type { Argument, Command, Option } from 'commander'
import { program } from '../../agents/cli/main.ts'
import { cell, code, type Page, page, table } from './markdown.ts'

/** Each command that does something, with the words that call it. */
export function commandsOf(command: Command, words: readonly string[] = []): { words: readonly string[]; command: Command }[] {
  const below = command.commands.flatMap((child) => commandsOf(child, [...words, child.name()]))
  return below.length > 0 ? below : [{ words, command }]
}

/** What `--help` prints below the options. */
function examplesOf(command: Command): string[] {
  let text = ''
  command.configureOutput({ writeOut: (part) => (text += part) }).outputHelp()
  return (/\nExamples?:\n([\s\S]*)$/.exec(text)?.[1] ?? '').split('\n').flatMap((line) => (line.trim() === '' ? [] : [line.trim()]))
}

const valueOf = ({ defaultValue }: Option | Argument): string =>
  defaultValue === undefined || defaultValue === false || (Array.isArray(defaultValue) && defaultValue.length === 0)
    ? ''
    : code(String(defaultValue))

function describe({ words, command }: { words: readonly string[]; command: Command }): string {
  const of = command.registeredArguments.map((argument) => {
    const name = argument.variadic ? `${argument.name()}…` : argument.name()
    return [code(argument.required ? name : `[${name}]`), cell(argument.description), valueOf(argument)]
  })
  const options = command.options.map((option) => {
    const choices = option.argChoices === undefined ? '' : `: ${option.argChoices.join(', ')}`
    return [code(option.flags), `${cell(option.description)}${choices}${option.mandatory ? ' **(needed)**' : ''}`, valueOf(option)]
  })
  const rows = [...of, ...options]
  const examples = examplesOf(command)
  return [
    `## ${words.join(' ')}`,
    `${command.description()}.`,
    ...(rows.length === 0 ? [] : [table(['argument or option', 'what', 'default'], rows)]),
    ...(examples.length === 0 ? [] : [`\`\`\`text\n${examples.join('\n')}\n\`\`\``]),
  ].join('\n\n')
}

export function cliPage(): Page {
  const commands = commandsOf(program)
  const linked = ({ words }: { words: readonly string[] }): string => `[\`${words.join(' ')}\`](#${words.join('-')})`
  return page('cli', 'Commands', [
    'Run a command as `npm run trellis -- COMMAND`. `npm start`, `npm run demo` and `npm run doctor` are short forms of `start`, `demo` and `doctor`.',
    'All of them take `--help`.',
    '',
    'Where `0x…` stands in an example, put the address, task or id of your own.',
    '',
    '## Options of every command',
    '',
    'They stand before the name of the command: `npm run trellis -- --state FOLDER status`.',
    '',
    table(
      ['option', 'what'],
      program.options.map((option) => [code(option.flags), cell(option.description)]),
    ),
    '',
    '## Exit codes',
    '',
    table(
      ['code', 'means'],
      [
        ['0', 'it was done. For `audit`: the books are right. For `reset` and `stop`: also when there was nothing to do'],
        [
          '1',
          'it was not done, or what was asked is not so (`audit` found a problem, `doctor` a failed check). stderr says what, why and next',
        ],
        [
          '78',
          '`run`: the service stopped by an error that trying again does not mend, such as a wrong configuration. Restarting it does not help',
        ],
        ['130', 'stopped by Ctrl-C before the end'],
      ],
    ),
    '',
    '## All commands',
    '',
    ...commands.map((command) => `- ${linked(command)}: ${command.command.description()}`),
    '',
    commands.map(describe).join('\n\n'),
  ])
}
