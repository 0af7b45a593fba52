import { defineConfig } from 'hardhat/config'

export default defineConfig({
  solidity: {
    // solc from npm: nothing is downloaded at build time.
    profiles: {
      default: {
        version: '0.8.37',
        path: `${import.meta.dirname}/node_modules/solc/soljson.js`,
        settings: { evmVersion: 'osaka', optimizer: { enabled: true, runs: 10_000 } },
      },
    },
  },
  networks: { default: { type: 'edr-simulated', chainType: 'l1', hardfork: 'osaka' } },
})
