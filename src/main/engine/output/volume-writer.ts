import { rename, rmdir } from 'node:fs/promises'
import path from 'node:path'
import { Worker } from 'node:worker_threads'
import { fromErrorData, PhasemarkError, throwIfCancelled } from '../../../shared/errors.ts'
import type { ListedMaterial } from '../../../shared/materials.ts'
import type { Dtype, Shape3, TypedArray, VoxelSize } from '../../../shared/volume.ts'
import { makeFolder, syncFolder } from '../files/atomic-file.ts'
import { writeError } from '../files/write-error.ts'
import { describeLabels } from '../labels/label-metadata.ts'
import { workerUrl } from '../worker-url.ts'
import { partialPathOf } from './output-guard.ts'
import { kindOfPlace, readBigTiffState, readStackState } from './output-state.ts'
import type { SinkStart } from './slice-sink.ts'
import type { WriterReply, WriterRequest } from './slice-writer-worker.ts'
import { imageDescription, type PageFormat } from './tiff-encoding.ts'

export type OutputFormat = 'tiff-stack' | 'bigtiff'

export interface VolumeWriterOptions {
  /** Folder (`tiff-stack`) or file (`bigtiff`) that the finished volume gets. */
  path: string
  format: OutputFormat
  shape: Shape3
  dtype: Dtype
  voxelSize: VoxelSize | null
  /** Length shape[0]; names of the files of a `tiff-stack`, without ending. */
  sliceNames: readonly string[]
  /** Materials of a label volume: names and values go into the files, colours too when all values fit into 8 bits. */
  colourTable?: readonly ListedMaterial[]
  /** Value that means unlabelled, written beside the materials; `null` when there is none. */
  unlabelledValue?: number | null
  /** Further lines for the image description, ASCII. A resumed output must have the same ones. */
  description?: readonly string[]
  /** Goes on with what an interrupted writer left behind. */
  resume: boolean
  /** Default: deflate for integers, none for floating point, which hardly shrinks. */
  compression?: 'deflate' | 'none'
}

/** Writes a volume slice by slice, in order. Everything heavy happens in a worker thread. */
export interface VolumeWriter {
  /** The first slice to write: 0, or how many were whole when an interrupted output was resumed. */
  readonly nextSlice: number
  /**
   * Hands over slice `z`, C order (y, x), which must be the next one; `data` stays the caller's. Resolves when there is
   * room for another slice, not when this one is on the disk: an error of one slice comes with a later call or `close`.
   * Throws `NoSpace`, `NotWritable`, `Cancelled` through the signal.
   */
  writeSlice(z: number, data: TypedArray, options?: { signal?: AbortSignal }): Promise<void>
  /** Waits until all slices are on the disk, then gives the output its name. All slices must have been written. */
  close(): Promise<void>
  /** Stops and keeps what is whole under `PATH.partial`, for a later resume. Safe to call after an error. */
  abort(): Promise<void>
}

/** Slices on their way to the disk: one being written, one waiting. */
const slicesUnderWay = 2
const largestPaletteValue = 255

/**
 * Starts or resumes an output. It grows in `PATH.partial`; the name `PATH` appears only when it is complete.
 *
 * Throws `OutputExists` when something is there and `resume` is false, `WrongUsage` when a resumed output was begun with
 * other settings, `NotWritable`, `NoSpace`.
 */
export async function openVolumeWriter(options: VolumeWriterOptions): Promise<VolumeWriter> {
  const [depth, height, width] = options.shape
  if (
    options.sliceNames.length !== depth ||
    options.sliceNames.some((name) => path.basename(name) !== name)
  ) {
    throw new PhasemarkError('Internal', `expected ${depth} slice names without folders`, {})
  }
  const format: PageFormat = {
    height,
    width,
    dtype: options.dtype,
    compression: options.compression ?? (options.dtype.startsWith('float') ? 'none' : 'deflate'),
    voxelSize: options.voxelSize,
    palette: paletteOf(options),
    description: descriptionOf(options),
  }
  const state = await findState(options, format)
  if (state === 'complete') return createCompleteWriter(depth)
  return createWorkerWriter(options, state)
}

function descriptionOf(options: VolumeWriterOptions): string {
  const lines = [...(options.description ?? [])]
  if (options.colourTable !== undefined) {
    const materials = options.colourTable.map(({ value, name, colour }) =>
      colour === undefined ? { value, name } : { value, name, colour },
    )
    lines.push(describeLabels({ materials, unlabelled: options.unlabelledValue ?? null }))
  }
  const slices = options.format === 'bigtiff' ? options.shape[0] : 1
  return imageDescription(options.voxelSize, slices, lines)
}

/** Colours by value for 8-bit labels; values without a material are black. */
function paletteOf({ colourTable, dtype }: VolumeWriterOptions): string[] | null {
  if (colourTable === undefined || dtype !== 'uint8') return null
  if (colourTable.some(({ value }) => value < 0 || value > largestPaletteValue)) return null
  const palette = new Array<string>(largestPaletteValue + 1).fill('#000000')
  for (const { value, colour } of colourTable) palette[value] = colour ?? '#ffffff'
  return palette
}

async function findState(
  options: VolumeWriterOptions,
  format: PageFormat,
): Promise<{ nextSlice: number; start: SinkStart } | 'complete'> {
  const { path: output, sliceNames } = options
  const partial = partialPathOf(output)
  const [atOutput, atPartial] = [await kindOfPlace(output), await kindOfPlace(partial)]
  const taken = [
    { place: output, kind: atOutput },
    { place: partial, kind: atPartial },
  ].find(({ kind }) => kind === 'file' || kind === 'folder')
  if (taken !== undefined && !options.resume) {
    throw new PhasemarkError('OutputExists', `${taken.place}: exists already`, { path: taken.place })
  }
  if (options.format === 'tiff-stack') {
    requireKind(output, atOutput, 'folder')
    requireKind(partial, atPartial, 'folder')
    if (atOutput === 'folder') {
      return await requireComplete(
        output,
        (await readStackState(output, sliceNames, format)).wholeSlices,
        options,
      )
    }
    await makeFolder(partial)
    const nextSlice = (await readStackState(partial, sliceNames, format)).wholeSlices
    return {
      nextSlice,
      start: { kind: 'tiff-stack', format, folder: partial, names: sliceNames, nextSlice },
    }
  }
  requireKind(output, atOutput, 'file')
  requireKind(partial, atPartial, 'file')
  if (atOutput === 'file') {
    return await requireComplete(output, (await readBigTiffState(output, format)).wholeSlices, options)
  }
  await makeFolder(path.dirname(path.resolve(output)))
  const state =
    atPartial === 'file' ? await readBigTiffState(partial, format) : { wholeSlices: 0, resumeAt: null }
  return {
    nextSlice: state.wholeSlices,
    start: { kind: 'bigtiff', format, file: partial, resumeAt: state.resumeAt },
  }
}

function requireKind(
  place: string,
  found: Awaited<ReturnType<typeof kindOfPlace>>,
  wanted: 'file' | 'folder',
): void {
  const fits = wanted === 'folder' ? found !== 'file' : found === 'nothing' || found === 'file'
  if (!fits) {
    throw new PhasemarkError('OutputExists', `${place}: expected a ${wanted} or nothing, found a ${found}`, {
      path: place,
    })
  }
}

/** The output has its final name already: then it must be whole, and there is nothing left to do. */
function requireComplete(
  place: string,
  wholeSlices: number,
  options: VolumeWriterOptions,
): Promise<'complete'> {
  if (wholeSlices === options.shape[0]) return Promise.resolve('complete')
  throw new PhasemarkError(
    'OutputExists',
    `${place}: expected nothing or the ${options.shape[0]} slices of this result, found ${wholeSlices} of them`,
    { path: place },
  )
}

function createCompleteWriter(depth: number): VolumeWriter {
  return {
    nextSlice: depth,
    writeSlice: (z) =>
      Promise.reject(new PhasemarkError('Internal', `slice ${z} of an output that is complete`, {})),
    close: () => Promise.resolve(),
    abort: () => Promise.resolve(),
  }
}

function createWorkerWriter(
  options: VolumeWriterOptions,
  { nextSlice, start }: { nextSlice: number; start: SinkStart },
): VolumeWriter {
  const [depth, height, width] = options.shape
  const connection = connectWorker(start)
  const underWay: Promise<void>[] = []
  let next = nextSlice
  let ended = false

  async function settle(allowed: number): Promise<void> {
    while (underWay.length > allowed) await underWay.shift()
  }

  async function abort(): Promise<void> {
    if (ended) return
    ended = true
    await Promise.allSettled(underWay)
    try {
      await connection.request({ kind: 'abandon' })
    } finally {
      await connection.ended
    }
  }

  return {
    nextSlice,
    async writeSlice(z, data, { signal } = {}) {
      throwIfCancelled(signal)
      if (ended || z !== next || data.length !== height * width) {
        throw new PhasemarkError(
          'Internal',
          `expected slice ${next} of ${height * width} voxels, found slice ${z} of ${data.length}`,
          {},
        )
      }
      await settle(slicesUnderWay - 1)
      next++
      const copy = data.slice()
      underWay.push(connection.request({ kind: 'write', slice: copy }, [copy.buffer]))
    },
    async close() {
      if (ended) return
      if (next !== depth) {
        throw new PhasemarkError('Internal', `expected ${depth} slices before the end, found ${next}`, {})
      }
      try {
        await settle(0)
      } catch (error) {
        await abort()
        throw error
      }
      ended = true
      try {
        await connection.request({ kind: 'finish' })
      } finally {
        await connection.ended
      }
      await nameOutput(options)
    },
    abort,
  }
}

/** `PATH.partial` becomes `PATH`, for good. */
async function nameOutput({ path: output, format }: VolumeWriterOptions): Promise<void> {
  const partial = partialPathOf(output)
  try {
    if (format === 'tiff-stack') {
      await syncFolder(partial)
      // Not every system replaces an empty folder by renaming.
      if ((await kindOfPlace(output)) === 'empty folder') await rmdir(output)
    }
    await rename(partial, output)
  } catch (error) {
    throw writeError(output, error)
  }
  await syncFolder(path.dirname(path.resolve(output)))
}

interface WorkerConnection {
  /** Settles when the worker has carried out the request. */
  request(message: WriterRequest, transfer?: ArrayBuffer[]): Promise<void>
  /** Resolves when the thread has ended. */
  ended: Promise<void>
}

function connectWorker(start: SinkStart): WorkerConnection {
  const worker = new Worker(workerUrl(import.meta.url, 'slice-writer-worker'), {
    workerData: start,
    // Options of the process, such as --input-type, need not fit a thread.
    execArgv: [],
  })
  const waiting: { resolve: () => void; reject: (error: unknown) => void }[] = []
  let failure: unknown = null
  let ending = false
  const ended = new Promise<void>((resolve) => {
    worker.once('exit', () => {
      failure ??= new PhasemarkError('Internal', 'the writer thread has ended', {})
      for (const { reject } of waiting.splice(0)) reject(failure)
      resolve()
    })
  })
  worker.on('error', (error) => {
    failure = error
  })
  worker.on('message', ({ error }: WriterReply) => {
    const request = waiting.shift()
    // An idle writer that nobody ends must not keep the process alive.
    if (waiting.length === 0 && !ending) worker.unref()
    if (error === null) request?.resolve()
    else request?.reject(fromErrorData(error))
  })
  return {
    ended,
    request(message, transfer = []) {
      const answered = new Promise<void>((resolve, reject) => {
        // Handed on as the thread raised it.
        // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors
        if (failure !== null) reject(failure)
        else waiting.push({ resolve, reject })
      })
      // Looked at later, by whoever awaits it; until then a failure is not unhandled.
      answered.catch(() => undefined)
      if (failure === null) {
        ending ||= message.kind !== 'write'
        worker.ref()
        worker.postMessage(message, transfer)
      }
      return answered
    },
  }
}
