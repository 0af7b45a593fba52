// Runs as part of every `npm ci` and `npm install`. Native packages that need Node 22 or newer (Hardhat's EVM) are skipped in silence when npm
// itself runs on an older Node. By now the project's own Node 24 leads the PATH, so npm says through its user agent what it runs on.
const agent = /\bnode\/v(\d+)\.(\S+)/.exec(process.env.npm_config_user_agent ?? '')
const major = Number(agent?.[1] ?? process.versions.node.split('.')[0])
if (major < 22) {
  console.error(
    [
      '',
      `NODE_TOO_OLD_FOR_INSTALL  npm is running on Node ${agent ? `${agent[1]}.${agent[2]}` : process.versions.node}; the install needs Node 22 or newer.`,
      '  why   npm leaves out the native part of Hardhat without a word, and nothing would start',
      '  next  npm start        (installs everything under the right Node, then runs)',
      '  or    npm exec --yes --package=node@24.21.0 -- npm ci',
      '',
    ].join('\n'),
  )
  process.exit(1)
}
