import { parentPort, workerData } from 'node:worker_threads'
import { toErrorData, type ErrorData } from '../../../shared/errors.ts'
import type { TypedArray } from '../../../shared/volume.ts'
import { createSink, type SinkStart, type SliceSink } from './slice-sink.ts'

/** From the writer to its worker. Each request is answered once, in order. */
export type WriterRequest = { kind: 'write'; slice: TypedArray } | { kind: 'finish' } | { kind: 'abandon' }

/** The answer; `error` is null when the request has been carried out. */
export interface WriterReply {
  error: ErrorData | null
}

const port = parentPort
if (port === null) throw new Error('slice-writer-worker runs as a worker thread only')

let opened: SliceSink | null = null
let failed: ErrorData | null = null

function carryOut(request: WriterRequest): void {
  // Opened with the first request, so that a failure is answered like any other.
  const sink = (opened ??= createSink(workerData as SinkStart))
  switch (request.kind) {
    case 'write':
      sink.write(request.slice)
      return
    case 'finish':
      sink.finish()
      return
    case 'abandon':
      sink.abandon()
  }
}

port.on('message', (request: WriterRequest) => {
  let error: ErrorData | null = null
  // After a failed slice the following ones would get its place.
  if (failed !== null && request.kind !== 'abandon') {
    error = failed
  } else {
    try {
      carryOut(request)
    } catch (thrown) {
      error = toErrorData(thrown)
      failed ??= error
    }
  }
  const reply: WriterReply = { error }
  port.postMessage(reply)
  if (request.kind !== 'write') port.close()
})
