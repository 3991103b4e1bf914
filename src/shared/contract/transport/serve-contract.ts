import { createBirpc } from 'birpc'
import type { z } from 'zod'
import { PhasemarkError, isPhasemarkError, throwIfCancelled, toErrorData } from '../../errors.ts'
import type {
  CallContext,
  Channel,
  Contract,
  ContractImplementation,
  Emit,
  MethodDefinition,
} from '../definition.ts'
import { answeredCall, frameProblem, isCallFrame } from './frames.ts'
import type { AnswerFrame, CallFrame, ClientFunctions, ServerFunctions } from './frames.ts'

export interface ServeOptions {
  /**
   * Told about every defect of this process: an error that is none of ours, a result or event that breaks the contract.
   * `where` is `service.method`.
   */
  reportDefect: (error: unknown, where: string) => void
}

/** The function that announces events of one service to all clients. */
export type Emitter<Services extends Contract> = <Name extends keyof Services>(
  service: Name,
) => Emit<Services[Name]>

/** The serving end of a contract, for any number of clients. */
export interface ContractServer {
  /** Serves a client until its channel closes. */
  connect(channel: Channel): void
  /** Number of clients. */
  readonly connections: number
  /** Ends all connections; calls that run are cancelled. */
  close(): void
}

/**
 * Serves what `implement` makes to whoever connects; it is called once, with the way to announce events. Requests are validated before they reach it, results and events before they
 * leave; a call's signal fires when the client cancels or its channel closes. Errors cross as data.
 *
 * Callers get `WrongUsage` for an unknown method or an invalid request, naming method and field, and `Internal` for a result
 * that breaks the contract.
 */
export function serveContract<Services extends Contract>(
  contract: Services,
  implement: (emitter: Emitter<Services>) => ContractImplementation<Services>,
  options: ServeOptions,
): ContractServer {
  const clients = new Set<Client>()
  const emitter: Emitter<Services> = (service) => (event, payload) => {
    const where = `${String(service)}.${String(event)}`
    const parsed = contract[service].events[String(event)].safeParse(payload)
    if (!parsed.success) {
      options.reportDefect(brokenContract(`event ${where} with`, parsed.error), where)
      return
    }
    for (const client of clients) client.announce(String(service), String(event), parsed.data)
  }
  const implementation = implement(emitter)

  async function carryOut(frame: CallFrame, context: CallContext): Promise<AnswerFrame> {
    const where = `${frame.service}.${frame.method}`
    try {
      const definition = findMethod(contract, frame.service, frame.method)
      const request = definition.request.safeParse(frame.request)
      if (!request.success) throw invalidRequest(where, request.error)
      throwIfCancelled(context.signal)
      const answer: unknown = await invoke(implementation, frame, request.data, context)
      const result = definition.result.safeParse(answer)
      if (!result.success) throw brokenContract(`${where} answered with`, result.error)
      return { ok: true, result: result.data }
    } catch (error) {
      if (!isPhasemarkError(error) || error._tag === 'Internal') options.reportDefect(error, where)
      return { ok: false, error: toErrorData(error) }
    }
  }

  return {
    connect(channel) {
      const client = serveClient(channel, carryOut, options)
      clients.add(client)
      channel.onClose(() => clients.delete(client))
    },
    get connections() {
      return clients.size
    },
    close() {
      for (const client of [...clients]) client.close()
    },
  }
}

interface Client {
  announce(service: string, event: string, payload: unknown): void
  close(): void
}

function serveClient(
  channel: Channel,
  carryOut: (frame: CallFrame, context: CallContext) => Promise<AnswerFrame>,
  options: ServeOptions,
): Client {
  const running = new Map<number, AbortController>()
  const functions: ServerFunctions = {
    async call(frame) {
      if (!isCallFrame(frame) || running.has(frame.id)) {
        channel.close('malformed frame: a call without id, service or method, or with an id in use')
        return { ok: false, error: toErrorData(unknownName('call')) }
      }
      const controller = new AbortController()
      running.set(frame.id, controller)
      try {
        return await carryOut(frame, { signal: controller.signal })
      } finally {
        running.delete(frame.id)
      }
    },
    cancel(id) {
      running.get(id)?.abort()
    },
  }
  const remote = createBirpc<ClientFunctions, ServerFunctions, false>(functions, {
    proxify: false,
    timeout: -1,
    post: (message) => {
      postAnswer(channel, message, options)
    },
    on: (receive) => {
      channel.onMessage((message) => {
        const problem = frameProblem(message, ['call', 'cancel'])
        if (problem === null) receive(message)
        else channel.close(`malformed frame: ${problem}`)
      })
    },
  })
  channel.onClose(() => {
    remote.$close()
    for (const controller of running.values()) controller.abort()
  })
  return {
    announce(service, event, payload) {
      remote.$callEvent('event', service, event, payload).catch((error: unknown) => {
        options.reportDefect(error, `${service}.${event}`)
      })
    },
    close() {
      channel.close('the process that serves it has closed the connection')
    },
  }
}

/** Sends an answer; one that the transport cannot carry becomes an error, so that the caller does not wait for ever. */
function postAnswer(channel: Channel, message: unknown, options: ServeOptions): void {
  try {
    channel.post(message)
  } catch (error) {
    const id = answeredCall(message)
    if (id === null) throw error
    options.reportDefect(error, 'sending an answer')
    const answer: AnswerFrame = { ok: false, error: toErrorData(error) }
    channel.post({ t: 's', i: id, r: answer })
  }
}

function findMethod(contract: Contract, service: string, method: string): MethodDefinition {
  // Own properties only: `constructor` and the like are no methods.
  const methods = Object.hasOwn(contract, service) ? contract[service].methods : {}
  if (!Object.hasOwn(methods, method)) throw unknownName(`method ${service}.${method}`)
  return methods[method]
}

function invoke(
  implementation: ContractImplementation<Contract>,
  { service, method }: CallFrame,
  request: unknown,
  context: CallContext,
): unknown {
  return implementation[service][method](request, context)
}

function unknownName(what: string): PhasemarkError<'WrongUsage'> {
  return new PhasemarkError('WrongUsage', `expected a part of the contract, found ${what}`, {
    argument: what,
  })
}

function invalidRequest(where: string, error: z.ZodError): PhasemarkError<'WrongUsage'> {
  const { field, finding } = firstIssue(error)
  return new PhasemarkError('WrongUsage', `${where}: ${field}: ${finding}`, {
    argument: `${where}: ${field}`,
  })
}

function brokenContract(what: string, error: z.ZodError): PhasemarkError<'Internal'> {
  const { field, finding } = firstIssue(error)
  return new PhasemarkError('Internal', `${what} ${field}: ${finding}`, {})
}

function firstIssue(error: z.ZodError): { field: string; finding: string } {
  // zod never fails without an issue.
  const { path, message } = error.issues[0]
  return { field: path.length === 0 ? 'the whole' : path.map(String).join('.'), finding: message }
}
