// SPDX-License-Identifier: Apache-2.0
/** Commands that speak to a chain: each has help with an example, `--json`, and a way past the question where it spends. */
import { Command } from 'commander'
import { expect } from 'chai'
import { addChainCommands } from '../../../agents/cli/chain/commands.ts'

describe('cli/chain/commands', () => {
  const program = new Command('npm run trellis --')
  addChainCommands(
    program,
    () => undefined,
    () => Number,
  )
  const leaves = program.commands.flatMap((group) =>
    group.commands.map((command) => [`${group.name()} ${command.name()}`, command] as const),
  )

  it('has the commands of the issue', () => {
    expect(leaves.map(([name]) => name)).to.include.members([
      ...[
        'project create',
        'project show',
        'project list',
        'project set-device-contract',
        'project apply',
        'project operators',
        'project metadata',
      ],
      ...['did new', 'did show', 'did publish', 'did resolve'],
      ...[
        'credential type',
        'credential issue',
        'credential claim',
        'credential status',
        'credential revoke',
        'credential cancel',
        'credential list',
      ],
      ...['device register', 'device update', 'device rotate', 'device remove', 'device batch', 'device show', 'device list'],
    ])
  })

  for (const [name, command] of leaves) {
    it(`${name}: says what it does, with an example that names it`, () => {
      let text = ''
      command.configureOutput({ writeOut: (more) => (text += more) }).outputHelp()
      expect(command.description()).to.match(/^[A-Z]/)
      expect(text).to.match(new RegExp(`Examples?:\n {2}npm run trellis -- ${name}`))
      expect(text).to.contain('--json')
      // Whoever pays is named where something is paid; an issuer signs and pays nothing.
      expect(text.includes('--key-file')).to.equal(text.includes('--yes') || name === 'credential issue')
    })
  }
})
