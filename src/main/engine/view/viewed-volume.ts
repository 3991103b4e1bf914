import type { PlaneAxis } from '../../../shared/annotation/edit.ts'
import type { GreyHistogram, PlaneData, PyramidState } from '../../../shared/contract/volumes.ts'
import { PhasemarkError } from '../../../shared/errors.ts'
import type { VolumeMeta } from '../../../shared/volume.ts'
import type { JobRunner } from '../jobs/job-runner.ts'
import type { KnownSlices } from '../volume/known-slices.ts'
import { createRowSource } from '../volume/row-source.ts'
import type { RawHeader } from '../volume/raw-source.ts'
import type { Box, ReadOptions, VolumeSource } from '../volume/volume-source.ts'
import { workerUrl } from '../worker-url.ts'
import { averagePlane, cellsAlong } from './averages.ts'
import type { ByteCache } from './byte-cache.ts'
import type { FolderMemory } from './folder-memory.ts'
import { LatestFirst } from './latest-first.ts'
import type { CoarsePlane } from './pyramid/coarse-level.ts'
import type { LayoutLimits } from './pyramid/layout.ts'
import { Pyramid } from './pyramid/pyramid.ts'
import { SliceReader, type CachedPlane } from './slice-reader.ts'
import { startThread, type ThreadCalls } from './thread-calls.ts'
import { untilAborted } from './until-aborted.ts'
import type { AttachedPyramid, ViewThread } from './view-thread-worker.ts'

/** Slow disks stay slow, but the pyramid will be there before long anyway. */
const rowsRetryMs = 20_000

export interface ViewedVolumeOptions {
  volumeId: string
  title: string
  path: string
  raw: RawHeader | undefined
  cache: ByteCache<CachedPlane>
  memory: FolderMemory
  cacheFolder: string
  limitBytes: number
  marginBytes?: number | undefined
  layoutLimits?: LayoutLimits | undefined
  jobs: JobRunner
  onPyramidChanged: (state: PyramidState) => void
}

export interface PlaneRequest {
  axis: PlaneAxis
  index: number
  level: number
  quick: boolean
}

export interface OpenedThread {
  thread: ThreadCalls<ViewThread>
  meta: VolumeMeta
  rowAddressable: boolean
  /** See `VolumeSource`. */
  known: KnownSlices | undefined
}

/** Starts a thread and opens `path` in it. The caller ends it. Throws what `openVolume` throws. */
export async function openViewThread(
  path: string,
  raw: RawHeader | undefined,
  memory: FolderMemory,
  signal?: AbortSignal,
): Promise<OpenedThread> {
  const thread = startThread<ViewThread>(workerUrl(import.meta.url, 'view-thread-worker'))
  const header = raw === undefined ? {} : { raw }
  try {
    const open = (known: KnownSlices | undefined) => thread.ask('open', { path, ...header, known }, signal)
    return { thread, ...(await memory.use(path, open, signal)) }
  } catch (error) {
    await thread.end()
    throw error
  }
}

/** One open volume: its reading thread, its slices in the cache, its pyramid. */
export class ViewedVolume {
  readonly meta: VolumeMeta
  readonly pyramid: Pyramid
  readonly #options: ViewedVolumeOptions
  readonly #prefix: string
  readonly #slices: SliceReader
  readonly #planes = new LatestFirst(1)
  readonly #closed = new AbortController()
  readonly #rowAddressable: boolean
  /** Rows were found slow to read; tried again after this (milliseconds since 1970), since it may have been other work. */
  #rowsSlowUntil = 0
  #files: AttachedPyramid | null = null
  /** `null` after it broke down. */
  #thread: Promise<ThreadCalls<ViewThread>> | null
  #histogram: Promise<GreyHistogram> | null = null

  /** Reads the headers of the source. Throws what `openVolume` throws. */
  static async open(options: ViewedVolumeOptions, signal?: AbortSignal): Promise<ViewedVolume> {
    return new ViewedVolume(options, await openViewThread(options.path, options.raw, options.memory, signal))
  }

  private constructor(options: ViewedVolumeOptions, opened: OpenedThread) {
    this.#options = options
    this.meta = opened.meta
    this.#rowAddressable = opened.rowAddressable
    this.#thread = Promise.resolve(opened.thread)
    this.#prefix = `${options.volumeId}/`
    const [depth, height, width] = this.meta.shape
    this.#slices = new SliceReader({
      prefix: this.#prefix,
      depth,
      shapeAt: (level) => [cellsAlong(height, level), cellsAlong(width, level)],
      cache: options.cache,
      load: (z, level, signal) => this.#ask('slice', { z, level }, signal),
    })
    const { volumeId, title, raw, cacheFolder, limitBytes, marginBytes, layoutLimits, jobs } = options
    this.pyramid = new Pyramid({
      volumeId,
      title,
      meta: this.meta,
      raw,
      known: opened.known,
      cacheFolder,
      limitBytes,
      marginBytes,
      layoutLimits,
      jobs,
      onChanged: options.onPyramidChanged,
      onFiles: (files) => {
        this.#attach(files)
      },
    })
  }

  /**
   * A plane at `level` or the next coarser one that can be had. Its voxels stay in the cache: whoever gets them only reads them (sending
   * them copies them, and another copy here would cost as much again). Throws `WrongUsage` for an index outside, `BadInput` or `NotFound`
   * naming the file that cannot be read, `Cancelled` through the signal.
   */
  async readPlane(request: PlaneRequest, signal: AbortSignal): Promise<PlaneData> {
    const { axis, index, quick } = request
    const extent = this.meta.shape[{ z: 0, y: 1, x: 2 }[axis]]
    if (index >= extent) {
      throw new PhasemarkError(
        'WrongUsage',
        `${this.meta.path}: expected an index along ${axis} below ${extent}, found ${index}`,
        {},
      )
    }
    const level = Math.min(request.level, this.pyramid.levels)
    if (quick) return this.#answer(request, this.#atHand(axis, index, level))
    this.pyramid.noteActivity()
    try {
      if (axis === 'z') {
        const { shape, data } = await this.#slices.read(index, level, signal)
        return this.#answer(request, { level, shape, data, coverage: 1 })
      }
      return this.#answer(request, await this.#readStanding(axis, index, level, signal))
    } finally {
      this.pyramid.noteActivity()
    }
  }

  async histogram(signal: AbortSignal): Promise<GreyHistogram> {
    // Read once for all callers, whoever of them gives up; a failure is not remembered.
    this.pyramid.noteActivity()
    const reading = (this.#histogram ??= this.#ask('histogram', null, this.#closed.signal))
    reading.catch(() => {
      if (this.#histogram === reading) this.#histogram = null
    })
    const given = await untilAborted(reading, signal)
    return {
      ...given,
      counts: given.counts.slice(),
      sliceMeans: given.sliceMeans.slice(),
      slicePositions: given.slicePositions.slice(),
    }
  }

  async sliceLimits(z: number, signal: AbortSignal): Promise<{ low: number; high: number }> {
    if (z >= this.meta.shape[0]) {
      throw new PhasemarkError(
        'WrongUsage',
        `${this.meta.path}: expected a slice below ${this.meta.shape[0]}, found ${z}`,
        {},
      )
    }
    this.pyramid.noteActivity()
    return await this.#ask('sliceLimits', { z }, signal)
  }

  /** The voxels as others in this process read them, through the same cache. */
  source(): VolumeSource {
    const width = this.meta.shape[2]
    const fromCache = createRowSource(this.meta, {
      readRows: async (z, yStart, yStop, signal) => {
        const { data } = await this.#slices.read(z, 0, signal)
        return data.slice(yStart * width, yStop * width)
      },
      close: () => Promise.resolve(),
    })
    const inCache = ({ start, stop }: Box) => {
      for (let z = start[0]; z < stop[0]; z++) if (!this.#slices.has(z, 0)) return false
      return true
    }
    return {
      meta: this.meta,
      readSlice: async (z, options: ReadOptions = {}) => {
        this.#requireOpen()
        this.pyramid.noteActivity()
        return await fromCache.readSlice(z, options)
      },
      readBox: async (box, options: ReadOptions = {}) => {
        this.#requireOpen()
        this.pyramid.noteActivity()
        if (inCache(box)) return await fromCache.readBox(box, options)
        return await this.#ask('box', box, options.signal)
      },
      close: () => Promise.resolve(),
    }
  }

  async close(): Promise<void> {
    if (this.#closed.signal.aborted) return
    this.#closed.abort()
    this.#slices.close()
    await this.pyramid.close()
    this.#options.cache.dropAll(this.#prefix)
    // A thread that could not be started has nothing to close.
    const thread = await this.#thread?.catch(() => null)
    await thread?.end()
  }

  /** What needs no reading: caches and the coarse level in memory. */
  #atHand(axis: PlaneAxis, index: number, level: number): LevelPlane {
    if (axis === 'z') {
      for (let finer = level; finer >= 0; finer--) {
        const cached = this.#slices.cached(index, finer)
        if (cached === undefined) continue
        const [rows, columns] = cached.shape
        const data = averagePlane(cached.data, rows, columns, level - finer, this.meta.dtype)
        const shape = [cellsAlong(rows, level - finer), cellsAlong(columns, level - finer)] as const
        return { level, shape, data, coverage: 1 }
      }
    }
    for (let coarser = level; coarser <= this.pyramid.levels; coarser++) {
      const key = axis === 'z' ? undefined : this.#planeKey(axis, index, coarser)
      const cached = key === undefined ? this.#slices.cached(index, coarser) : this.#options.cache.get(key)
      if (cached !== undefined) {
        return { level: coarser, shape: cached.shape, data: cached.data, coverage: 1 }
      }
    }
    return this.#coarsePlane(axis, index, level)
  }

  #coarsePlane(axis: PlaneAxis, index: number, level: number): LevelPlane {
    const coarser = Math.max(level, this.pyramid.coarse.level)
    return { level: coarser, ...this.pyramid.coarse.plane(axis, index, coarser) }
  }

  async #readStanding(
    axis: 'y' | 'x',
    index: number,
    level: number,
    signal: AbortSignal,
  ): Promise<LevelPlane> {
    const { coarse } = this.pyramid
    const cached = this.#options.cache.get(this.#planeKey(axis, index, level))
    if (cached !== undefined) return { level, ...cached, coverage: 1 }
    if (level >= coarse.level) {
      const plane = this.#coarsePlane(axis, index, level)
      if (plane.coverage === 1) return plane
    }
    const complete = this.#files !== null && this.#files.unitsDone.every((done) => done === 1)
    const fileLevel = this.#files === null ? coarse.level : Math.max(level, this.#files.finest)
    const rowsDirectly = axis === 'y' && this.#rowAddressable && Date.now() > this.#rowsSlowUntil
    if (rowsDirectly && !(complete && fileLevel <= level)) {
      const direct = await this.#planes.run((taskSignal) => this.#ask('rows', { index, level }, taskSignal), {
        signal,
      })
      if (direct !== null) return this.#keep(axis, index, level, direct)
      this.#rowsSlowUntil = Date.now() + rowsRetryMs
    }
    // Without a single unit it would be the coarse level, only larger.
    if (fileLevel < coarse.level && this.#files?.unitsDone.includes(1) === true) {
      const plane = await this.#planes.run(
        (taskSignal) => this.#ask('plane', { axis, index, level: fileLevel }, taskSignal),
        { signal },
      )
      if (plane !== null) return this.#keep(axis, index, fileLevel, plane)
      this.#files = null
      this.pyramid.loseFiles()
    }
    return this.#coarsePlane(axis, index, level)
  }

  /** Remembers planes that will not become better. */
  #keep(axis: 'y' | 'x', index: number, level: number, plane: CoarsePlane): LevelPlane {
    if (plane.coverage < 1) return { level, ...plane }
    const { shape, data } = plane
    this.#options.cache.put(this.#planeKey(axis, index, level), { shape, data, byteLength: data.byteLength })
    return { level, shape, data, coverage: 1 }
  }

  #planeKey(axis: 'y' | 'x', index: number, level: number): string {
    return `${this.#prefix}${axis}/${Math.floor(index / 2 ** level)}/${level}`
  }

  #answer({ axis, index }: PlaneRequest, plane: LevelPlane): PlaneData {
    const { level, shape, data, coverage } = plane
    return { axis, index, level, shape: [...shape], dtype: this.meta.dtype, data, coverage }
  }

  #attach(files: AttachedPyramid | null): void {
    const attach = async () => {
      await this.#ask('attach', files, this.#closed.signal)
      this.#files = files
    }
    attach().catch(() => {
      // Closing comes first; anything else means that the files are gone again, which the state then says.
      if (this.#closed.signal.aborted) return
      this.#files = null
      this.pyramid.loseFiles()
    })
  }

  #requireOpen(): void {
    if (this.#closed.signal.aborted) {
      throw new PhasemarkError('Internal', `${this.meta.path}: read after the volume was closed`, {})
    }
  }

  /** Asks the reading thread; one that broke down (out of memory) is started again for the next call. */
  async #ask<Call extends keyof ViewThread['calls']>(
    name: Call,
    request: ViewThread['calls'][Call]['request'],
    signal?: AbortSignal,
  ): Promise<ViewThread['calls'][Call]['answer']> {
    this.#requireOpen()
    const thread = await this.#runningThread()
    try {
      return await thread.ask(name, request, signal)
    } catch (error) {
      if (thread.hasEnded()) this.#thread = null
      throw error
    }
  }

  #runningThread(): Promise<ThreadCalls<ViewThread>> {
    const starting = (this.#thread ??= this.#startThread())
    starting.catch(() => {
      if (this.#thread === starting) this.#thread = null
    })
    return starting
  }

  async #startThread(): Promise<ThreadCalls<ViewThread>> {
    const { path, raw, memory } = this.#options
    const { thread } = await openViewThread(path, raw, memory, this.#closed.signal)
    if (this.#files !== null) await thread.ask('attach', this.#files)
    return thread
  }
}

interface LevelPlane {
  level: number
  shape: readonly [rows: number, columns: number]
  data: PlaneData['data']
  coverage: number
}
