import type { ErrorData } from '../../errors.ts'

/** What the two ends say to each other. `birpc` adds the matching of answers to calls. */

/** One call, as the client sends it. `id` is the client's and names the call when it is cancelled. */
export interface CallFrame {
  id: number
  service: string
  method: string
  request: unknown
}

/** How a call ended. Errors are part of the answer, so that they cross every transport in one way. */
export type AnswerFrame = { ok: true; result: unknown } | { ok: false; error: ErrorData }

/** Functions that the serving end offers. */
export interface ServerFunctions {
  call(frame: CallFrame): Promise<AnswerFrame>
  cancel(id: number): void
}

/** Functions that the calling end offers. */
export interface ClientFunctions {
  event(service: string, name: string, payload: unknown): void
}

/**
 * Says what is wrong with a message that should be one of `birpc`'s, or `null`. Without this look a message from a broken or
 * hostile peer would throw where nobody can catch it.
 */
export function frameProblem(message: unknown, functions: readonly string[]): string | null {
  if (!isRecord(message)) return `expected an object, found ${describe(message)}`
  if (message['t'] === 's') {
    return typeof message['i'] === 'string' ? null : 'an answer without the id of its call'
  }
  if (message['t'] !== 'q') return `expected a call or an answer, found type ${describe(message['t'])}`
  if (!Array.isArray(message['a'])) return 'a call without arguments'
  if (message['i'] !== undefined && typeof message['i'] !== 'string') return 'a call whose id is no text'
  if (typeof message['m'] !== 'string' || !functions.includes(message['m'])) {
    return `a call of ${describe(message['m'])}, which does not exist`
  }
  return null
}

export function isCallFrame(value: unknown): value is CallFrame {
  return (
    isRecord(value) &&
    Number.isSafeInteger(value['id']) &&
    typeof value['service'] === 'string' &&
    typeof value['method'] === 'string'
  )
}

export function isAnswerFrame(value: unknown): value is AnswerFrame {
  if (!isRecord(value)) return false
  if (value['ok'] === true) return true
  const error = value['error']
  return value['ok'] === false && isRecord(error) && typeof error['_tag'] === 'string'
}

/** The id of the call that `message` answers, or `null` when it is none of `birpc`'s answers. */
export function answeredCall(message: unknown): string | null {
  return isRecord(message) && message['t'] === 's' && typeof message['i'] === 'string' ? message['i'] : null
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}

function describe(value: unknown): string {
  return typeof value === 'string' ? JSON.stringify(value.slice(0, 40)) : typeof value
}
