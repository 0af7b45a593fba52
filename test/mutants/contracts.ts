// SPDX-License-Identifier: Apache-2.0
/** Lines of contracts that carry value or permission, each with a way to break it and the tests of which one must then fail. */

export interface Mutant {
  name: string
  file: string
  /** Once in the file. */
  from: string
  to: string
  tests: readonly string[]
}

type Change = readonly [name: string, from: string, to: string]

const of = (contract: string, tests: readonly string[], changes: readonly Change[]): Mutant[] =>
  changes.map(([name, from, to]) => ({
    ...{ name, from, to, file: `contracts/${contract}.sol` },
    tests: tests.map((test) => `test/unit/${test}.t.sol`),
  }))

export const MUTANTS: readonly Mutant[] = [
  ...of(
    'identity/IoIDRegistry',
    ['identity/IoIDRegistry', 'identity/RegisterBatch', 'identity/Forwarder', 'identity/Memberships'],
    [
      [
        'anybody’s device NFT is registered',
        'require(IERC721(deviceContract).ownerOf(tokenId) == user, "invalid device nft owner");',
        'require(IERC721(deviceContract).ownerOf(tokenId) != address(0), "invalid device nft owner");',
      ],
      ['a device NFT that is in use is registered again', 'require(!_isLive($.nftIds[deviceContract][tokenId]), "nft already used");', ''],
      [
        'an address that is the key of another device becomes an identifier',
        'if (keyOf != address(0) && keyOf != device) revert IoIDRegistry_KeyTaken(device, keyOf);',
        '',
      ],
      ['anybody calls for an owner', 'if (caller != user && !_storage().relayers[user][caller]) revert', 'if (user == address(0)) revert'],
      ['any signature is the device’s', 'require(signer != address(0) && signer == key, "invalid signature");', ''],
      [
        'an owner’s signature is not checked',
        'else if (!SignatureChecker.isValidSignatureNowCalldata(user, digest, signature)) {',
        'else if (digest == bytes32(0)) {',
      ],
      [
        'a batch registers for somebody who did not consent',
        'if (registration.user != user) revert IoIDRegistry_OtherUser(i, registration.user);',
        '',
      ],
      ['a retired key speaks for its device', 'if (key.retired) return address(0);', ''],
      [
        'a key that was used is taken again',
        'if ($.keys[newSigner].device != address(0)) revert IoIDRegistry_KeyTaken(newSigner, $.keys[newSigner].device);',
        '',
      ],
      ['a nonce is good twice', 'return head + 1;', 'return head;'],
      ['anybody passes for the forwarder', 'if (msg.sender != _forwarder || msg.data.length < 20)', 'if (msg.data.length < 20)'],
      ['a deadline is no deadline', 'if (block.timestamp > deadline) revert IoIDRegistry_Expired(deadline, block.timestamp);', ''],
    ],
  ),
  ...of(
    'identity/IoID',
    ['identity/IoIDRegistry', 'wallet/DeviceAccount'],
    [
      ['anybody mints, moves and removes', 'require(_minter(supply) == msg.sender, "invalid minter");', ''],
      ['an ioID goes into its own wallet', '_refuseCycle(id, to);', ''],
    ],
  ),
  ...of(
    'identity/IoIDStore',
    ['identity/IoIDStore'],
    [
      ['less than the price is enough', 'require(msg.value >= due, "insufficient fund");', 'if (msg.value < due) due = msg.value;'],
      ['a refund is paid again and again', '$.refunds[msg.sender] = 0;', ''],
      ['anybody withdraws', 'if (msg.sender != $.feeReceiver) _checkCanCall(msg.sender, msg.data);', ''],
      ['more than the treasury is withdrawn', 'require(amounts[i] <= _treasury($), "transfer fail");', ''],
      ['nothing is burned', '$.burnDue += uint128((due * $.burnShare) / WHOLE);', ''],
      ['a quota has no end', 'require(quota.applied > quota.actived, "insufficient ioID");', ''],
    ],
  ),
  ...of(
    'identity/Project',
    ['identity/Project'],
    [['operators outlive a transfer', 'if (from != address(0)) ++_storage().epochs[projectId];', '']],
  ),
  ...of(
    'identity/DeviceNFT',
    ['identity/DeviceNFT'],
    [
      [
        'a minter mints without end',
        'if (entry.allowance == 0) revert DeviceNFT_AllowanceSpent(msg.sender);',
        'if (entry.allowance == 0) entry.allowance = 1;',
      ],
    ],
  ),
  ...of(
    'identity/Memberships',
    ['identity/Memberships'],
    [
      [
        'a project has members that it did not admit',
        'if ($.admitted[projectId][device] != id) revert Memberships_NotAdmitted(projectId, device);',
        '',
      ],
      ['a device joins against its owner’s will', 'if (!consents) revert Memberships_NoConsent(owner, msg.sender);', 'consents;'],
      [
        'a device joins without its key',
        'if (signed == address(0) || signed != signer) revert Memberships_BadDeviceSignature(device, signer);',
        'signed;',
      ],
      ['anybody ends memberships', 'if (msg.sender != address(_registry)) revert Memberships_NotAllowed(msg.sender);', ''],
      ['a signature joins twice', '_storage().nonces[device]++', '_storage().nonces[device]'],
    ],
  ),
  ...of(
    'identity/IoIDRecovery',
    ['identity/IoIDRecovery'],
    [
      ['anybody starts a recovery', 'if (msg.sender != policy.guardian) revert IoIDRecovery_NotGuardian(from, msg.sender);', ''],
      [
        'a recovery ends before its delay',
        'if (block.timestamp < request.ripeAt) revert IoIDRecovery_NotRipe(request.ripeAt, block.timestamp);',
        '',
      ],
      ['anybody cancels a recovery', 'if (msg.sender != from) revert IoIDRecovery_NotOwner(from, msg.sender);', ''],
    ],
  ),
  ...of(
    'identity/DataKeyRegistry',
    ['identity/DataKeyRegistry'],
    [['a device of another project binds a key', 'if (tokenId == 0) revert DataKeyRegistry_UnknownDevice(projectId, device);', '']],
  ),
  ...of(
    'wallet/DeviceAccount',
    ['wallet/DeviceAccount', 'wallet/Operations', 'wallet/Sessions'],
    [
      ['anybody commands a wallet', 'if ((msg.sender != owner_ && !operation) || owner_ == address(0)) {', 'if (owner_ == address(0)) {'],
      ['a locked wallet is emptied', 'if (_locked()) revert DeviceAccount_IsLocked($.lockedUntil);', ''],
      [
        'a wallet runs within its own run',
        '{\n        $ = _storage();\n        if ($.executing) revert DeviceAccount_Reentered();',
        '{\n        $ = _storage();',
      ],
      ['anybody uses a session', 'if (!consents || !inTime ||', 'if (!inTime ||'],
      ['a session has no end', 'if (!consents || !inTime ||', 'if (!consents ||'],
      [
        'anybody validates operations, and is paid for it',
        'if (msg.sender != _entryPoint) revert DeviceAccount_NotEntryPoint(msg.sender);',
        '',
      ],
      ['an operation runs for the next owner', 'if (owner_ == address(0) || another ||', 'if (owner_ == address(0) ||'],
      [
        'a wallet takes the token that owns it',
        'if (TokenAccount.isAbove(address(this), msg.sender, id)) revert',
        'if (id == type(uint256).max) revert',
      ],
    ],
  ),
  ...of(
    'wallet/Sessions',
    ['wallet/Sessions'],
    [
      ['sessions outlive a sale', 'home_.epoch != 0 && grant_.epoch == home_.epoch &&', 'home_.epoch != 0 &&'],
      [
        'a session has no limits',
        'if (wanted > left) revert IDeviceAccount.DeviceAccount_OverLimit(key, left, wanted);',
        'if (wanted > left) return left;',
      ],
      ['a session calls the registry', 'if (target == home_.collection || target == home_.registry) return false;', ''],
    ],
  ),
  ...of(
    'identity/CredentialRegistry',
    ['identity/CredentialRegistry'],
    [
      [
        'a credential is claimed without the device’s key',
        'if (signer == address(0) || signer != _registry.signerOf(offer.device)) {',
        'if (signer == address(0)) {',
      ],
      ['an offer is taken twice', '$.spent[issuer][nonce >> 8] = word | bit;', ''],
      [
        'a credential costs nothing',
        'if (msg.value < price) revert CredentialRegistry_Underpaid(msg.value, price);',
        'if (msg.value < price) price = msg.value;',
      ],
      ['nothing is burned for a credential', 'if (price != 0) _burner.burn{value: price}(offer.typeId);', ''],
      [
        'a revoked credential is valid',
        'if (_bit($, held.issuer, held.statusList, held.statusIndex)) return CredentialStatus.Revoked;',
        '',
      ],
      ['a credential outlives its device', 'if (_ioID.tokenIdOf(device) != held.tokenId) return CredentialStatus.DeviceGone;', ''],
      ['a refund of a credential is paid again', '$.refunds[msg.sender] = 0;', ''],
    ],
  ),
  ...of(
    'identity/CertificateRegistry',
    ['identity/CertificateRegistry'],
    [
      ['a root needs no owner', '_checkOwner(owner, digest, consent);', ''],
      ['a certificate needs no issuer', '_checkKey(issuer, digest, issuerSignature);', ''],
      ['a revoked parent issues', 'if (parentStatus != Status.Valid || !parent.ca) {', 'if (!parent.ca) {'],
      ['who is no authority issues', 'if (parentStatus != Status.Valid || !parent.ca) {', 'if (parentStatus != Status.Valid) {'],
      ['a child outlives its parent', '_checkValidity(what, parent.notAfter);', '_checkValidity(what, type(uint40).max);'],
      [
        'a name is outside the authority’s',
        'if (!DnsName.isWithin(what.name, parent.name)) revert CertificateRegistry_BadName(what.name);',
        '',
      ],
      ['a path has no end', 'what.pathLen >= allowed', 'what.pathLen > allowed'],
      [
        'a certificate outlives its device',
        'return _ioID.tokenIdOf(record.device) != record.tokenId;',
        'return _ioID.tokenIdOf(record.device) == 0;',
      ],
    ],
  ),
]
