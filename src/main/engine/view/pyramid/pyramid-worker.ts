import { mkdir } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { parentPort } from 'node:worker_threads'
import { throwIfCancelled } from '../../../../shared/errors.ts'
import type { KnownSlices } from '../../volume/known-slices.ts'
import { openVolume } from '../../volume/open-volume.ts'
import type { RawHeader } from '../../volume/raw-source.ts'
import { serveCalls } from '../thread-calls.ts'
import { buildPyramid, removedReason, type BuildOutcome } from './build.ts'
import { fingerprintOf, finestOfOther, preparePyramid, recordFinest } from './cache-folder.ts'
import { CoarseLevel, type CoarseMemory } from './coarse-level.ts'
import { followPyramid } from './follow.ts'
import type { PyramidLayout } from './layout.ts'
import { PyramidStore } from './store.ts'

export interface BuildRequest {
  path: string
  raw: RawHeader | null
  known: KnownSlices | undefined
  layout: PyramidLayout
  coarse: CoarseMemory
  /** Shared bytes, one per unit. */
  unitsDone: Uint8Array
  /** Shared: [0] is when somebody last wanted to read, in milliseconds (31 bits). */
  activity: Int32Array
  /** Folder of the pyramid: ours, being built by somebody else, or none at all and why. */
  place: { kind: 'ours' | 'others'; folder: string } | { kind: 'memory'; reason: string | null }
  limitBytes: number
  marginBytes: number
}

export type BuildEvent =
  | { kind: 'progress' }
  /** Which files there are now; `null`: none. */
  | { kind: 'files'; folder: string; finest: number | null; reason: string | null }

export interface PyramidThread {
  calls: { build: { request: BuildRequest; answer: BuildOutcome } }
  event: BuildEvent
}

const port = parentPort
if (port === null) throw new Error('pyramid-worker runs as a worker thread only')

/** Reads that come closer together than this are one stretch of work, in which building waits. */
const quietMs = 120
/** A cache that is removed again and again while it is filled is left alone. */
const mostAttempts = 3

/** Milliseconds in 31 bits, comparable across threads. */
const clock = () => Date.now() & 0x7fff_ffff

async function whenQuiet(activity: Int32Array, longestMs: number, signal: AbortSignal): Promise<void> {
  throwIfCancelled(signal)
  const began = Date.now()
  while (Math.abs(clock() - Atomics.load(activity, 0)) < quietMs && Date.now() - began < longestMs) {
    await sleep(20)
    throwIfCancelled(signal)
  }
}

async function build(request: BuildRequest, signal: AbortSignal): Promise<BuildOutcome> {
  const { layout, place, path, raw, known } = request
  const coarse = new CoarseLevel(layout, request.coarse)
  const source = await openVolume(path, { ...(raw === null ? {} : { raw }), known, signal })
  try {
    const common = {
      source,
      layout,
      coarse,
      unitsDone: request.unitsDone,
      whenQuiet: (longestMs: number) => whenQuiet(request.activity, longestMs, signal),
      onProgress: () => {
        send({ kind: 'progress' })
      },
      signal,
    }
    const inMemory = async (reason: string | null): Promise<BuildOutcome> => {
      const outcome = await buildPyramid({
        ...common,
        store: null,
        onFinestChanged: () => Promise.resolve(),
      })
      if (reason === null) return outcome
      return { state: 'stopped', reason: outcome.reason === null ? reason : `${reason} ${outcome.reason}` }
    }
    if (place.kind === 'memory') return await inMemory(place.reason)
    const { folder } = place
    for (let attempt = 1; ; attempt++) {
      const prepare = {
        folder,
        layout,
        sourcePath: path,
        fingerprint: await fingerprintOf(path),
        limitBytes: request.limitBytes,
        marginBytes: request.marginBytes,
      }
      if (place.kind === 'others') {
        const finest = await finestOfOther(prepare)
        if (finest === null) return await inMemory('Another program is using the cache of this volume.')
        send({ kind: 'files', folder, finest, reason: null })
        return await followPyramid({ ...common, folder, finest })
      }
      await mkdir(folder, { recursive: true })
      const prepared = await preparePyramid(prepare)
      if (prepared.finest === null) {
        send({ kind: 'files', folder, finest: null, reason: prepared.reason })
        return await inMemory(prepared.reason)
      }
      const store = new PyramidStore(folder, layout, prepared.finest, true)
      try {
        send({ kind: 'files', folder, finest: prepared.finest, reason: prepared.reason })
        const outcome = await buildPyramid({
          ...common,
          store,
          async onFinestChanged(finest) {
            send({ kind: 'files', folder, finest, reason: 'The disk of the cache is full.' })
            if (finest !== null) await recordFinest(prepare, finest)
          },
        })
        if (outcome.reason !== removedReason || attempt === mostAttempts) return outcome
        request.unitsDone.fill(0)
      } finally {
        store.close()
      }
    }
  } finally {
    await source.close()
  }
}

const send = serveCalls<PyramidThread>(port, {
  build: async (request, signal) => ({ answer: await build(request, signal) }),
})
