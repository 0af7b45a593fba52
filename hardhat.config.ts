/** Hardhat: compiler from npm, the simulated network, and the `deploy` task. */
import hardhatMocha from '@nomicfoundation/hardhat-mocha'
import hardhatNetworkHelpers from '@nomicfoundation/hardhat-network-helpers'
import hardhatViem from '@nomicfoundation/hardhat-viem'
import hardhatViemAssertions from '@nomicfoundation/hardhat-viem-assertions'
import { defineConfig, task } from 'hardhat/config'

// solc runs from npm's package: nothing is downloaded at build time.
const solc = { version: '0.8.37', path: `${import.meta.dirname}/node_modules/solc/soljson.js` }
// storageLayout and ast feed scripts/layouts.ts: the second holds the ERC-7201 structs that the first does not list.
const outputSelection = { '*': { '*': ['storageLayout'], '': ['ast'] } }

const deep = process.env['TRELLIS_DEEP'] === '1'

const deploy = task('deploy', 'Deploys, resumes or upgrades the contracts on the network of deploy/networks/<network>.json')
  .addFlag({ name: 'json', description: 'Print the addresses as one line of JSON' })
  .addFlag({ name: 'backOut', description: 'Put the logic that ran before back behind each proxy that was upgraded' })
  .setAction(() => import('./deploy/task.ts'))
  .build()

export default defineConfig({
  plugins: [hardhatMocha, hardhatNetworkHelpers, hardhatViem, hardhatViemAssertions],
  tasks: [deploy],
  solidity: {
    npmFilesToBuild: [
      '@openzeppelin/contracts/access/manager/AccessManager.sol',
      '@openzeppelin/contracts/metatx/ERC2771Forwarder.sol',
      '@openzeppelin/contracts/proxy/ERC1967/ERC1967Proxy.sol',
    ],
    // One profile: what is tested is what is deployed and what gas is measured on. viaIR compiles much longer and saves next to nothing here.
    profiles: { default: { ...solc, settings: { evmVersion: 'osaka', optimizer: { enabled: true, runs: 10_000 }, outputSelection } } },
  },
  networks: {
    default: { type: 'edr-simulated', chainType: 'l1', hardfork: 'osaka' },
    localhost: { type: 'http', chainType: 'l1', url: 'http://127.0.0.1:8545' },
  },
  // The seed is fixed: a failure prints the calls that led to it and comes again.
  test: {
    solidity: {
      fuzz: { runs: deep ? 10_000 : 256, seed: '0x54726c6c' },
      invariant: deep ? { runs: 256, depth: 128 } : { runs: 32, depth: 64 },
    },
  },
})
