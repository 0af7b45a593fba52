import hardhatMocha from '@nomicfoundation/hardhat-mocha'
import hardhatNetworkHelpers from '@nomicfoundation/hardhat-network-helpers'
import hardhatViem from '@nomicfoundation/hardhat-viem'
import hardhatViemAssertions from '@nomicfoundation/hardhat-viem-assertions'
import { defineConfig } from 'hardhat/config'

// solc runs from npm's package: nothing is downloaded at build time.
const solc = { version: '0.8.37', path: `${import.meta.dirname}/node_modules/solc/soljson.js` }

export default defineConfig({
  plugins: [hardhatMocha, hardhatNetworkHelpers, hardhatViem, hardhatViemAssertions],
  solidity: {
    profiles: {
      default: { ...solc, settings: { evmVersion: 'osaka', optimizer: { enabled: true, runs: 200 } } },
      production: { ...solc, settings: { evmVersion: 'osaka', viaIR: true, optimizer: { enabled: true, runs: 10_000 } } },
    },
  },
  networks: {
    default: { type: 'edr-simulated', chainType: 'l1', hardfork: 'osaka' },
    localhost: { type: 'http', chainType: 'l1', url: 'http://127.0.0.1:8545' },
  },
  test: { solidity: { fuzz: { runs: 256 }, invariant: { runs: 256, depth: 128 } } },
})
