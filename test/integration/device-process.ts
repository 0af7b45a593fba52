// SPDX-License-Identifier: Apache-2.0
/** A device in a process of its own, to be killed by tests. Argument: the device's configuration as JSON. */
import { runService } from '../../agents/kit/service.ts'
import { service } from '../../agents/sdk/service.ts'

process.exitCode = await runService(service, { env: {}, flags: JSON.parse(process.argv[2] ?? '{}') as Record<string, unknown> })
