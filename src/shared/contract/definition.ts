import type { z } from 'zod'

/**
 * The words of the contract between processes. A service is a table of methods and events with a schema for everything
 * that crosses; server and client types are derived from that table, never written a second time.
 */

export interface MethodDefinition<
  Request extends z.ZodType = z.ZodType,
  Result extends z.ZodType = z.ZodType,
> {
  readonly request: Request
  readonly result: Result
}

export interface ServiceDefinition {
  readonly methods: Readonly<Record<string, MethodDefinition>>
  readonly events: Readonly<Record<string, z.ZodType>>
}

/** Services by name: what one process offers. */
export type Contract = Readonly<Record<string, ServiceDefinition>>

export function method<Request extends z.ZodType, Result extends z.ZodType>(
  request: Request,
  result: Result,
): MethodDefinition<Request, Result> {
  return { request, result }
}

export function service<
  const Methods extends ServiceDefinition['methods'],
  const Events extends ServiceDefinition['events'],
>(definition: { methods: Methods; events: Events }): { methods: Methods; events: Events } {
  return definition
}

/** What a method is given beside its request. The signal fires when the caller cancels or its connection ends. */
export interface CallContext {
  readonly signal: AbortSignal
}

export type RequestOf<Method extends MethodDefinition> = z.output<Method['request']>
export type ResultOf<Method extends MethodDefinition> = z.output<Method['result']>

/** How a process implements one service. Requests arrive validated. */
export type ServiceImplementation<Service extends ServiceDefinition> = {
  readonly [Name in keyof Service['methods']]: (
    request: RequestOf<Service['methods'][Name]>,
    context: CallContext,
  ) => Promise<ResultOf<Service['methods'][Name]>> | ResultOf<Service['methods'][Name]>
}

/** How a process implements all services of its contract. */
export type ContractImplementation<Services extends Contract> = {
  readonly [Name in keyof Services]: ServiceImplementation<Services[Name]>
}

/** Announces an event of one service to everybody who is connected. */
export type Emit<Service extends ServiceDefinition> = <Name extends keyof Service['events']>(
  event: Name,
  payload: z.output<Service['events'][Name]>,
) => void

export interface CallOptions {
  signal?: AbortSignal
}

/**
 * How a client sees one service. Calls reject with a `PhasemarkError`; with `Disconnected` when the connection ends before
 * the answer (the call may or may not have been carried out).
 */
export type ServiceClient<Service extends ServiceDefinition> = {
  readonly [Name in keyof Service['methods']]: (
    request: z.input<Service['methods'][Name]['request']>,
    options?: CallOptions,
  ) => Promise<ResultOf<Service['methods'][Name]>>
} & {
  /** Calls `handler` for each event until the returned function is called. */
  readonly on: <Name extends keyof Service['events']>(
    event: Name,
    handler: (payload: z.output<Service['events'][Name]>) => void,
  ) => () => void
}

export type ContractClient<Services extends Contract> = {
  readonly [Name in keyof Services]: ServiceClient<Services[Name]>
}

/**
 * One end of a two-way connection that carries whole messages in order: a MessagePort, a child process, a WebSocket or
 * memory. Transports adapt to it; everything above knows nothing else of them.
 */
export interface Channel {
  /** Sends a message. Typed arrays arrive as typed arrays of the same kind. Does nothing once closed. */
  post(message: unknown): void
  /** There is one receiver; messages that came before it was set are delivered to it. */
  onMessage(receiver: (message: unknown) => void): void
  /** Called once, when either side closes or dies; at once when that was before. */
  onClose(listener: (reason: string) => void): void
  /** Safe to call twice. The reason is told to the listeners here, and to the other side where the transport can carry it. */
  close(reason?: string): void
}
