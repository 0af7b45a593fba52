// Runs as part of every `npm ci` and `npm install`. Native packages that need Node 22 or newer (Hardhat's EVM) are skipped in silence when npm
// itself runs on an older Node. By now the project's own Node 24 leads the PATH, so the Node that runs npm is asked, not the one that runs this.
import { execFileSync } from 'node:child_process'

const version = execFileSync(process.env.npm_node_execpath ?? process.execPath, ['--version'], { encoding: 'utf8' })
  .trim()
  .slice(1)
if (Number(version.split('.')[0]) < 22) {
  console.error(
    [
      '',
      `NODE_TOO_OLD_FOR_INSTALL  npm is running on Node ${version}; the install needs Node 22 or newer.`,
      '  why   npm leaves out the native part of Hardhat without a word, and nothing would start',
      '  next  npm start        (installs everything under the right Node, then runs)',
      '  or    npm exec --yes --package=node@24.21.0 -- npm ci',
      '',
    ].join('\n'),
  )
  process.exit(1)
}
