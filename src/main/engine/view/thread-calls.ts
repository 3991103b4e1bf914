import { Worker, type MessagePort } from 'node:worker_threads'
import {
  cancelled,
  fromErrorData,
  PhasemarkError,
  throwIfCancelled,
  toErrorData,
  type ErrorData,
} from '../../../shared/errors.ts'

/** What a worker thread answers: request and answer by name of the call, and the events that it sends by itself. */
export interface ThreadContract {
  calls: Record<string, { request: unknown; answer: unknown }>
  event: unknown
}

type Name<Contract extends ThreadContract> = keyof Contract['calls'] & string

type ToThread = { id: number; name: string; request: unknown } | { id: number; cancel: true }
type FromThread = { id: number; answer: unknown } | { id: number; error: ErrorData } | { event: unknown }

/** The caller's end of a worker thread. */
export interface ThreadCalls<Contract extends ThreadContract> {
  /** Rejects with the error of the call, `Cancelled` through the signal, `Internal` when the thread ends before. */
  ask<Call extends Name<Contract>>(
    name: Call,
    request: Contract['calls'][Call]['request'],
    signal?: AbortSignal,
  ): Promise<Contract['calls'][Call]['answer']>
  /** Whether the thread is gone, by `end` or because it broke down. */
  hasEnded(): boolean
  /** Ends the thread at once; open calls reject. */
  end(): Promise<void>
}

/** Starts the compiled worker script at `url`. A thread with nothing to answer does not keep the process alive. */
export function startThread<Contract extends ThreadContract>(
  url: URL,
  { onEvent }: { onEvent?: (event: Contract['event']) => void } = {},
): ThreadCalls<Contract> {
  // Options of the process, such as --input-type, need not fit a thread.
  const worker = new Worker(url, { execArgv: [] })
  worker.unref()
  const waiting = new Map<number, { resolve: (answer: unknown) => void; reject: (error: unknown) => void }>()
  let lastId = 0
  let ended: Error | null = null
  let ending = false
  worker.on('message', (message: FromThread) => {
    if ('event' in message) {
      onEvent?.(message.event)
      return
    }
    const call = waiting.get(message.id)
    waiting.delete(message.id)
    // Whoever ends the thread waits for it, also when a last answer comes meanwhile.
    if (waiting.size === 0 && !ending) worker.unref()
    if ('error' in message) call?.reject(fromErrorData(message.error))
    else call?.resolve(message.answer)
  })
  worker.on('error', (error: Error) => {
    ended = new PhasemarkError(
      'Internal',
      `a reading thread broke down: ${error.message}`,
      {},
      { cause: error },
    )
  })
  worker.on('exit', () => {
    ended ??= new PhasemarkError('Internal', 'the reading thread has ended', {})
    for (const { reject } of waiting.values()) reject(ended)
    waiting.clear()
  })
  return {
    async ask(name, request, signal) {
      throwIfCancelled(signal)
      if (ended !== null) throw ended
      const id = ++lastId
      const onAbort = () => {
        worker.postMessage({ id, cancel: true } satisfies ToThread)
      }
      try {
        const answer = await new Promise<unknown>((resolve, reject) => {
          waiting.set(id, { resolve, reject })
          signal?.addEventListener('abort', onAbort, { once: true })
          worker.ref()
          worker.postMessage({ id, name, request } satisfies ToThread)
        })
        // The answer may have been on its way when the caller gave up.
        if (signal?.aborted === true) throw cancelled()
        return answer
      } finally {
        signal?.removeEventListener('abort', onAbort)
      }
    },
    hasEnded: () => ended !== null,
    async end() {
      ending = true
      await worker.terminate()
    },
  }
}

/** How a thread answers; arrays named by `moved` go over without a copy. */
export type ThreadHandlers<Contract extends ThreadContract> = {
  readonly [Call in Name<Contract>]: (
    request: Contract['calls'][Call]['request'],
    signal: AbortSignal,
  ) => Promise<{ answer: Contract['calls'][Call]['answer']; moved?: readonly ArrayBufferView[] }>
}

/** The thread's end: serves calls side by side, and returns a function that sends events. */
export function serveCalls<Contract extends ThreadContract>(
  port: MessagePort,
  handlers: ThreadHandlers<Contract>,
): (event: Contract['event']) => void {
  const running = new Map<number, AbortController>()
  const serve = async (id: number, name: Name<Contract>, request: unknown): Promise<void> => {
    const controller = new AbortController()
    running.set(id, controller)
    try {
      const { answer, moved = [] } = await handlers[name](request, controller.signal)
      const buffers = moved.map(({ buffer }) => buffer).filter((buffer) => buffer instanceof ArrayBuffer)
      port.postMessage({ id, answer } satisfies FromThread, [...new Set(buffers)])
    } catch (error) {
      port.postMessage({ id, error: toErrorData(error) } satisfies FromThread)
    } finally {
      running.delete(id)
    }
  }
  port.on('message', (message: ToThread) => {
    if ('cancel' in message) running.get(message.id)?.abort()
    else void serve(message.id, message.name, message.request)
  })
  return (event) => port.postMessage({ event } satisfies FromThread)
}
