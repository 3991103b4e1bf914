import { Worker } from 'node:worker_threads'
import { cancelled, fromErrorData, PhasemarkError, throwIfCancelled } from '../../../shared/errors.ts'
import type { TypedArray } from '../../../shared/volume.ts'
import { workerUrl } from '../worker-url.ts'
import { withCache } from './cached-source.ts'
import type { OpenVolumeOptions } from './open-volume.ts'
import type { VolumeSource } from './volume-source.ts'
import type { ThreadReply, ThreadRequest } from './volume-thread-worker.ts'

type RequestBody = ThreadRequest extends infer Request
  ? Request extends unknown
    ? Omit<Request, 'id'>
    : never
  : never

/**
 * Like `openVolume`, with all reading and decoding in a worker thread. For code that blocks its own thread, as TensorFlow
 * does: slices asked for before such a stretch are there after it. Arrays are handed over without a copy.
 *
 * Throws what `openVolume` throws.
 */
export async function openVolumeInThread(
  volumePath: string,
  options: OpenVolumeOptions = {},
): Promise<VolumeSource> {
  const { signal, cacheBytes = 0, ...open } = options
  throwIfCancelled(signal)
  const thread = startThread()
  try {
    const { meta, known } = await thread.ask(
      { kind: 'open', path: volumePath, options: open },
      'meta',
      signal,
    )
    const voxelsOf = async (request: RequestBody, readSignal?: AbortSignal): Promise<TypedArray> =>
      (await thread.ask(request, 'voxels', readSignal)).voxels
    const source: VolumeSource = {
      meta,
      known,
      readSlice: (z, readOptions) => voxelsOf({ kind: 'slice', z }, readOptions?.signal),
      readBox: (box, readOptions) => voxelsOf({ kind: 'box', box }, readOptions?.signal),
      close: thread.close,
    }
    return cacheBytes > 0 ? withCache(source, { cacheBytes }) : source
  } catch (error) {
    await thread.end()
    throw error
  }
}

type ReplyOf<Kind extends ThreadReply['kind']> = Extract<ThreadReply, { kind: Kind }>

interface Thread {
  /** Resolves with the answer, which is of the kind that belongs to the request. */
  ask<Kind extends ThreadReply['kind']>(
    request: RequestBody,
    expected: Kind,
    signal?: AbortSignal,
  ): Promise<ReplyOf<Kind>>
  /** Lets the volume be closed and the thread end. Safe to call twice. */
  close: () => Promise<void>
  /** Ends the thread at once. */
  end(): Promise<void>
}

interface Waiting {
  resolve: (reply: ThreadReply) => void
  reject: (error: unknown) => void
}

function startThread(): Thread {
  const worker = new Worker(workerUrl(import.meta.url, 'volume-thread-worker'), {
    // Options of the process, such as --input-type, need not fit a thread.
    execArgv: [],
  })
  const waiting = new Map<number, Waiting>()
  let lastId = 0
  let ended: Error | null = null
  let closing: Promise<void> | null = null

  worker.on('message', (reply: ThreadReply) => {
    const request = waiting.get(reply.id)
    waiting.delete(reply.id)
    // An idle thread must not keep the process alive.
    if (waiting.size === 0) worker.unref()
    if (reply.kind === 'error') request?.reject(fromErrorData(reply.error))
    else request?.resolve(reply)
  })
  worker.on('error', (error: Error) => {
    ended = error
  })
  worker.on('exit', () => {
    ended ??= new PhasemarkError('Internal', 'read after the volume was closed', {})
    for (const { reject } of waiting.values()) reject(ended)
    waiting.clear()
  })

  async function ask<Kind extends ThreadReply['kind']>(
    request: RequestBody,
    expected: Kind,
    signal?: AbortSignal,
  ): Promise<ReplyOf<Kind>> {
    throwIfCancelled(signal)
    if (ended !== null) throw ended
    const id = ++lastId
    const onAbort = () => {
      worker.postMessage({ id, kind: 'cancel' } satisfies ThreadRequest)
    }
    try {
      const reply = await new Promise<ThreadReply>((resolve, reject) => {
        waiting.set(id, { resolve, reject })
        signal?.addEventListener('abort', onAbort, { once: true })
        worker.ref()
        worker.postMessage({ ...request, id } satisfies ThreadRequest)
      })
      if (reply.kind !== expected) throw new PhasemarkError('Internal', `unexpected ${reply.kind}`, {})
      // The answer may have been on its way when the caller gave up.
      if (signal?.aborted === true) throw cancelled()
      return reply as ReplyOf<Kind>
    } finally {
      signal?.removeEventListener('abort', onAbort)
    }
  }

  return {
    ask,
    close: () => (closing ??= ask({ kind: 'close' }, 'closed').then(() => undefined)),
    async end() {
      await worker.terminate()
    },
  }
}
