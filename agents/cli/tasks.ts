// SPDX-License-Identifier: Apache-2.0
/** `trellis tasks`: what a coordinator has put aside and why, and another try for it. */
import { z } from 'zod'
import { service as coordinator } from '../coordinator/service.ts'
import { loadConfig } from '../kit/config.ts'
import { TrellisError } from '../protocol/errors.ts'
import type { Hex } from '../protocol/ids.ts'
import { RETRY_MAX, retryAnswerSchema } from '../protocol/lease.ts'
import { signedPost, urlOf } from './local/coordinator-call.ts'
import { fromWhereCalled, stateAt } from './local/state.ts'
import { jsonLine, printer } from './print.ts'
import { join } from 'node:path'

export interface TasksOptions {
  /** Configuration of the coordinator; that of the local run when not given. */
  config?: string
  /** Where it answers, when that is not the address of its configuration. */
  url?: string
  json: boolean
}

interface Place {
  url: string
  config: z.output<typeof coordinator.config>
}

const pageSize = 500
const timeoutMs = 15_000
const taskSchema = z.object({
  id: z.string(),
  project: z.string(),
  device: z.string(),
  window: z.number(),
  state: z.string(),
  reason: z.string().nullable(),
  attempts: z.number(),
})
const pageSchema = z.object({ tasks: z.array(taskSchema), next: z.string().nullable() })
const errorSchema = z.object({ error: z.object({ code: z.string(), message: z.string(), next: z.string().nullable() }) })
type ListedTask = z.output<typeof taskSchema>

export async function listTasks(stateOption: string | undefined, options: TasksOptions & { state?: string }): Promise<void> {
  const { url } = placeOf(stateOption, options)
  const print = printer(options.json)
  const tasks = await readTasks(url, options.state)
  if (options.json) process.stdout.write(`${jsonLine(tasks)}\n`)
  else if (tasks.length === 0) print.line(options.state === undefined ? 'There are no tasks.' : `There are no ${options.state} tasks.`)
  else
    print.table([
      ['task', 'device', 'window', 'state', 'tries', 'reason'],
      ...tasks.map((task) => [task.id, task.device, task.window, task.state, task.attempts, task.reason ?? '']),
    ])
}

/** Tries the tasks again, all dead ones when none is named. Fails when one of those named cannot be. */
export async function retryTasks(
  stateOption: string | undefined,
  ids: readonly string[],
  options: TasksOptions & { all: boolean },
): Promise<void> {
  if (options.all === ids.length > 0)
    throw new TrellisError({
      code: 'FLAG_MALFORMED',
      message: options.all ? '--all tries every dead task again: name none beside it.' : 'No task is named.',
      next: 'npm run trellis -- tasks list --dead shows them; then tasks retry TASK…, or tasks retry --all',
    })
  const wrong = ids.find((id) => !/^0x[0-9a-fA-F]{64}$/.test(id))
  if (wrong !== undefined)
    throw new TrellisError({
      code: 'TASK_MALFORMED',
      message: `${wrong.slice(0, 80)} is not a task.`,
      next: 'a task is 0x and 64 hex digits',
    })
  const place = placeOf(stateOption, options)
  const chosen = options.all
    ? (await readTasks(place.url, 'dead'))
        .filter((task) => !['WINDOW_TAKEN', 'BAD_WINDOW', 'BAD_DATA_SIGNATURE'].includes(task.reason ?? ''))
        .map(({ id }) => id)
    : ids.map((id) => id.toLowerCase())
  const outcomes: { id: Hex; refused: string | null }[] = []
  for (let from = 0; from < chosen.length; from += RETRY_MAX)
    outcomes.push(...(await askForRetry(place, chosen.slice(from, from + RETRY_MAX))))
  const refused = outcomes.filter((outcome) => outcome.refused !== null)
  if (options.json) process.stdout.write(`${jsonLine(outcomes)}\n`)
  else {
    const print = printer(false)
    for (const { id, refused: why } of outcomes) print.line(`${why === null ? 'tried again' : why.padEnd(11)}  ${id}`)
    print.line(`${outcomes.length - refused.length} of ${outcomes.length} tasks are tried again.`)
  }
  if (refused.length > 0) process.exitCode = 1
}

async function askForRetry({ url, config }: Place, taskIds: readonly string[]): Promise<{ id: Hex; refused: string | null }[]> {
  const { href, request } = await signedPost(config, url, '/v1/tasks/retry', { taskIds })
  return (await ask(href, retryAnswerSchema, request)).tasks
}

async function readTasks(url: string, state: string | undefined): Promise<ListedTask[]> {
  const all: ListedTask[] = []
  for (let after: string | null = null; ;) {
    const query = new URLSearchParams({ limit: String(pageSize), ...(state && { state }), ...(after !== null && { after }) })
    const page: z.output<typeof pageSchema> = await ask(new URL(`/v1/tasks?${query.toString()}`, url).href, pageSchema)
    all.push(...page.tasks)
    if (page.next === null) return all
    after = page.next
  }
}

/** @throws TrellisError COORDINATOR_SILENT, or what the coordinator answered */
async function ask<T>(url: string, schema: z.ZodType<T>, request: RequestInit = {}): Promise<T> {
  const response = await fetch(url, { ...request, redirect: 'error', signal: AbortSignal.timeout(timeoutMs) }).catch((cause: unknown) => {
    const next = 'npm run trellis -- status, or name another address with --url'
    throw new TrellisError({
      code: 'COORDINATOR_SILENT',
      message: 'The coordinator does not answer.',
      details: { url },
      next,
      retryable: true,
      cause,
    })
  })
  const content: unknown = await response.json().catch(() => null)
  if (response.ok) return schema.parse(content)
  const said = errorSchema.safeParse(content)
  const { code, message, next } = said.success
    ? said.data.error
    : { code: 'COORDINATOR_REFUSED', message: `HTTP ${response.status}.`, next: null }
  throw new TrellisError({ code, message, details: { url }, next: next ?? 'see the log of the coordinator' })
}

function placeOf(stateOption: string | undefined, { config: given, url }: TasksOptions): Place {
  const folder = given === undefined ? stateAt(stateOption).readRun()?.job?.folder : undefined
  const file = given === undefined ? folder && join(folder, 'coordinator.json') : fromWhereCalled(given)
  if (file === undefined)
    throw new TrellisError({
      code: 'COORDINATOR_UNKNOWN',
      message: 'No local run with a coordinator is known here.',
      next: 'npm start, or name the configuration of a coordinator with --config FILE',
    })
  const config = loadConfig(coordinator.name, coordinator.config, { file, env: process.env, flags: {} })
  return { config, url: url ?? urlOf(config) }
}
