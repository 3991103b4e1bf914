import { randomUUID } from 'node:crypto'
import { mkdirSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import path from 'node:path'
import type { PlaneAxis } from '../../../src/shared/annotation/edit.ts'
import type { ProjectVolume } from '../../../src/shared/contract/projects.ts'
import type { PyramidState } from '../../../src/shared/contract/volumes.ts'
import type { JobOptions } from '../../../src/main/engine/job-options.ts'
import type { OpenProject, ProjectHolder } from '../../../src/main/engine/project/project-holder.ts'
import { inspectVolume } from '../../../src/main/engine/view/inspect-volume.ts'
import type { VolumesEngine, VolumesServiceOptions } from '../../../src/main/engine/view/volumes-engine.ts'
import { createVolumesService } from '../../../src/main/engine/view/volumes-service.ts'
import { createTypedArray, type Dtype, type Shape3, type TypedArray } from '../../../src/shared/volume.ts'
import { PhasemarkError } from '../../../src/shared/errors.ts'
import { sampleTiff } from '../volume/sample-volumes.ts'

/** Small enough that volumes of a few kilobytes have several levels, units and slabs. */
export const smallLimits = { coarseBytes: 2000, slabBytes: 8000 }

export interface SampleVolume {
  path: string
  shape: Shape3
  dtype: Dtype
  value: (z: number, y: number, x: number) => number
}

/** Writes a folder of TIFF slices whose voxels follow `value`. */
export async function writeVolume(
  parent: string,
  name: string,
  sample: Omit<SampleVolume, 'path'>,
  compression: 'deflate' | 'none' = 'deflate',
): Promise<SampleVolume> {
  const folder = path.join(parent, name)
  await mkdir(folder, { recursive: true })
  const [depth, height, width] = sample.shape
  for (let z = 0; z < depth; z++) {
    const tiff = sampleTiff({
      height,
      width,
      dtype: sample.dtype,
      compression,
      value: (y, x) => sample.value(z, y, x),
    })
    await writeFile(path.join(folder, `s_${String(z).padStart(4, '0')}.tif`), tiff)
  }
  return { ...sample, path: folder }
}

/**
 * A plane at a level by definition: the mean over the cell of every voxel, halves rounded upwards. XY is of one slice.
 * Non-finite voxels are left out.
 */
export function planeByDefinition(
  { shape, dtype, value }: Omit<SampleVolume, 'path'>,
  axis: PlaneAxis,
  index: number,
  level: number,
): { shape: [number, number]; data: TypedArray } {
  const edge = 2 ** level
  const [depth, height, width] = shape
  const [rowExtent, columnExtent, across] = {
    z: [height, width, depth],
    y: [depth, width, height],
    x: [depth, height, width],
  }[axis] as [number, number, number]
  const at = (row: number, column: number, deep: number): number => {
    if (axis === 'z') return value(deep, row, column)
    return axis === 'y' ? value(row, deep, column) : value(row, column, deep)
  }
  const first = axis === 'z' ? index : Math.floor(index / edge) * edge
  const stop = axis === 'z' ? index + 1 : Math.min(first + edge, across)
  const [rows, columns] = [Math.ceil(rowExtent / edge), Math.ceil(columnExtent / edge)]
  const stored = createTypedArray(dtype, 1)
  const data = createTypedArray(dtype, rows * columns)
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      let sum = 0
      let count = 0
      for (let r = row * edge; r < Math.min((row + 1) * edge, rowExtent); r++) {
        for (let c = column * edge; c < Math.min((column + 1) * edge, columnExtent); c++) {
          for (let deep = first; deep < stop; deep++) {
            stored[0] = at(r, c, deep)
            if (!Number.isFinite(stored[0])) continue
            sum += stored[0]
            count++
          }
        }
      }
      data[row * columns + column] = dtype.startsWith('float') ? sum / count : Math.round(sum / count)
    }
  }
  return { shape: [rows, columns], data }
}

export interface SampleService extends VolumesEngine {
  /** Adds a volume to the project and returns its id. */
  add(volumePath: string, raw?: ProjectVolume['raw']): Promise<string>
  states: PyramidState[]
  jobs: { title: string; quiet: boolean; end: Promise<string>; cancel: () => void }[]
  closeProject(): Promise<void>
  /** Resolves when the pyramid has ended one way or the other. */
  pyramidEnd(volumeId: string): Promise<PyramidState>
}

/** The service on a project that is only a list. */
export function startService(
  parent: string,
  options: Partial<Omit<VolumesServiceOptions, 'project' | 'emit' | 'jobs'>> = {},
): SampleService {
  mkdirSync(parent, { recursive: true })
  const volumes = new Map<string, ProjectVolume>()
  const listeners = new Set<() => Promise<void>>()
  const states: PyramidState[] = []
  const jobs: SampleService['jobs'] = []
  const waiting = new Set<() => void>()
  const current: OpenProject = {
    folder: path.join(parent, 'project'),
    readOnly: null,
    volume(id) {
      const volume = volumes.get(id)
      if (volume === undefined) throw new PhasemarkError('NotFound', `no volume ${id}`, { path: id })
      return volume
    },
    volumes: [],
    materials: [],
    addMaterials: () => Promise.resolve([]),
    labelFolder: (id) => path.join(parent, 'project', 'labels', id),
  }
  const project: ProjectHolder = {
    current: () => current,
    onClosing(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    onOpened: () => () => undefined,
  }
  const engine = createVolumesService({
    cacheFolder: path.join(parent, 'cache'),
    cacheLimitBytes: 1e9,
    cacheMarginBytes: 0,
    pyramidLimits: smallLimits,
    ...options,
    project,
    emit: (_event, state) => {
      states.push(state)
      for (const wake of waiting) wake()
    },
    jobs: {
      start({ title, quiet = false }, run) {
        const abort = new AbortController()
        const end = run({ signal: abort.signal, onProgress: () => undefined } satisfies Required<JobOptions>)
        end.catch(() => undefined)
        jobs.push({ title, quiet, end, cancel: () => abort.abort() })
        return randomUUID()
      },
    },
  })
  return {
    ...engine,
    states,
    jobs,
    async add(volumePath, raw = null) {
      const id = randomUUID()
      volumes.set(id, {
        id,
        name: path.basename(volumePath),
        path: volumePath,
        raw,
        voxelSize: null,
        voxelSizeEntered: [],
        role: 'none',
        addedAt: new Date(0).toISOString(),
        summary: await inspectVolume(volumePath, raw),
      })
      return id
    },
    async closeProject() {
      for (const listener of listeners) await listener()
    },
    pyramidEnd: (volumeId) =>
      new Promise((resolve) => {
        const look = () => {
          const last = states.findLast((state) => state.volumeId === volumeId)
          if (last?.state !== 'ready' && last?.state !== 'stopped') return
          waiting.delete(look)
          resolve(last)
        }
        waiting.add(look)
        look()
      }),
  }
}

export const never = new AbortController().signal
