import { closeSync, fsyncSync, ftruncateSync, openSync, renameSync, rmSync, writeSync } from 'node:fs'
import path from 'node:path'
import type { TypedArray } from '../../../shared/volume.ts'
import { writeError } from '../files/write-error.ts'
import {
  bigTiffFirstPointerAt,
  bigTiffHeader,
  encodeBigTiffPage,
  encodeTiffFile,
  type PageFormat,
} from './tiff-encoding.ts'

/**
 * Puts slices on the disk, one after the other, in the writer's worker thread. Synchronous: the thread has nothing else
 * to do. What a sink has made stays readable whenever the process dies.
 */
export interface SliceSink {
  /** Writes the next slice. Throws `NoSpace` or `NotWritable`; earlier slices stay as they are. */
  write(slice: TypedArray): void
  /** Makes everything last on the disk and closes. */
  finish(): void
  /** Closes without regard to what is not on the disk yet. */
  abandon(): void
}

/** How a sink starts; plain data, so that it can be sent to the worker. */
export type SinkStart =
  | { kind: 'tiff-stack'; format: PageFormat; folder: string; names: readonly string[]; nextSlice: number }
  | { kind: 'bigtiff'; format: PageFormat; file: string; resumeAt: BigTiffPosition | null }

/** Where a BigTIFF file that is being written ends. */
export interface BigTiffPosition {
  /** Bytes of whole pages; the file is cut back to this length. */
  length: number
  /** Position of the pointer that the next page goes into. */
  nextPointerAt: number
}

export function createSink(start: SinkStart): SliceSink {
  return start.kind === 'tiff-stack'
    ? createStackSink(start.format, start.folder, start.names, start.nextSlice)
    : createBigTiffSink(start.format, start.file, start.resumeAt)
}

/** Names of files that are still being written; never taken for slices. */
export const unfinishedSuffix = '.unfinished'

/** One file per slice; each appears under its name only when it is whole and on the disk. */
function createStackSink(
  format: PageFormat,
  folder: string,
  names: readonly string[],
  nextSlice: number,
): SliceSink {
  let z = nextSlice
  return {
    write(slice) {
      const file = path.join(folder, `${names[z]}.tif`)
      const unfinished = `${file}${unfinishedSuffix}`
      try {
        const descriptor = openSync(unfinished, 'w')
        try {
          writeAll(descriptor, encodeTiffFile(format, slice), null)
          fsyncSync(descriptor)
        } finally {
          closeSync(descriptor)
        }
        renameSync(unfinished, file)
      } catch (error) {
        rmSync(unfinished, { force: true })
        throw writeError(file, error)
      }
      z++
    },
    finish: () => undefined,
    abandon: () => undefined,
  }
}

/** Pages reach the disk at least this often, and with every slice that took longer. */
const syncEveryMs = 1000

/**
 * All slices in one BigTIFF file. A page counts from the moment in which the directory before it points to it, and that
 * pointer is set only when the page is on the disk: walking the directories finds the end of what is whole.
 */
function createBigTiffSink(format: PageFormat, file: string, resumeAt: BigTiffPosition | null): SliceSink {
  const descriptor = openForAppending(file, resumeAt)
  let { length, nextPointerAt } = resumeAt ?? {
    length: bigTiffHeader().length,
    nextPointerAt: bigTiffFirstPointerAt,
  }
  let lastSync = Date.now()
  /** Set by the first page since the last sync: what has to be written where to make the pages count. */
  let commit: { pointerAt: number; page: number } | null = null

  function sync(): void {
    fsyncSync(descriptor)
    if (commit !== null) writePointer(commit.pointerAt, commit.page)
    commit = null
    lastSync = Date.now()
  }

  function writePointer(at: number, page: number): void {
    const pointer = Buffer.alloc(8)
    pointer.writeBigUInt64LE(BigInt(page))
    writeAll(descriptor, pointer, at)
  }

  return {
    write(slice) {
      try {
        const page = encodeBigTiffPage(format, slice, length)
        writeAll(descriptor, page.bytes, length)
        if (commit === null) commit = { pointerAt: nextPointerAt, page: length }
        else writePointer(nextPointerAt, length)
        length += page.bytes.length
        nextPointerAt = page.nextPointerAt
        if (Date.now() - lastSync >= syncEveryMs) sync()
      } catch (error) {
        throw writeError(file, error)
      }
    },
    finish() {
      try {
        sync()
        fsyncSync(descriptor)
      } catch (error) {
        throw writeError(file, error)
      } finally {
        closeSync(descriptor)
      }
    },
    abandon() {
      try {
        sync()
      } catch (error) {
        throw writeError(file, error)
      } finally {
        closeSync(descriptor)
      }
    },
  }
}

function openForAppending(file: string, resumeAt: BigTiffPosition | null): number {
  try {
    const descriptor = openSync(file, resumeAt === null ? 'w' : 'r+')
    if (resumeAt === null) {
      writeAll(descriptor, bigTiffHeader(), 0)
    } else {
      ftruncateSync(descriptor, resumeAt.length)
      // The last page may point to a page that was cut off.
      writeAll(descriptor, new Uint8Array(8), resumeAt.nextPointerAt)
    }
    return descriptor
  } catch (error) {
    throw writeError(file, error)
  }
}

/** Writes every byte; a single call may write fewer. `position` null appends. */
function writeAll(descriptor: number, bytes: Uint8Array, position: number | null): void {
  let done = 0
  while (done < bytes.length) {
    const at = position === null ? null : position + done
    done += writeSync(descriptor, bytes, done, bytes.length - done, at)
  }
}
