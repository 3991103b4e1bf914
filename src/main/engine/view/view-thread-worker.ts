import { parentPort } from 'node:worker_threads'
import type { GreyHistogram } from '../../../shared/contract/volumes.ts'
import { PhasemarkError } from '../../../shared/errors.ts'
import type { TypedArray, VolumeMeta } from '../../../shared/volume.ts'
import { systemErrorCode } from '../files/system-error.ts'
import type { KnownSlices } from '../volume/known-slices.ts'
import { openVolume } from '../volume/open-volume.ts'
import type { RawHeader } from '../volume/raw-source.ts'
import type { Box, VolumeSource } from '../volume/volume-source.ts'
import { averagePlane } from './averages.ts'
import { readRowsDirectly } from './direct-rows.ts'
import { readHistogram, readPreview, readSliceLimits, type Preview } from './preview.ts'
import { CoarseLevel, type CoarseMemory, type CoarsePlane } from './pyramid/coarse-level.ts'
import type { PyramidLayout } from './pyramid/layout.ts'
import { readStandingPlane } from './pyramid/read-plane.ts'
import { PyramidStore } from './pyramid/store.ts'
import { serveCalls } from './thread-calls.ts'

/** Files of a pyramid, to be read in this thread. */
export interface AttachedPyramid {
  layout: PyramidLayout
  folder: string
  finest: number
  coarse: CoarseMemory
  /** Shared bytes, one per unit. */
  unitsDone: Uint8Array
}

/** What one open volume is asked for; `open` comes first. */
export interface ViewThread {
  calls: {
    open: {
      request: { path: string; raw?: RawHeader; known: KnownSlices | undefined }
      answer: { meta: VolumeMeta; rowAddressable: boolean; known: KnownSlices | undefined }
    }
    /** A slice at a level: averaged in its plane. */
    slice: { request: { z: number; level: number }; answer: TypedArray }
    box: { request: Box; answer: TypedArray }
    /** XZ straight from the files; `null` when that takes too long. */
    rows: { request: { index: number; level: number }; answer: CoarsePlane | null }
    /** `null` lets go of the files. */
    attach: { request: AttachedPyramid | null; answer: null }
    /** XZ or YZ from the attached pyramid; `null` when its files cannot be read (any more). */
    plane: { request: { axis: 'y' | 'x'; index: number; level: number }; answer: CoarsePlane | null }
    histogram: { request: null; answer: GreyHistogram }
    sliceLimits: { request: { z: number }; answer: { low: number; high: number } }
    preview: { request: { maxExtent: number }; answer: Preview }
    close: { request: null; answer: null }
  }
  event: never
}

const port = parentPort
if (port === null) throw new Error('view-thread-worker runs as a worker thread only')

let opened: VolumeSource | null = null
let pyramid: { store: PyramidStore; coarse: CoarseLevel; unitsDone: Uint8Array } | null = null

function source(): VolumeSource {
  if (opened === null) throw new PhasemarkError('Internal', 'no volume is open in this thread', {})
  return opened
}

function attach(attached: AttachedPyramid | null): void {
  pyramid?.store.close()
  pyramid = null
  if (attached === null) return
  const { layout, folder, finest, coarse, unitsDone } = attached
  pyramid = {
    store: new PyramidStore(folder, layout, finest, false),
    coarse: new CoarseLevel(layout, coarse),
    unitsDone,
  }
}

serveCalls<ViewThread>(port, {
  async open({ path, raw, known }, signal) {
    opened = await openVolume(path, { ...(raw === undefined ? {} : { raw }), known, signal })
    const { meta, rowAddressable = false } = opened
    return { answer: { meta, rowAddressable, known: opened.known } }
  },
  async slice({ z, level }, signal) {
    const { shape, dtype } = source().meta
    const slice = await source().readSlice(z, { signal })
    const voxels = averagePlane(slice, shape[1], shape[2], level, dtype)
    return { answer: voxels, moved: [voxels] }
  },
  async box(box, signal) {
    const voxels = await source().readBox(box, { signal })
    return { answer: voxels, moved: [voxels] }
  },
  async rows({ index, level }, signal) {
    const plane = await readRowsDirectly(source(), index, level, signal)
    return { answer: plane, moved: plane === null ? [] : [plane.data] }
  },
  attach(attached) {
    attach(attached)
    return Promise.resolve({ answer: null })
  },
  async plane(request, signal) {
    if (pyramid === null) return { answer: null }
    try {
      const plane = await readStandingPlane({ ...pyramid, ...request, signal })
      return { answer: plane, moved: [plane.data] }
    } catch (error) {
      if (systemErrorCode(error) === undefined) throw error
      attach(null)
      return { answer: null }
    }
  },
  async histogram(_request, signal) {
    return { answer: await readHistogram(source(), signal) }
  },
  async sliceLimits({ z }, signal) {
    return { answer: await readSliceLimits(source(), z, signal) }
  },
  async preview({ maxExtent }, signal) {
    const preview = await readPreview(source(), maxExtent, signal)
    return { answer: preview, moved: preview.planes.map(({ data }) => data) }
  },
  async close() {
    attach(null)
    await opened?.close()
    opened = null
    return { answer: null }
  },
})
