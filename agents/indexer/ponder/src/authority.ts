// SPDX-License-Identifier: Apache-2.0
/** Who may configure what. */
import { ponder } from 'ponder:registry'
import { member, permission } from 'ponder:schema'

ponder.on('AccessManager:RoleGranted', async ({ event, context }) => {
  const { roleId: role, account, since, delay } = event.args
  await context.db.insert(member).values({ role, account, since, delay }).onConflictDoUpdate({ since, delay })
})

ponder.on('AccessManager:RoleRevoked', async ({ event, context }) => {
  await context.db.delete(member, { role: event.args.roleId, account: event.args.account })
})

ponder.on('AccessManager:TargetFunctionRoleUpdated', async ({ event, context }) => {
  const { target, selector, roleId: role } = event.args
  await context.db.insert(permission).values({ target, selector, role }).onConflictDoUpdate({ role })
})
