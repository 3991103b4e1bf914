import type { VoxelBox } from '../../../shared/annotation/edit.ts'
import type { LabelChange } from '../../../shared/contract/labels.ts'
import { PhasemarkError } from '../../../shared/errors.ts'
import type { History, RecordPlace } from './history.ts'
import { encodeRecord, type RecordContent } from './journal-record.ts'
import type { WaitingRecord } from './journal-writer.ts'
import type { AppendRecords, LabelJournal } from './label-journal.ts'
import type { LabelVoxels } from './label-voxels.ts'

/** What an operation did, for its answer. */
export interface Outcome {
  editId: string | null
  box: VoxelBox | null
  voxels: number
}

/** Adds a record to what is written before the operation is answered. */
export type PutRecord = (content: RecordContent, changes?: Uint8Array) => Promise<void>

interface Operation {
  editId: string | null
  /** Not in one batch with others. */
  alone: boolean
  carryOut: (put: PutRecord) => Promise<Outcome>
  /** Called when it is in force and on disk, before anything else is. */
  onDone: () => void
  resolve: (change: LabelChange) => void
  reject: (error: unknown) => void
}

interface Done {
  operation: Operation
  outcome: Outcome
  /** Labelled voxels after it. */
  counts: number[]
  /** Number of records up to its end. */
  records: number
}

/** Records that wait in memory before they are handed to the disk, within one batch. */
const waitingBytes = 8 * 2 ** 20
/** Operations that are flushed together at most. */
const largestBatch = 256

/**
 * Carries out operations one after the other. An operation changes the labels in memory and puts records; then everything of the batch
 * is written and flushed, and only then answered and added to the history. When that fails, the labels are rolled back and the whole
 * batch is rejected. States: idle → collecting → writing → (answered | rolled back) → idle.
 */
export class EditQueue {
  readonly #labels: { volumeId: string; voxels: LabelVoxels; history: History; journal: LabelJournal }
  readonly #listeners: {
    onChange: (change: LabelChange) => void
    onWritten: (bytes: number, records: number) => void
  }
  readonly #waiting: Operation[] = []
  #isWorking = false
  #batch: Promise<void> = Promise.resolve()
  #closed = false

  constructor(
    labels: { volumeId: string; voxels: LabelVoxels; history: History; journal: LabelJournal },
    listeners: {
      onChange: (change: LabelChange) => void
      onWritten: (bytes: number, records: number) => void
    },
  ) {
    this.#labels = labels
    this.#listeners = listeners
  }

  /**
   * Carries out an operation when its turn has come. `carryOut` leaves the labels unchanged when it throws, and decides by what is in
   * force when it is called.
   */
  async run(
    { editId, alone }: Pick<Operation, 'editId' | 'alone'>,
    carryOut: Operation['carryOut'],
    onDone: Operation['onDone'] = () => undefined,
  ): Promise<LabelChange> {
    if (this.#closed)
      throw new PhasemarkError('WrongUsage', 'the labels were closed before this edit could be made', {})
    return await new Promise<LabelChange>((resolve, reject) => {
      this.#waiting.push({ editId, alone, carryOut, onDone, resolve, reject })
      if (!this.#isWorking) void this.#work()
    })
  }

  /** Resolves when nothing in memory is ahead of the disk. */
  async settled(): Promise<void> {
    while (this.#labels.voxels.hasChanges) await this.#batch
  }

  /** Finishes what waits, takes nothing more, and lets `last` put a record. */
  async close(last: (put: PutRecord) => Promise<void>): Promise<void> {
    const finish = this.run({ editId: null, alone: true }, async (put) => {
      await last(put)
      return { editId: null, box: null, voxels: 0 }
    })
    this.#closed = true
    await finish
  }

  /** What is in force now, for an answer. */
  changeOf(outcome: Outcome, counts = Array.from(this.#labels.voxels.counts)): LabelChange {
    const { volumeId, history } = this.#labels
    return {
      volumeId,
      sequence: history.sequence,
      editId: outcome.editId,
      changed: outcome.box,
      changedVoxels: outcome.voxels,
      counts,
      canUndo: history.inForce > 0,
      canRedo: history.inForce < history.steps.length,
      newest: history.newest,
      historyLength: history.inForce,
    }
  }

  async #work(): Promise<void> {
    this.#isWorking = true
    // What comes in the same turn is flushed together.
    await Promise.resolve()
    while (this.#waiting.length > 0) {
      this.#batch = this.#runBatch()
      await this.#batch
    }
    this.#isWorking = false
  }

  async #runBatch(): Promise<void> {
    const { voxels, journal, history } = this.#labels
    const batch = this.#takeBatch()
    const done: Done[] = []
    let written: WrittenRecord[]
    voxels.begin()
    try {
      written = await journal.transaction((append) => this.#collect(batch, append, done))
    } catch (error) {
      voxels.rollback()
      for (const operation of batch) operation.reject(error)
      return
    }
    voxels.commit()
    let next = 0
    for (const { operation, outcome, counts, records } of done) {
      const changed = next < records
      for (; next < records; next++) {
        const { sequence, content, place } = written[next]
        history.advance(sequence, content, place)
      }
      const change = this.changeOf(outcome, counts)
      operation.onDone()
      operation.resolve(change)
      if (changed) this.#listeners.onChange(change)
    }
    const bytes = written.reduce((sum, { place }) => sum + place.length, 0)
    if (written.length > 0) this.#listeners.onWritten(bytes, written.length)
  }

  /** Carries out the operations of a batch and appends their records; `done` holds those that will be answered. */
  async #collect(batch: readonly Operation[], append: AppendRecords, done: Done[]): Promise<WrittenRecord[]> {
    const { voxels, history } = this.#labels
    const written: WrittenRecord[] = []
    let contents: RecordContent[] = []
    let waiting: WaitingRecord[] = []
    let bytesWaiting = 0
    let sequence = history.sequence
    const flush = async () => {
      if (waiting.length === 0) return
      const places = await append(waiting)
      for (const [i, place] of places.entries())
        written.push({ sequence: waiting[i].sequence, content: contents[i], place })
      waiting = []
      contents = []
      bytesWaiting = 0
    }
    const put: PutRecord = async (content, changes) => {
      const bytes = encodeRecord(++sequence, content, changes)
      waiting.push({ sequence, bytes })
      contents.push(content)
      bytesWaiting += bytes.length
      // In company, a disk that fails must not look like an edit that cannot be made.
      if (bytesWaiting > waitingBytes && batch.length === 1) await flush()
    }
    for (const operation of batch) {
      const entry: Done = {
        operation,
        outcome: { editId: null, box: null, voxels: 0 },
        counts: [],
        records: written.length + waiting.length,
      }
      try {
        entry.outcome = await operation.carryOut(put)
      } catch (error) {
        // By itself, its records are cut off with the batch. In company, it failed before it put any.
        if (batch.length === 1) throw error
        operation.reject(error)
        continue
      }
      entry.records = written.length + waiting.length
      entry.counts = Array.from(voxels.counts)
      done.push(entry)
    }
    await flush()
    return written
  }

  /** The next operations that go together: one that is alone, or those up to the next that is, each edit once. */
  #takeBatch(): Operation[] {
    const batch: Operation[] = []
    const ids = new Set<string>()
    while (batch.length < largestBatch) {
      const next = this.#waiting.at(0)
      if (next === undefined || (batch.length > 0 && next.alone)) break
      if (next.editId !== null && ids.has(next.editId)) break
      if (next.editId !== null) ids.add(next.editId)
      batch.push(next)
      this.#waiting.shift()
      if (next.alone) break
    }
    return batch
  }
}

interface WrittenRecord {
  sequence: number
  content: RecordContent
  place: RecordPlace
}
