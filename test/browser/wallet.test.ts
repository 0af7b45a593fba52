// SPDX-License-Identifier: Apache-2.0
/** The reader's wallet: the owner of a device moves what its wallet holds, for real; whoever is not the owner, declines or is on another chain is told so. */
import { expect } from 'chai'
import { createPublicClient, erc20Abi, type Hex, http } from 'viem'
import { accountOf } from '../../agents/cli/local/accounts.ts'
import { open } from './support/browser.ts'
import { type Network, settledNetwork } from './support/network.ts'
import { inject } from './support/wallet.ts'

describe('the wallet', function () {
  this.timeout(150_000)
  let net: Network
  let rpc: string
  let device: { device: string; wallet: string }
  const owner = accountOf('owner')

  before(async function () {
    net = await settledNetwork(this)
    const { ports, job } = net.run.record()!
    rpc = `http://127.0.0.1:${ports.chain}`
    device = job!.devices[0]!
  })

  it('moves tokens out of a device wallet: tried first, declined once, then sent, and the chain has it', async () => {
    const { page, errors } = await open(net.browser)
    let approve = false
    const asked = await inject(page.context(), { account: owner, rpc, chainId: 1, approve: () => approve })
    await page.goto(`${net.url}/devices/${device.device.toLowerCase()}`)
    await page.getByText('Connect the wallet that owns this device').waitFor()
    expect(asked, 'a page that asks the wallet before its user does').to.deep.equal([])

    await page.getByRole('button', { name: 'Connect', exact: true }).click()
    // The name is the wallet's own word: text, never HTML.
    await page.getByRole('button', { name: /Test wallet <b>bold<\/b>/ }).click()
    await page.getByRole('button', { name: 'Switch to chain 31337' }).first().click()
    // Four that measure, and the two of the provers.
    await page.getByText('You own 6 devices').waitFor()
    await page.keyboard.press('Escape')

    await page.getByRole('button', { name: /^Move 0\.128 TTT/ }).click()
    const dialog = page.getByRole('dialog')
    const amount = dialog.getByLabel('Amount in TTT')
    const to = dialog.getByLabel('To', { exact: true })
    expect(await to.inputValue()).to.equal(owner.address)
    for (const [text, words] of [
      ['', 'An amount is a number'],
      ['9', 'The wallet holds less.'],
      ['0', 'Nothing would be moved.'],
      ['0.0000000000000000001', 'has 18 decimals'],
    ] as const) {
      await amount.fill(text)
      await dialog.getByRole('button', { name: 'Try it first' }).click()
      await dialog.getByText(words).waitFor()
    }
    await amount.fill('0.05')
    await to.fill('0x12')
    await dialog.getByRole('button', { name: 'Try it first' }).click()
    await dialog.getByText('This is not an address.').waitFor()
    const receiver = '0x00000000000000000000000000000000000000ab'
    await to.fill(receiver)
    await dialog.getByRole('button', { name: 'Try it first' }).click()
    await dialog.getByText('it will work').waitFor()
    expect(asked).not.to.include('eth_sendTransaction')

    await dialog.getByRole('button', { name: 'Ask my wallet' }).click()
    await dialog.getByText('You declined in the wallet.').waitFor()
    approve = true
    await dialog.getByRole('button', { name: 'Ask my wallet' }).click()
    await dialog.getByText('Moved.').waitFor()

    const token = (
      await page.evaluate(
        async () => (await fetch('/api/v1/network')).json() as Promise<{ terms: Record<string, { terms: { token: Hex } }> }>,
      )
    ).terms
    const address = Object.values(token)[0]!.terms.token
    const client = createPublicClient({ transport: http(rpc) })
    const balance = (of: string): Promise<bigint> =>
      client.readContract({ address, abi: erc20Abi, functionName: 'balanceOf', args: [of as Hex] })
    expect(await balance(receiver)).to.equal(50_000_000_000_000_000n)
    expect(await balance(device.wallet)).to.equal(78_000_000_000_000_000n)
    await dialog.getByRole('button', { name: 'Done' }).click()
    await page.getByText('0.078 TTT').waitFor()

    await page.getByRole('button', { name: /^Move Trellis sensors/ }).click()
    await dialog.getByRole('button', { name: 'Try it first' }).click()
    await dialog.getByText('it will work').waitFor()
    await dialog.getByRole('button', { name: 'Ask my wallet' }).click()
    await dialog.getByText('Moved.').waitFor()
    await dialog.getByRole('button', { name: 'Done' }).click()
    await page
      .locator('.holdings')
      .getByText(/Trellis sensors #/)
      .waitFor({ state: 'detached' })
    expect(errors).to.deep.equal([])
    await page.context().close()
  })

  it('offers nothing to move to who does not own the device', async () => {
    const { page } = await open(net.browser)
    await inject(page.context(), { account: accountOf('prover-1'), rpc, chainId: 31337, approve: () => false })
    await page.goto(`${net.url}/devices/${device.device.toLowerCase()}`)
    await page.getByRole('button', { name: 'Connect', exact: true }).click()
    await page.getByRole('button', { name: /Test wallet/ }).click()
    await page.getByText('This account owns no device').waitFor()
    await page.keyboard.press('Escape')
    await page.getByText('Only the owner of the ioID can move').waitFor()
    expect(await page.getByRole('button', { name: /^Move/ }).count()).to.equal(0)
    await page.context().close()
  })
})
