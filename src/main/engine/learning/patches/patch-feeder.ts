import { Worker } from 'node:worker_threads'
import { cancelled, fromErrorData, PhasemarkError } from '../../../../shared/errors.ts'
import { workerUrl } from '../../worker-url.ts'
import type { Batch } from './patch-sampler.ts'
import type { PatchReply, PatchRequest, PatchWorkerData } from './patch-worker.ts'

/** Delivers batches in order, prepared ahead in a worker thread. */
export interface PatchFeeder {
  /** Batch of `step`; the next ones are asked for at the same time. Rejects when reading fails or the signal fires. */
  batch(step: number, signal?: AbortSignal): Promise<Batch>
  close(): Promise<void>
}

/** Enough to hide a slow read, few enough that memory stays small (a batch of 8 × 256² takes 2.5 MB). */
const batchesAhead = 3

/** @param lastStep no batch beyond it is prepared; may be lowered by the caller simply not asking */
export function createPatchFeeder(data: PatchWorkerData, lastStep: number): PatchFeeder {
  const worker = new Worker(workerUrl(import.meta.url, 'patch-worker'), { workerData: data })
  const waiting = new Map<number, { promise: Promise<Batch>; settle: (reply: PatchReply) => void }>()
  let failure: Error | null = null

  function request(step: number): Promise<Batch> {
    const known = waiting.get(step)
    if (known !== undefined) return known.promise
    const { promise, resolve, reject } = withResolvers<Batch>()
    promise.catch(() => undefined)
    waiting.set(step, {
      promise,
      settle: (reply) => ('batch' in reply ? resolve(reply.batch) : reject(fromErrorData(reply.error))),
    })
    if (failure !== null) reject(failure)
    else {
      const message: PatchRequest = { step }
      worker.postMessage(message)
    }
    return promise
  }

  worker.on('message', (reply: PatchReply) => waiting.get(reply.step)?.settle(reply))
  worker.on('error', (error) => {
    failure = new PhasemarkError(
      'Internal',
      `preparing patches failed: ${error.message}`,
      {},
      { cause: error },
    )
    const { message } = failure
    for (const [step, { settle }] of waiting)
      settle({ step, error: { _tag: 'Internal', message, fields: {} } })
  })

  return {
    batch: async (step, signal) => {
      const current = request(step)
      for (let ahead = step + 1; ahead <= Math.min(step + batchesAhead, lastStep); ahead++)
        void request(ahead)
      const batch = await withSignal(current, signal)
      waiting.delete(step)
      return batch
    },
    close: async () => {
      await worker.terminate()
    },
  }
}

function withResolvers<T>() {
  let resolve!: (value: T) => void
  let reject!: (error: Error) => void
  const promise = new Promise<T>((onValue, onError) => {
    resolve = onValue
    reject = onError
  })
  return { promise, resolve, reject }
}

async function withSignal<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise
  if (signal.aborted) throw cancelled()
  let stop!: () => void
  const stopped = new Promise<never>((_, reject) => {
    stop = () => reject(cancelled())
    signal.addEventListener('abort', stop, { once: true })
  })
  try {
    return await Promise.race([promise, stopped])
  } finally {
    signal.removeEventListener('abort', stop)
  }
}
