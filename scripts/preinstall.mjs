// Runs before npm installs anything. Native packages that need Node 22 or newer (Hardhat's EVM) are skipped in silence
// when npm itself runs on an older Node; this says so instead, with the command that works.
const major = Number(process.versions.node.split('.')[0])
if (major < 22) {
  console.error(
    [
      '',
      `NODE_TOO_OLD_FOR_INSTALL  npm is running on Node ${process.versions.node}; the install needs Node 22 or newer.`,
      '  why   npm would skip the native part of Hardhat without a word, and nothing would start',
      '  next  npm start        (installs everything under the right Node, then runs)',
      '  or    npm exec --yes --package=node@24.21.0 -- npm ci',
      '',
    ].join('\n'),
  )
  process.exit(1)
}
