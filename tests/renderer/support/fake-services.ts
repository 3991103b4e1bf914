import type { ProjectState, VolumeEntry, VolumeImport } from '../../../src/shared/contract/projects.ts'
import type { GreyHistogram, PlaneData, VolumeSummary } from '../../../src/shared/contract/volumes.ts'
import { PhasemarkError } from '../../../src/shared/errors.ts'
import { numberMaterials } from '../../../src/shared/materials.ts'
import { bytesPerElement, createTypedArray } from '../../../src/shared/volume.ts'
import type { PlaneAxis } from '../../../src/shared/annotation/edit.ts'
import type { FakeServices } from './fake-api.ts'

/** A small world behind the contract: some volumes, one project at a time, settings. Everything in memory. */

const at = '2026-11-22T09:02:00.000Z'
let lastId = 0

/** A valid uuid that is the same in each run. */
export function nextId(): string {
  lastId += 1
  return `00000000-0000-4000-8000-${String(lastId).padStart(12, '0')}`
}

export function summaryOf(change: Partial<VolumeSummary> = {}): VolumeSummary {
  const shape = change.shape ?? [48, 64, 80]
  const dtype = change.dtype ?? 'uint16'
  return {
    format: 'TIFF slices',
    path: '/data/sample_B/raw',
    shape,
    dtype,
    voxelSize: { z: null, y: 10, x: 10, unit: 'nm' },
    bytes: shape[0] * shape[1] * shape[2] * bytesPerElement[dtype],
    firstSlice: 'slice_0001',
    lastSlice: `slice_${String(shape[0]).padStart(4, '0')}`,
    gaps: [],
    warnings: [],
    ...change,
  }
}

export function entryOf(change: Partial<VolumeEntry> = {}): VolumeEntry {
  const summary = change.summary ?? summaryOf({ path: change.path ?? '/data/sample_A' })
  return {
    id: nextId(),
    name: 'sample_A',
    path: summary.path,
    raw: null,
    voxelSize: { z: 65, y: 65, x: 65, unit: 'nm' },
    voxelSizeEntered: [],
    role: 'seen',
    addedAt: at,
    source: { state: 'ok', message: null },
    labelledSlices: 10,
    labelledVoxels: 96_442,
    ...change,
    summary,
  }
}

export function projectOf(change: Partial<ProjectState> = {}): ProjectState {
  const materials = numberMaterials([
    { value: 1, name: 'Pore' },
    { value: 2, name: 'NMC' },
    { value: 3, name: 'CBD' },
  ])
  return {
    path: '/home/user/Phasemark/calendering.phasemark',
    name: 'Calendering study',
    readOnly: null,
    volumes: [entryOf()],
    materials: materials.map((material) => ({ ...material, visible: true, locked: false, removed: false })),
    labelBytes: 41_000_000,
    recovered: null,
    ...change,
  }
}

/** Discs of three grey levels with some noise; depends on position only. */
function greyAt(z: number, y: number, x: number): number {
  const cell = Math.hypot(((y + z * 0.7) % 24) - 12, ((x + z * 0.4) % 28) - 14)
  const noise = (Math.imul(z * 73856093, 19349663) ^ Math.imul(y, 83492791) ^ Math.imul(x, 2971215073)) & 1023
  return (cell < 9 ? 42_000 : cell < 11 ? 26_000 : 12_000) + noise * 6
}

export function planeOf(summary: VolumeSummary, axis: PlaneAxis, index: number, level: number): PlaneData {
  const [depth, height, width] = summary.shape
  const [rows, columns] = axis === 'z' ? [height, width] : axis === 'y' ? [depth, width] : [depth, height]
  const step = 2 ** level
  const shape: [number, number] = [Math.ceil(rows / step), Math.ceil(columns / step)]
  const data = createTypedArray(summary.dtype, shape[0] * shape[1])
  const scale = bytesPerElement[summary.dtype] === 1 ? 1 / 256 : 1
  for (let row = 0; row < shape[0]; row++)
    for (let column = 0; column < shape[1]; column++) {
      const [r, c] = [row * step, column * step]
      const value =
        axis === 'z' ? greyAt(index, r, c) : axis === 'y' ? greyAt(r, index, c) : greyAt(r, c, index)
      data[row * shape[1] + column] = value * scale
    }
  return { axis, index, level, shape, dtype: summary.dtype, data, coverage: 1 }
}

/** Two Gaussian peaks around `centre`. */
export function histogramOf(summary: VolumeSummary, centre = 0.3): GreyHistogram {
  const high = summary.dtype === 'uint8' ? 255 : 65_535
  const peak = (bin: number, at: number, width: number): number =>
    Math.exp(-(((bin / 256 - at) / width) ** 2))
  const counts = Uint32Array.from({ length: 256 }, (_, bin) =>
    Math.round(9000 * peak(bin, centre, 0.09) + 12_000 * peak(bin, centre + 0.4, 0.08)),
  )
  const sampled = Math.min(32, summary.shape[0])
  const positions = Uint32Array.from({ length: sampled }, (_, step) =>
    Math.floor((step * (summary.shape[0] - 1)) / Math.max(1, sampled - 1)),
  )
  return {
    counts,
    low: 0,
    high,
    min: Math.round(high * 0.02),
    max: Math.round(high * 0.99),
    mean: high * 0.5,
    autoLow: high * 0.12,
    autoHigh: high * 0.78,
    saturated: 0.0001,
    sampledSlices: sampled,
    sliceMeans: Float64Array.from(positions, (z) => high * (0.5 + 0.006 * Math.sin(z / 5))),
    slicePositions: positions,
  }
}

/** What a fake world begins with. */
export interface World {
  project: ProjectState | null
  settings: Record<string, never>
  /** Volumes that can be inspected, by path. */
  sources: Map<string, VolumeSummary>
}

const device = {
  state: 'ready' as const,
  device: {
    kind: 'cpu' as const,
    name: 'AMD Ryzen 9 7950X',
    memoryBytes: 64e9,
    tensorflowVersion: '2.21.0',
    addonVersion: '4.22.0',
    reasonNotBetter: 'no NVIDIA driver was found',
    threads: 16,
  },
  problem: null,
  checks: [
    { name: 'NVIDIA driver', ok: false, detail: 'not found' },
    { name: 'CPU with AVX-512', ok: true, detail: '16 threads' },
  ],
  advice: 'An NVIDIA card with driver 525 or newer would be used by itself.',
  measured: { at, unetVoxelsPerSecond: 0.7e6, vgg16VoxelsPerSecond: 0.9e6, selfTestSeconds: 3 },
}

/** Services over a world; `onProject` hears of each change of the project, as the event tells it. */
export function createFakeServices(
  world: World,
  onProject: (project: ProjectState | null) => void = () => undefined,
): FakeServices {
  const settings: Record<string, unknown> = { ...world.settings }

  function change(project: ProjectState | null): ProjectState | null {
    world.project = project
    onProject(project)
    return project
  }
  function current(): ProjectState {
    if (world.project === null)
      throw new PhasemarkError('WrongUsage', 'no project is open', { argument: 'project' })
    return world.project
  }
  function set(part: Partial<ProjectState>): ProjectState {
    const next = { ...current(), ...part }
    change(next)
    return next
  }
  function inspect(path: string): VolumeSummary {
    const summary = world.sources.get(path)
    if (summary === undefined) throw new PhasemarkError('NotFound', `${path}: not found`, { path })
    return summary
  }
  function volume(volumeId: string): VolumeEntry {
    const found = current().volumes.find(({ id }) => id === volumeId)
    if (found === undefined) throw new PhasemarkError('WrongUsage', 'no such volume', { argument: volumeId })
    return found
  }
  function added(volumeImport: VolumeImport): VolumeEntry {
    const { name, path, raw, voxelSize, voxelSizeEntered, role } = volumeImport
    const summary = world.sources.get(path) ?? summaryOf({ path })
    return entryOf({
      name,
      path,
      raw,
      voxelSize,
      voxelSizeEntered,
      role,
      summary,
      labelledSlices: 0,
      labelledVoxels: 0,
    })
  }
  const refuse = (): never => {
    throw new PhasemarkError('WrongUsage', 'not part of this fake', { argument: 'fake' })
  }
  const pyramid = (volumeId: string) => ({
    volumeId,
    levels: 3,
    finestLevel: 0,
    reason: null,
    blocksDone: 8,
    blocksTotal: 8,
    state: 'ready' as const,
  })
  const labels = (volumeId: string) => ({
    volumeId,
    sequence: 0,
    editId: null,
    changed: null,
    changedVoxels: 0,
    counts: Array.from({ length: 256 }, () => 0),
    canUndo: false,
    canRedo: false,
    newest: null,
    historyLength: 0,
    labelledSlices: new Uint32Array(),
    sliceMaterials: new Uint32Array(),
    versions: [],
    journal: { state: 'ok' as const, message: null, lastWrittenAt: null },
    recovered: null,
  })

  return {
    host: {
      host: {
        info: () => ({
          kind: 'electron',
          version: '0.2.0',
          platform: 'linux',
          nativeDialogs: false,
          windowButtons: true,
        }),
        chooseFolder: () => ({ path: null }),
        chooseFile: () => ({ path: null }),
        chooseSavePath: () => ({ path: null }),
        showInFolder: () => ({}),
        openExternal: () => ({}),
        window: () => ({}),
        processes: () =>
          (['data', 'compute'] as const).map((name) => ({
            name,
            state: 'running' as const,
            pid: 1,
            restarts: 0,
            lastEnd: null,
          })),
        restartProcess: () => ({}),
        takeOpenRequests: () => [],
      },
    },
    data: {
      files: {
        roots: () => [
          { name: 'Home', path: '/home/user' },
          { name: 'Data', path: '/data' },
        ],
        list: ({ path }) => ({
          path,
          parent: path === '/' ? null : path.replace(/\/[^/]+$/, '') || '/',
          entries: [
            { name: 'raw', path: `${path}/raw`, kind: 'folder', sizeBytes: null, modifiedAt: at },
            {
              name: 'study.phasemark',
              path: `${path}/study.phasemark`,
              kind: 'project',
              sizeBytes: null,
              modifiedAt: at,
            },
            {
              name: 'block.raw',
              path: `${path}/block.raw`,
              kind: 'file',
              sizeBytes: 491_520,
              modifiedAt: at,
            },
          ],
          more: false,
        }),
      },
      jobs: { list: () => [], cancel: () => ({}), dismiss: () => ({}) },
      labels: {
        open: ({ volumeId }) => labels(volumeId),
        readPlane: ({ volumeId, axis, rectangle }) => {
          const { shape } = volume(volumeId).summary
          const [rows, columns] =
            axis === 'z' ? [shape[1], shape[2]] : axis === 'y' ? [shape[0], shape[2]] : [shape[0], shape[1]]
          const area = rectangle ?? { top: 0, left: 0, bottom: rows, right: columns }
          return {
            rectangle: area,
            data: new Uint8Array((area.bottom - area.top) * (area.right - area.left)),
            sequence: 0,
          }
        },
        apply: ({ volumeId }) => labels(volumeId),
        undo: ({ volumeId }) => labels(volumeId),
        redo: ({ volumeId }) => labels(volumeId),
        goTo: ({ volumeId }) => labels(volumeId),
        history: () => ({ entries: [], more: false }),
        labelledSlices: () => ({ slices: new Uint32Array(), materials: new Uint32Array() }),
        saveVersion: refuse,
        restoreVersion: refuse,
        startImport: refuse,
        startExport: refuse,
      },
      projects: {
        recent: () => [
          {
            path: '/home/user/Phasemark/calendering.phasemark',
            name: 'NMC811 calendering study',
            openedAt: new Date().toISOString(),
            volumes: 4,
            state: 'ok',
            thumbnail: Uint8Array.from({ length: 4096 }, (_, place) =>
              Math.round(greyAt(0, Math.floor(place / 64), place % 64) / 256),
            ),
          },
          {
            path: '/mnt/beamtime/graphite.phasemark',
            name: 'Beamtime 2026-06 graphite-Si',
            openedAt: '2026-06-11T10:00:00.000Z',
            volumes: 1,
            state: 'missing',
            thumbnail: null,
          },
        ],
        forgetRecent: () => ({}),
        suggestPath: ({ name }) => ({ path: `/home/user/Phasemark/${name}.phasemark` }),
        create: ({ path, name }) => {
          const project = projectOf({ path, name, volumes: [], labelBytes: 0 })
          change(project)
          return project
        },
        open: ({ path }) => {
          const project = projectOf({ path })
          change(project)
          return project
        },
        current: () => world.project,
        close: () => {
          change(null)
          return {}
        },
        rename: ({ name }) => set({ name }),
        addVolume: (volumeImport) => {
          const entry = added(volumeImport)
          return { project: set({ volumes: [...current().volumes, entry] }), volumeId: entry.id }
        },
        updateVolume: ({ volumeId, change: part }) =>
          set({
            volumes: current().volumes.map((entry) =>
              entry.id === volumeId
                ? { ...entry, ...(Object.fromEntries(Object.entries(part)) as Partial<VolumeEntry>) }
                : entry,
            ),
          }),
        removeVolume: ({ volumeId }) =>
          set({ volumes: current().volumes.filter(({ id }) => id !== volumeId) }),
        addMaterial: ({ name }) => {
          const { materials } = current()
          const index = materials.length + 1
          const material = {
            index,
            value: index,
            name,
            colour: '#56b4e9',
            visible: true,
            locked: false,
            removed: false,
          }
          return { project: set({ materials: [...materials, material] }), index }
        },
        updateMaterial: () => current(),
        lookAgain: () => current(),
        orderMaterials: () => current(),
        createSample: () => {
          const project = projectOf({ name: 'Sample battery electrode' })
          change(project)
          return project
        },
      },
      settings: {
        read: () => settings as Record<string, never>,
        write: ({ key, value }) => {
          settings[key] = value
          return {}
        },
      },
      system: {
        status: () => ({
          memoryUsedBytes: 6.1e9,
          memoryTotalBytes: 64e9,
          diskFreeBytes: 212e9,
          cpuName: 'AMD Ryzen 9 7950X',
          cpuCores: 16,
        }),
        cache: () => ({ path: '/home/user/.cache/phasemark', usedBytes: 1.84e9, limitBytes: 20e9 }),
        clearCache: () => ({ freedBytes: 1.84e9 }),
      },
      volumes: {
        inspect: ({ path, raw }) => {
          if (raw === undefined) return inspect(path)
          const { shape, dtype } = raw
          return summaryOf({ format: 'raw', path, shape, dtype, voxelSize: null })
        },
        preview: ({ path, raw, maxExtent }) => {
          const summary = raw === undefined ? inspect(path) : summaryOf({ ...raw, path, format: 'raw' })
          const level = Math.max(0, Math.ceil(Math.log2(Math.max(...summary.shape) / maxExtent)))
          const [depth, height, width] = summary.shape
          return {
            planes: [
              planeOf(summary, 'z', depth >> 1, level),
              planeOf(summary, 'y', height >> 1, level),
              planeOf(summary, 'x', width >> 1, level),
            ],
            histogram: histogramOf(summary, path.includes('uncal') ? 0.4 : 0.2),
          }
        },
        open: ({ volumeId }) => ({ summary: volume(volumeId).summary, pyramid: pyramid(volumeId) }),
        close: () => ({}),
        histogram: ({ volumeId }) => histogramOf(volume(volumeId).summary, 0.2),
        sliceLimits: () => ({ low: 8000, high: 50_000 }),
        readPlane: ({ volumeId, axis, index, level }) =>
          planeOf(volume(volumeId).summary, axis, index, Math.min(3, level)),
      },
    },
    compute: {
      device: { state: () => device, startTest: () => ({ jobId: nextId() }) },
      jobs: { list: () => [], cancel: () => ({}), dismiss: () => ({}) },
    },
  }
}
