import { open, rm, type FileHandle } from 'node:fs/promises'
import path from 'node:path'
import { PhasemarkError } from '../../../shared/errors.ts'
import type { Shape3 } from '../../../shared/volume.ts'
import { syncFolder } from '../files/atomic-file.ts'
import type { RecordPlace } from './history.ts'
import { journalError, segmentName } from './journal-files.ts'
import { encodeSegmentHead, segmentHeadBytes } from './journal-record.ts'
import type { JournalEnd } from './snapshot.ts'

/** Size at which a segment gives way to the next. */
const defaultSegmentBytes = 64 * 2 ** 20

export interface JournalWriterOptions {
  segmentBytes?: number
  /** Opens a file; for tests of disks that fail. */
  openFile?: (file: string, flags: string) => Promise<FileHandle>
}

export interface WaitingRecord {
  sequence: number
  bytes: Buffer
}

/**
 * Appends records to the journal. What failed is cut off again before anything else is written, so that the file always ends with
 * a whole record that was answered, plus at most what is being written.
 */
export class JournalWriter {
  readonly #folder: string
  readonly #shape: Shape3
  readonly #segmentBytes: number
  readonly #openFile: NonNullable<JournalWriterOptions['openFile']>
  #end: JournalEnd
  #handle: FileHandle | null = null
  #needsNewSegment: boolean
  /** End to go back to before anything is written. */
  #cutBackTo: JournalEnd | null = null
  /** Set when the journal ends before its snapshot: there is no record at this end that could be cut off. */
  readonly #endBeforeSnapshot: JournalEnd | null
  /** Somebody else wrote to the file: it is not touched any more. */
  #foreign: PhasemarkError | null = null

  constructor(
    folder: string,
    shape: Shape3,
    start: { end: JournalEnd; needsNewSegment: boolean },
    options: JournalWriterOptions = {},
  ) {
    this.#folder = folder
    this.#shape = shape
    this.#end = start.end
    this.#needsNewSegment = start.needsNewSegment || start.end.segment === 0
    this.#endBeforeSnapshot = start.needsNewSegment ? start.end : null
    this.#segmentBytes = options.segmentBytes ?? defaultSegmentBytes
    this.#openFile = options.openFile ?? open
  }

  /** Where the next record belongs. */
  get end(): JournalEnd {
    return this.#cutBackTo ?? this.#end
  }

  /** The file that is written, for messages. */
  get file(): string {
    return path.join(this.#folder, segmentName(Math.max(1, this.#end.segment)))
  }

  /**
   * Writes records behind the last one; they are safe after {@link sync}.
   * Throws `NoSpace`, `NotWritable`, or `Locked` when somebody else wrote to the file; call {@link cutBack} then.
   */
  async append(records: readonly WaitingRecord[]): Promise<RecordPlace[]> {
    if (this.#foreign !== null) throw this.#foreign
    try {
      if (this.#cutBackTo !== null) await this.#cut(this.#cutBackTo)
      const places: RecordPlace[] = []
      let waiting: Buffer[] = []
      for (const { sequence, bytes } of records) {
        const full =
          this.#end.offset > segmentHeadBytes && this.#end.offset + bytes.length > this.#segmentBytes
        if (full || this.#needsNewSegment) {
          await this.#write(waiting)
          waiting = []
          await this.#beginSegment(sequence)
        }
        places.push({ ...this.#end, length: bytes.length })
        waiting.push(bytes)
        this.#end = { ...this.#end, offset: this.#end.offset + bytes.length }
      }
      await this.#write(waiting)
      return places
    } catch (error) {
      throw journalError(this.file, error)
    }
  }

  /** Puts everything written on the disk. Throws as {@link append}. */
  async sync(): Promise<void> {
    try {
      await this.#handle?.datasync()
    } catch (error) {
      throw journalError(this.file, error)
    }
  }

  /**
   * Forgets everything behind `end`. When the disk does not even let it be cut off, that is done before the next record is written;
   * until then it is what a reader takes for a torn end, or for edits that were made after all.
   */
  async cutBack(end: JournalEnd): Promise<void> {
    if (this.#foreign !== null) return
    this.#cutBackTo ??= end
    try {
      await this.#cut(this.#cutBackTo)
    } catch {
      // Told already by the failure that led here; `append` tries again and throws.
    }
  }

  async #cut(end: JournalEnd): Promise<void> {
    const last = this.#end.segment
    await this.#close()
    // A segment that was begun is taken back: the next record begins it again.
    this.#needsNewSegment ||= end.segment !== last
    for (let segment = last; segment > end.segment; segment--)
      await rm(path.join(this.#folder, segmentName(segment)), { force: true })
    if (end.segment !== last) await syncFolder(this.#folder)
    if (end.segment > 0 && end !== this.#endBeforeSnapshot) {
      const handle = await this.#openFile(path.join(this.#folder, segmentName(end.segment)), 'r+')
      try {
        const { size } = await handle.stat()
        if (size > end.offset) {
          await handle.truncate(end.offset)
          await handle.datasync()
        }
      } finally {
        await handle.close()
      }
    }
    this.#end = end
    this.#cutBackTo = null
  }

  async #beginSegment(firstSequence: number): Promise<void> {
    if (this.#handle !== null) {
      await this.#handle.datasync()
      await this.#close()
    }
    const segment = this.#end.segment + 1
    const file = path.join(this.#folder, segmentName(segment))
    this.#handle = await this.#openFile(file, 'wx')
    this.#end = { segment, offset: 0 }
    this.#needsNewSegment = false
    const head = encodeSegmentHead({ shape: this.#shape, firstSequence })
    await writeAt(this.#handle, head, 0)
    this.#end = { segment, offset: head.length }
    await syncFolder(this.#folder)
  }

  /** Writes pieces that end where {@link end} is now. */
  async #write(pieces: readonly Buffer[]): Promise<void> {
    const bytes = pieces.length === 1 ? pieces[0] : Buffer.concat(pieces)
    if (bytes.length === 0) return
    const start = this.#end.offset - bytes.length
    this.#handle ??= await this.#openFile(this.file, 'r+')
    const { size } = await this.#handle.stat()
    if (size !== start) {
      this.#foreign = new PhasemarkError(
        'Locked',
        `${this.file}: expected ${start} bytes as they were left, found ${size}: another process writes to these labels, which are not written here any more`,
        { path: this.file, owner: 'another process' },
      )
      throw this.#foreign
    }
    await writeAt(this.#handle, bytes, start)
  }

  async #close(): Promise<void> {
    const handle = this.#handle
    this.#handle = null
    await handle?.close()
  }

  async close(): Promise<void> {
    try {
      await this.#close()
    } catch (error) {
      throw journalError(this.file, error)
    }
  }
}

/** Writes all of `bytes`: a single write may stop short of that, on a full disk for one. */
async function writeAt(handle: FileHandle, bytes: Buffer, position: number): Promise<void> {
  for (let done = 0; done < bytes.length;) {
    const { bytesWritten } = await handle.write(bytes, done, bytes.length - done, position + done)
    done += bytesWritten
  }
}
