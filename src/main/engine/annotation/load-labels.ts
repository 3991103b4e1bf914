import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { badInput } from '../../../shared/errors.ts'
import type { Shape3 } from '../../../shared/volume.ts'
import { systemErrorCode } from '../files/system-error.ts'
import { Breaks } from './breaks.ts'
import { MalformedChanges } from './changes.ts'
import { History, type RecordPlace } from './history.ts'
import { listLabelFiles, readError, RecordReader, segmentName, type Damage } from './journal-files.ts'
import {
  decodeRecord,
  decodeSegmentHead,
  hasRecordBehind,
  segmentHeadBytes,
  type DecodedRecord,
} from './journal-record.ts'
import { LabelVoxels, type MemoryLimits } from './label-voxels.ts'
import { readSnapshot, type JournalEnd } from './snapshot.ts'
import { stageMove, stageRecords } from './stage-records.ts'
import { StagedChanges } from './staged-changes.ts'

export interface LoadedLabels {
  voxels: LabelVoxels
  history: History
  /** Where the next record belongs. */
  end: JournalEnd
  /** The journal ends before the snapshot does: the next record begins a new segment. */
  needsNewSegment: boolean
  damage: Damage | null
  /** Snapshots that could not be used. */
  warnings: string[]
  snapshot: { sequence: number; bytes: number } | null
  /** Bytes of journal read behind the snapshot. */
  replayedBytes: number
  /** Bytes of all files. */
  bytes: number
}

export interface LoadOptions {
  /** Stops at this sequence, to see labels as they were. */
  upTo?: number
  limits?: Partial<MemoryLimits>
}

/**
 * Reads labels from their folder: the newest usable snapshot, then the journal behind it as far as it is whole. Writes nothing, and
 * may be used while another process is writing: a record that is not whole yet does not exist yet.
 * Throws `BadInput` for a journal of another shape or of a newer version.
 */
export async function loadLabels(
  folder: string,
  shape: Shape3,
  options: LoadOptions = {},
): Promise<LoadedLabels> {
  const reader = new RecordReader(folder)
  try {
    return await new Loader(folder, shape, options, reader).load()
  } finally {
    await reader.close()
  }
}

class Loader {
  readonly #folder: string
  readonly #shape: Shape3
  readonly #options: LoadOptions
  readonly #reader: RecordReader
  #voxels: LabelVoxels
  #history = new History()
  #end: JournalEnd = { segment: 0, offset: 0 }
  #damage: Damage | null = null
  #replayedBytes = 0
  readonly #breaks = new Breaks()

  constructor(folder: string, shape: Shape3, options: LoadOptions, reader: RecordReader) {
    this.#folder = folder
    this.#shape = shape
    this.#options = options
    this.#reader = reader
    this.#voxels = new LabelVoxels(shape, options.limits)
  }

  async load(): Promise<LoadedLabels> {
    const warnings: string[] = []
    const files = await listLabelFiles(this.#folder)
    const upTo = this.#options.upTo ?? Infinity
    let snapshot: LoadedLabels['snapshot'] = null
    for (const sequence of files.snapshots.filter((sequence) => sequence <= upTo).reverse()) {
      const found = await readSnapshot(this.#folder, sequence, this.#shape, this.#options.limits)
      if (typeof found === 'string') {
        warnings.push(`${found}; the journal is read instead`)
        continue
      }
      this.#voxels = found.voxels
      this.#history = found.history
      this.#end = found.end
      snapshot = { sequence, bytes: found.bytes }
      break
    }
    const behind = files.segments.filter((segment) => segment >= this.#end.segment)
    let needsNewSegment = false
    for (const [i, segment] of behind.entries()) {
      if (this.#history.sequence >= upTo) break
      const later = behind.slice(i + 1)
      const bytes = await this.#readSegment(segment)
      const isStart = segment === this.#end.segment && snapshot !== null
      if (isStart && bytes.length < this.#end.offset) {
        needsNewSegment = true
        continue
      }
      await this.#replaySegment(segment, bytes, isStart ? this.#end.offset : 0, later)
      if (this.#damage !== null) break
      needsNewSegment = false
    }
    if (snapshot !== null && this.#end.segment > 0 && !behind.includes(this.#end.segment))
      needsNewSegment = true
    if (this.#damage !== null)
      this.#damage.snapshots = files.snapshots.filter((sequence) => sequence > this.#history.sequence)
    return {
      voxels: this.#voxels,
      history: this.#history,
      end: needsNewSegment
        ? { segment: Math.max(this.#end.segment, ...files.segments), offset: this.#end.offset }
        : this.#end,
      needsNewSegment,
      damage: this.#damage,
      warnings,
      snapshot,
      replayedBytes: this.#replayedBytes,
      bytes: files.bytes,
    }
  }

  async #readSegment(segment: number): Promise<Buffer> {
    const file = path.join(this.#folder, segmentName(segment))
    try {
      return await readFile(file)
    } catch (error) {
      throw readError(file, error)
    }
  }

  async #replaySegment(segment: number, bytes: Buffer, from: number, laterSegments: number[]): Promise<void> {
    let offset = from
    const damaged = (reason: string, recordsFollow: boolean) => {
      this.#damage = {
        kind: recordsFollow || laterSegments.length > 0 ? 'damaged' : 'torn',
        segment,
        offset,
        bytes: bytes.length - offset,
        laterSegments,
        snapshots: [],
        reason,
      }
    }
    if (from === 0) {
      const head = decodeSegmentHead(bytes)
      const file = path.join(this.#folder, segmentName(segment))
      if (head === 'newer')
        throw badInput(file, 'a label journal of version 1', 'one of a newer version of Phasemark')
      if (typeof head === 'string') {
        damaged('its head cannot be read', hasRecordBehind(bytes, 0, 0))
        return
      }
      if (head.shape.some((extent, axis) => extent !== this.#shape[axis]))
        throw badInput(
          file,
          `labels of ${this.#shape.join(' × ')} voxels (z, y, x)`,
          `labels of ${head.shape.join(' × ')}`,
        )
      if (head.firstSequence !== this.#history.sequence + 1) {
        damaged(`it begins with record ${head.firstSequence}, not ${this.#history.sequence + 1}`, true)
        return
      }
      offset = segmentHeadBytes
      this.#end = { segment, offset }
    }
    const upTo = this.#options.upTo ?? Infinity
    while (offset < bytes.length && this.#history.sequence < upTo) {
      const next = this.#history.sequence + 1
      const record = decodeRecord(bytes, offset)
      if (typeof record === 'string') {
        const reason = record === 'ends' ? `record ${next} ends early` : `record ${next} is damaged`
        damaged(reason, hasRecordBehind(bytes, offset, next))
        return
      }
      if (record.sequence !== next) {
        damaged(`record ${record.sequence} is where ${next} should be`, true)
        return
      }
      const place = { segment, offset, length: record.length }
      try {
        await this.#replay(record, place)
      } catch (error) {
        if (!isUnusable(error)) throw error
        damaged(`record ${next} is no use: ${error.message}`, true)
        return
      }
      offset += record.length
      this.#replayedBytes += record.length
      this.#end = { segment, offset }
      if (this.#breaks.isDue) await this.#breaks.take()
    }
  }

  /** Carries out a record of the journal on labels and history. Throws when it does not fit them; then nothing has changed. */
  async #replay(record: DecodedRecord, place: RecordPlace): Promise<void> {
    const { content, sequence } = record
    let staged: StagedChanges | null = null
    if (content.type === 'edit') {
      const parts = this.#history.partsOf(content)
      if (parts === null) throw new MalformedChanges('some of its parts are missing')
      staged = new StagedChanges(this.#voxels, this.#breaks)
      await stageRecords(staged, parts, this.#reader, 'forward')
      await staged.apply(await record.changes(), 'forward')
    } else if (content.type === 'move') {
      const target = this.#history.positionOf(content.to)
      if (target === undefined) throw new MalformedChanges(`there is no edit ${content.to} to go to`)
      staged = new StagedChanges(this.#voxels, this.#breaks)
      await stageMove(staged, this.#history, target, this.#reader)
    }
    await staged?.install()
    this.#history.advance(sequence, content, place)
  }
}

/** Whether a record cannot be carried out because of what it, or one that it refers to, says. */
function isUnusable(error: unknown): error is Error {
  if (error instanceof MalformedChanges) return true
  if (!(error instanceof Error)) return false
  // Damaged deflated bytes, and records that are no longer where they were.
  const code = 'code' in error && typeof error.code === 'string' ? error.code : ''
  if (code.startsWith('Z_') || code === 'ERR_BUFFER_TOO_LARGE') return true
  return '_tag' in error && (error._tag === 'BadInput' || error._tag === 'NotFound')
}

/** As {@link loadLabels}, again when files changed their names in between: a snapshot or a segment may have come or gone. */
export async function loadLabelsBesideWriter(
  folder: string,
  shape: Shape3,
  options: LoadOptions = {},
): Promise<LoadedLabels> {
  for (let attempt = 1; ; attempt++)
    try {
      const loaded = await loadLabels(folder, shape, options)
      // A snapshot that was there when the folder was listed and then gave way is no damage.
      if (loaded.warnings.length === 0 || attempt === 3) return loaded
    } catch (error) {
      const gone = error instanceof Error && systemErrorCode(error.cause) === 'ENOENT'
      if (!gone || attempt === 3) throw error
    }
}
