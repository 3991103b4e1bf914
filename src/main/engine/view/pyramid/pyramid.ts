import type { PyramidState } from '../../../../shared/contract/volumes.ts'
import { cancelled, hasTag, isPhasemarkError } from '../../../../shared/errors.ts'
import type { Progress } from '../../../../shared/job.ts'
import type { VolumeMeta } from '../../../../shared/volume.ts'
import { makeFolder } from '../../files/atomic-file.ts'
import { acquireLock, type FolderLock } from '../../files/lock.ts'
import type { JobRunner } from '../../jobs/job-runner.ts'
import type { KnownSlices } from '../../volume/known-slices.ts'
import type { RawHeader } from '../../volume/raw-source.ts'
import { workerUrl } from '../../worker-url.ts'
import { startThread, type ThreadCalls } from '../thread-calls.ts'
import type { AttachedPyramid } from '../view-thread-worker.ts'
import type { BuildOutcome } from './build.ts'
import { defaultMarginBytes, pyramidFolder } from './cache-folder.ts'
import { CoarseLevel } from './coarse-level.ts'
import { defaultLimits, planPyramid, type LayoutLimits, type PyramidLayout } from './layout.ts'
import type { BuildEvent, BuildRequest, PyramidThread } from './pyramid-worker.ts'

/** Levels beyond the coarse one are offered until the longest edge is this short. */
const shortestEdge = 256
/** Pictures are drawn anew with each announcement; more often than this nobody sees. */
const announceMs = 300
/** How long closing waits for a thread that is busy. */
const closeMs = 500
/** Building that ends sooner is not worth a line in the list of jobs. */
const jobAfterMs = 1500

export interface PyramidOptions {
  volumeId: string
  /** Name of the volume, for people. */
  title: string
  meta: VolumeMeta
  raw: RawHeader | undefined
  /** See `VolumeSource`. */
  known: KnownSlices | undefined
  cacheFolder: string
  limitBytes: number
  marginBytes?: number | undefined
  layoutLimits?: LayoutLimits | undefined
  jobs: JobRunner
  /** Called when more is known than before, at most a few times a second, and when the state changes. */
  onChanged: (state: PyramidState) => void
  /** Called before `onChanged` when planes can be read from files, or no longer. */
  onFiles: (files: AttachedPyramid | null) => void
}

/**
 * The pyramid of one open volume, seen from the thread that answers calls: the coarse level in memory, the state, and the thread that
 * builds.
 *
 * none → building → ready, or → stopped with a reason; stopped pyramids go on when the volume is opened again.
 */
export class Pyramid {
  readonly layout: PyramidLayout
  readonly coarse: CoarseLevel
  /** Coarsest level that planes are shown at. */
  readonly levels: number
  readonly #options: PyramidOptions
  readonly #unitsDone: Uint8Array
  readonly #activity = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT))
  readonly #stop = new AbortController()
  #state: PyramidState['state'] = 'none'
  #finest: number
  #reason: string | null = null
  #building: Promise<void> | null = null
  #announcement: NodeJS.Timeout | null = null
  #tellJob: ((progress: Progress) => void) | null = null
  #startedAt = 0
  #thread: ThreadCalls<PyramidThread> | null = null
  /** Nobody is told anything any more. */
  #closed = false

  constructor(options: PyramidOptions) {
    this.#options = options
    const { meta, layoutLimits = defaultLimits } = options
    this.layout = planPyramid(meta.shape, meta.dtype, layoutLimits)
    this.coarse = new CoarseLevel(this.layout)
    this.#finest = this.layout.coarseLevel
    this.#unitsDone = new Uint8Array(new SharedArrayBuffer(this.layout.units))
    let levels = this.layout.coarseLevel
    while (Math.max(...meta.shape) / 2 ** levels > shortestEdge) levels++
    this.levels = levels
  }

  state(): PyramidState {
    return {
      volumeId: this.#options.volumeId,
      levels: this.levels,
      finestLevel: this.#finest,
      reason: this.#reason,
      blocksDone: this.#unitsDone.reduce((sum, done) => sum + done, 0),
      blocksTotal: this.layout.units,
      state: this.#state,
    }
  }

  /** Somebody wants to read: building waits a little. */
  noteActivity(): void {
    Atomics.store(this.#activity, 0, Date.now() & 0x7fff_ffff)
  }

  /** Begins or goes on building, in a thread of its own. */
  start(): void {
    this.#building ??= this.#run()
  }

  /** The files turned out to be unreadable: only the coarse level is left. */
  loseFiles(): void {
    this.#finest = this.layout.coarseLevel
    this.#end(
      'stopped',
      'The cache of XZ and YZ cannot be read any more; open the volume again to build it anew.',
    )
    this.#stop.abort()
  }

  /** Stops building where it is; resolves when no file is written any more. */
  async close(): Promise<void> {
    this.#closed = true
    this.#stop.abort()
    // The thread may be waiting for the disk; ending it then costs the unit that it is at.
    const patience = setTimeout(() => {
      void this.#thread?.end()
    }, closeMs)
    await this.#building
    clearTimeout(patience)
  }

  async #run(): Promise<void> {
    this.#state = 'building'
    this.#startedAt = Date.now()
    let lock: FolderLock | null = null
    const job = this.#offerJob()
    try {
      const [place, held] = await this.#choosePlace()
      lock = held
      const thread = startThread<PyramidThread>(workerUrl(import.meta.url, 'pyramid-worker'), {
        onEvent: (event) => {
          this.#onEvent(event, job.begin)
        },
      })
      this.#thread = thread
      const outcome = await thread.ask('build', this.#request(place), this.#stop.signal)
      this.#end(outcome.state, outcome.reason ?? this.#reason)
      job.resolve(this.#summary(outcome))
    } catch (error) {
      if (hasTag(error, 'Cancelled') || this.#stop.signal.aborted) {
        if (this.state().state === 'building') {
          this.#end('stopped', 'Preparing XZ and YZ was stopped; it goes on when the volume is opened again.')
        }
        job.reject(cancelled('opening the volume again goes on'))
      } else {
        const message = error instanceof Error ? error.message : String(error)
        this.#end('stopped', `XZ and YZ stay coarse: ${message}`)
        job.reject(error)
      }
    } finally {
      await this.#thread?.end()
      // A lock that cannot be removed is taken over once this process is gone.
      await lock?.release().catch(() => undefined)
    }
  }

  /** Where the files go, and the lock on that place. */
  async #choosePlace(): Promise<[BuildRequest['place'], FolderLock | null]> {
    // A small volume is in memory as a whole.
    if (this.layout.coarseLevel === 0) return [{ kind: 'memory', reason: null }, null]
    const { cacheFolder, meta, raw } = this.#options
    const folder = await pyramidFolder(cacheFolder, meta.path, raw)
    try {
      await makeFolder(folder)
      const lock = await acquireLock(folder, { purpose: 'preparing XZ and YZ' })
      return [{ kind: 'ours', folder }, lock]
    } catch (error) {
      if (hasTag(error, 'Locked')) return [{ kind: 'others', folder }, null]
      if (!isPhasemarkError(error)) throw error
      return [{ kind: 'memory', reason: `The cache cannot be used: ${error.message}.` }, null]
    }
  }

  #request(place: BuildRequest['place']): BuildRequest {
    const { meta, raw, known, limitBytes, marginBytes = defaultMarginBytes } = this.#options
    return {
      path: meta.path,
      raw: raw ?? null,
      known,
      layout: this.layout,
      coarse: this.coarse.memory,
      unitsDone: this.#unitsDone,
      activity: this.#activity,
      place,
      limitBytes,
      marginBytes,
    }
  }

  #onEvent(event: BuildEvent, beginJob: () => void): void {
    if (this.#stop.signal.aborted) return
    if (event.kind === 'files') {
      const { finest, folder, reason } = event
      this.#finest = finest ?? this.layout.coarseLevel
      this.#reason = reason
      this.#options.onFiles(
        finest === null
          ? null
          : { layout: this.layout, folder, finest, coarse: this.coarse.memory, unitsDone: this.#unitsDone },
      )
    }
    if (Date.now() - this.#startedAt > jobAfterMs) beginJob()
    const done = this.state().blocksDone * this.layout.unitSlices
    this.#tellJob?.({
      stage: 'preparing XZ and YZ',
      done: Math.min(done, this.layout.shape[0]),
      total: this.layout.shape[0],
      unit: 'slices',
    })
    this.#announcement ??= setTimeout(() => {
      this.#announcement = null
      this.#options.onChanged(this.state())
    }, announceMs).unref()
  }

  #end(state: 'ready' | 'stopped', reason: string | null): void {
    this.#state = state
    this.#reason = reason
    if (this.#announcement !== null) clearTimeout(this.#announcement)
    this.#announcement = null
    if (!this.#closed) this.#options.onChanged(this.state())
  }

  #summary(outcome: BuildOutcome): string {
    const seconds = Math.round((Date.now() - this.#startedAt) / 1000)
    const { blocksDone, blocksTotal } = this.state()
    const part = blocksDone === blocksTotal ? 'ready' : `ready for ${blocksDone} of ${blocksTotal} blocks`
    const reason = outcome.reason ?? this.#reason
    return `XZ and YZ of ${this.#options.title} are ${part} after ${seconds} s.${reason === null ? '' : ` ${reason}`}`
  }

  /** A job that is listed only when `begin` is called, and ends as the building does. */
  #offerJob(): { begin: () => void; resolve: (summary: string) => void; reject: (error: unknown) => void } {
    const { jobs, title } = this.#options
    let begun = false
    let resolve: (summary: string) => void = () => undefined
    let reject: (error: unknown) => void = () => undefined
    const ended = new Promise<string>((onResolve, onReject) => {
      resolve = onResolve
      reject = onReject
    })
    // Nobody listens to a job that never was listed; the state tells the same.
    ended.catch(() => undefined)
    const begin = () => {
      if (begun) return
      begun = true
      jobs.start({ kind: 'pyramid', title: `Preparing XZ and YZ of ${title}`, quiet: true }, (options) => {
        this.#tellJob = options.onProgress
        options.signal.addEventListener('abort', () => {
          this.#stop.abort()
        })
        return ended
      })
    }
    return { begin, resolve, reject }
  }
}
