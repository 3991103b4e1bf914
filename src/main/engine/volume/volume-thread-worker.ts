import { parentPort } from 'node:worker_threads'
import { PhasemarkError, toErrorData, type ErrorData } from '../../../shared/errors.ts'
import type { TypedArray, VolumeMeta } from '../../../shared/volume.ts'
import type { KnownSlices } from './known-slices.ts'
import { openVolume, type OpenVolumeOptions } from './open-volume.ts'
import type { Box, VolumeSource } from './volume-source.ts'

/** What the thread is asked for; `open` comes first, `cancel` names an earlier request and has no answer of its own. */
export type ThreadRequest = { id: number } & (
  | { kind: 'open'; path: string; options: Omit<OpenVolumeOptions, 'signal' | 'cacheBytes'> }
  | { kind: 'slice'; z: number }
  | { kind: 'box'; box: Box }
  | { kind: 'close' }
  | { kind: 'cancel' }
)

/** One answer for every request but `cancel`. */
export type ThreadReply = { id: number } & (
  | { kind: 'meta'; meta: VolumeMeta; known: KnownSlices | undefined }
  | { kind: 'voxels'; voxels: TypedArray }
  | { kind: 'closed' }
  | Failure
)
interface Failure {
  kind: 'error'
  error: ErrorData
}

const port = parentPort
if (port === null) throw new Error('volume-thread-worker runs as a worker thread only')

let source: VolumeSource | null = null
const running = new Map<number, AbortController>()

/** Requests that are answered. */
type Question = Exclude<ThreadRequest, { kind: 'cancel' }>

async function answer(request: Question, signal: AbortSignal): Promise<ThreadReply> {
  const { id } = request
  if (request.kind === 'open') {
    source = await openVolume(request.path, { ...request.options, signal })
    return { id, kind: 'meta', meta: source.meta, known: source.known }
  }
  if (source === null) throw new PhasemarkError('Internal', 'no volume is open in this thread', {})
  switch (request.kind) {
    case 'slice':
      return { id, kind: 'voxels', voxels: await source.readSlice(request.z, { signal }) }
    case 'box':
      return { id, kind: 'voxels', voxels: await source.readBox(request.box, { signal }) }
    case 'close':
      await source.close()
      return { id, kind: 'closed' }
  }
}

async function serve(request: Question): Promise<void> {
  const controller = new AbortController()
  running.set(request.id, controller)
  let reply: ThreadReply
  try {
    reply = await answer(request, controller.signal)
  } catch (error) {
    reply = { id: request.id, kind: 'error', error: toErrorData(error) }
  }
  running.delete(request.id)
  port?.postMessage(reply, reply.kind === 'voxels' ? [reply.voxels.buffer as ArrayBuffer] : [])
  if (request.kind === 'close') port?.close()
}

port.on('message', (request: ThreadRequest) => {
  if (request.kind === 'cancel') running.get(request.id)?.abort()
  else void serve(request)
})
