// SPDX-License-Identifier: Apache-2.0
/** What to do when a contract refuses: one line for each reason that a command can meet. */
import { isTrellisError, TrellisError } from '../../protocol/errors.ts'

const again = 'another command used this device NFT meanwhile: run it again, it takes what is missing'
const others = 'look at who may do it: trellis project show ID, trellis device show DEVICE'
const expired = 'it took longer than the signatures are good for: run it again'
const current =
  'name the keys that the device uses now (trellis device show DEVICE tells its signer); they change with trellis device rotate'
const noDevice = 'register the device first: trellis device register --project ID --keys FILE'

const ADVICE: Readonly<Record<string, string>> = {
  'exist name': 'another project has this name: choose another one',
  'empty name': 'give the project a name',
  'invalid owner': others,
  'invalid operator': others,
  'nft already used': again,
  'invalid device nft owner': again,
  'device exists': 'the device was registered meanwhile: trellis device show DEVICE',
  'device not exists': noDevice,
  'empty hash': 'give the device a document: trellis did new makes one',
  'insufficient ioID': 'buy more ioIDs: trellis project apply ID AMOUNT',
  'insufficient fund': 'the price rose meanwhile: run it again',
  'contract setted': 'this contract is the device contract of another project: name another one',
  'project setted': 'the project has a device contract already: trellis project show ID',
  IoIDRegistry_Expired: expired,
  IoIDRegistry_KeyTaken: 'the key is or was that of another device: make new ones (trellis did new)',
  IoIDRegistry_UriTooLong: 'leave the document at a shorter URI',
  CredentialRegistry_PriceTooHigh: 'the price rose above what the offer allows: ask the issuer for a new offer, or name a lower --price',
  CredentialRegistry_Underpaid: 'the price rose meanwhile: run it again',
  CredentialRegistry_NotHolder: current,
  CredentialRegistry_BadValidity: 'the credential’s time is over or does not begin before it ends: ask the issuer for a new offer',
  CredentialRegistry_Expired: 'the time to take the offer is over: ask the issuer for a new one',
  CredentialRegistry_NonceSpent: 'the offer was taken or taken back: ask the issuer for a new one',
  CredentialRegistry_NoConsent: 'the offer is not as its issuer signed it: ask him for it again',
  CredentialRegistry_IssuerNotOpen: 'the owner of the type closed this issuer: ask him, or another issuer',
  CredentialRegistry_BadTransition: 'an issuer that was voided stays so: open another address',
  CertificateRegistry_Expired: expired,
  CertificateRegistry_UnknownDevice: noDevice,
  CertificateRegistry_Exists: 'it is published already: trellis cert status FOLDER',
  CertificateRegistry_NotRevocable: 'it is revoked already: trellis cert status FOLDER',
  CertificateRegistry_BadValidity: 'its time is over, or ends after that of the certificate above: trellis cert renew FOLDER --out NEW',
  CertificateRegistry_BadParent: 'the certificate above is not good: trellis cert status FOLDER of it; publish or renew that first',
  CertificateRegistry_PathTooLong: 'fewer authorities may stand in a row: issue it with a smaller --authority',
  CertificateRegistry_BadName: 'the name has to end with that of the certificate above',
  CertificateRegistry_BadReplacement: 'what it takes the place of is revoked or was never published: trellis cert issue makes a new one',
  CertificateRegistry_BadDeviceSignature: current,
  CertificateRegistry_NoConsent: 'pay with the key of the device’s owner (--key-file), or name keys of a device above: --issuer-keys FILE',
  DataKeyRegistry_UnknownDevice: noDevice,
  DataKeyRegistry_KeyTaken: 'another device has this data key: make new keys (trellis did new)',
}

/** The same error with what to do, where the contract's reason is known here. */
export function advised(error: unknown): unknown {
  if (!isTrellisError(error, 'CALL_REVERTED')) return error
  const { error: name, args } = error.details as { error?: string; args?: readonly unknown[] }
  const next = ADVICE[String(name === 'Error' ? args?.[0] : name)]
  if (next === undefined) return error
  const { code, message, details, cause } = error
  return new TrellisError({ code, message, details, next, cause })
}
