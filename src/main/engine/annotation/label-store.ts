import { randomUUID } from 'node:crypto'
import type { LabelEdit, PlaneAxis, Rectangle, VoxelBox } from '../../../shared/annotation/edit.ts'
import type {
  HistoryEntry,
  JournalState,
  LabelChange,
  LabelState,
  LabelVersion,
} from '../../../shared/contract/labels.ts'
import { badInput, PhasemarkError } from '../../../shared/errors.ts'
import type { Shape3 } from '../../../shared/volume.ts'
import type { VolumeSource } from '../volume/volume-source.ts'
import { Breaks } from './breaks.ts'
import { MalformedChanges } from './changes.ts'
import { changesOf, isSlowEdit } from './edit-changes.ts'
import { EditQueue } from './edit-queue.ts'
import type { History } from './history.ts'
import type {
  BulkLabels,
  LabelReader,
  LabelSlice,
  ReplaceSlicesOptions,
  ReplaceSlicesResult,
} from './interfaces.ts'
import { RecordReader } from './journal-files.ts'
import type { EditRecord } from './journal-record.ts'
import type { JournalWriterOptions } from './journal-writer.ts'
import { LabelJournal } from './label-journal.ts'
import type { LabelVoxels, MemoryLimits } from './label-voxels.ts'
import { loadLabels, loadLabelsBesideWriter, type LoadedLabels } from './load-labels.ts'
import { extentAlong, requirePlane } from './plane-geometry.ts'
import { stageSlices } from './replace-slices.ts'
import { SnapshotKeeper, type SnapshotLimits } from './snapshot-keeper.ts'
import { stageMove } from './stage-records.ts'
import { StagedChanges } from './staged-changes.ts'

export interface LabelStoreOptions extends JournalWriterOptions {
  volumeId: string
  /** Why the labels are only looked at, as one sentence; `null` when they are ours to write. */
  readOnly: string | null
  /** Labels that may be painted over, asked anew for every edit; see `overwritableLabels`. */
  allowed: () => Uint8Array
  /** Grey values, for fill and for the grey range. */
  source: () => Promise<VolumeSource>
  onChange?: (change: LabelChange) => void
  onState?: (state: JournalState) => void
  /** Things that cost nothing but time: a snapshot that cannot be read or written. */
  warn?: (message: string) => void
  memory?: Partial<MemoryLimits>
  snapshots?: Partial<SnapshotLimits>
}

/** What every look at labels has, whether they are being edited or not. */
class LoadedReader implements LabelReader {
  readonly shape: Shape3
  protected readonly voxels: LabelVoxels
  protected readonly past: History

  constructor({ voxels, history }: Pick<LoadedLabels, 'voxels' | 'history'>) {
    this.shape = voxels.shape
    this.voxels = voxels
    this.past = history
  }

  get sequence(): number {
    return this.past.sequence
  }

  get counts(): readonly number[] {
    return Array.from(this.voxels.counts)
  }

  get labelledSlices(): readonly number[] {
    return this.voxels.labelledSlices
  }

  get versions(): readonly LabelVersion[] {
    return this.past.versions
  }

  countSlice(z: number): Readonly<Uint32Array> {
    return this.voxels.countSlice(z).slice()
  }

  async readSlice(z: number): Promise<Uint8Array> {
    requirePlane({ axis: 'z', index: z }, this.shape)
    await this.voxels.prefetch(z, z + 1)
    const labels = this.voxels.readSlice(z)
    this.voxels.trim()
    return labels
  }
}

/**
 * Opens the labels of a volume as they are on disk at this moment, for reading; another process may be writing them. A folder that
 * does not exist holds no labels. Nothing stays open.
 *
 * @param shape of the volume
 * @param options.upTo the labels as they were at this position of the journal
 * Throws `BadInput` when the labels belong to a volume of another shape or were written by a newer version.
 */
export async function openLabelStoreForReading(
  folder: string,
  shape: Shape3,
  options: { upTo?: number } = {},
): Promise<LabelReader> {
  return new LoadedReader(await loadLabelsBesideWriter(folder, shape, options))
}

/**
 * Labels of one volume that can be edited: the only authority over them. Everything that a method answers is on disk; what it
 * rejects has not happened. Edits are carried out in the order in which they came; those that wait are flushed together.
 */
export class LabelStore extends LoadedReader implements BulkLabels {
  readonly #folder: string
  readonly #options: LabelStoreOptions
  readonly #journal: LabelJournal
  readonly #queue: EditQueue
  readonly #snapshots: SnapshotKeeper
  readonly #reader: RecordReader
  #closing: Promise<void> | null = null

  private constructor(
    folder: string,
    loaded: LoadedLabels,
    journal: LabelJournal,
    options: LabelStoreOptions,
  ) {
    super(loaded)
    this.#folder = folder
    this.#options = options
    this.#journal = journal
    this.#reader = new RecordReader(folder)
    this.#snapshots = new SnapshotKeeper(
      folder,
      {
        bytesSince: loaded.replayedBytes,
        recordsSince: loaded.history.sequence - (loaded.snapshot?.sequence ?? 0),
        lastBytes: loaded.snapshot?.bytes ?? 0,
      },
      { limits: options.snapshots ?? {}, warn: (message) => options.warn?.(message) },
    )
    this.#queue = new EditQueue(
      { volumeId: options.volumeId, voxels: this.voxels, history: this.past, journal },
      {
        onChange: (change) => options.onChange?.(change),
        onWritten: (bytes, records) => {
          this.#snapshots.written(bytes, records, this.#content())
        },
      },
    )
  }

  /**
   * Opens the labels in `folder`, which is made when it is missing. A folder that cannot be written, or that another process holds,
   * is opened for looking and says so in its state.
   * Throws `BadInput` when the labels belong to a volume of another shape or were written by a newer version.
   */
  static async open(folder: string, shape: Shape3, options: LabelStoreOptions): Promise<LabelStore> {
    const journal = new LabelJournal(folder, shape, {
      ...options,
      onState: (state) => options.onState?.(state),
    })
    await journal.take()
    try {
      const limits = { limits: options.memory ?? {} }
      const loaded = journal.isReadOnly
        ? await loadLabelsBesideWriter(folder, shape, limits)
        : await loadLabels(folder, shape, limits)
      for (const warning of loaded.warnings) options.warn?.(warning)
      await journal.continueFrom(loaded)
      return new LabelStore(folder, loaded, journal, options)
    } catch (error) {
      await journal.close()
      throw error
    }
  }

  /** Throws `Locked` when the labels can only be looked at. */
  requireWritable(): void {
    this.#journal.requireWritable()
  }

  get journalState(): JournalState {
    return this.#journal.state
  }

  /** What `open` of the service answers. */
  get state(): LabelState {
    const { slices, materials } = this.sliceMaterials()
    return {
      ...this.#queue.changeOf({ editId: null, box: null, voxels: 0 }),
      labelledSlices: slices,
      sliceMaterials: materials,
      versions: [...this.versions],
      journal: this.#journal.state,
      recovered: this.#journal.recovered,
    }
  }

  /** Labelled slices, ascending, and for each the materials as bits 1…31 (bit 0: one above 31). */
  sliceMaterials(): { slices: Uint32Array; materials: Uint32Array } {
    const slices = Uint32Array.from(this.voxels.labelledSlices)
    const materials = slices.map((z) => {
      let mask = 0
      for (const [material, count] of this.voxels.countSlice(z).entries())
        if (count > 0) mask |= material > 31 ? 1 : 1 << material
      return mask >>> 0
    })
    return { slices, materials }
  }

  /** Entries older than `before`, newest first. */
  history(before: number | null, limit: number): { entries: HistoryEntry[]; more: boolean } {
    return this.past.page(before, limit)
  }

  /**
   * A plane, or a rectangle of it, C order (row, column); edits that are being written are waited for.
   * Throws `WrongUsage` for a plane or rectangle outside the volume.
   */
  async readPlane(
    axis: PlaneAxis,
    index: number,
    rectangle: Rectangle | null,
  ): Promise<{ rectangle: Rectangle; data: Uint8Array; sequence: number }> {
    requirePlane({ axis, index }, this.shape)
    const { rows, columns } = extentAlong(axis, this.shape)
    const part = rectangle ?? { top: 0, left: 0, bottom: rows, right: columns }
    if (part.top > part.bottom || part.left > part.right || part.bottom > rows || part.right > columns)
      throw new PhasemarkError(
        'WrongUsage',
        `expected a rectangle within ${rows} × ${columns} voxels, found rows ${part.top} to ${part.bottom}, columns ${part.left} to ${part.right}`,
        { argument: 'rectangle' },
      )
    const slices = axis === 'z' ? [index, index + 1] : [part.top, part.bottom]
    await this.voxels.prefetch(slices[0], slices[1])
    await this.#queue.settled()
    const data = this.voxels.readPlane(axis, index, part)
    this.voxels.trim()
    return { rectangle: part, data, sequence: this.sequence }
  }

  override async readSlice(z: number): Promise<Uint8Array> {
    return (await this.readPlane('z', z, null)).data
  }

  /**
   * Carries out an edit once: an id that was carried out before changes nothing and answers with what it changed then.
   * Throws `Locked`, `NoSpace`, `NotWritable`, `WrongUsage`, and what reading grey values throws; nothing has changed then.
   */
  async apply(editId: string, edit: LabelEdit): Promise<LabelChange> {
    this.#journal.requireWritable()
    return await this.#queue.run({ editId, alone: isSlowEdit(edit) }, async (put) => {
      const known = this.past.answered(editId)
      if (known !== undefined) return { editId, box: known.changed, voxels: known.changedVoxels }
      const { voxels } = this
      const { allowed, source } = this.#options
      const changes = await changesOf(edit, { voxels, allowed: allowed(), source })
      const { pieces, box } = changes
      const staged = new StagedChanges(voxels, new Breaks())
      for (const piece of pieces) await staged.apply(piece, 'forward')
      await staged.install()
      for (const piece of pieces.slice(0, -1)) await put({ type: 'part', editId }, piece)
      const description = { kind: kindOf(edit), material: materialOf(edit) }
      await put(editRecord(editId, description, changes, Math.max(0, pieces.length - 1)), pieces.at(-1))
      return { editId, box, voxels: changes.voxels }
    })
  }

  async undo(): Promise<LabelChange> {
    return await this.#moveBy(-1)
  }

  async redo(): Promise<LabelChange> {
    return await this.#moveBy(1)
  }

  /**
   * Undoes or redoes until exactly the edits up to the history entry `sequence` (0: none) are in force.
   * Throws `WrongUsage` when there is no such entry; `BadInput` when a record of the journal is damaged.
   */
  async goTo(sequence: number): Promise<LabelChange> {
    return await this.#move(() => {
      const target = this.past.positionOf(sequence)
      if (target !== undefined) return target
      throw new PhasemarkError('WrongUsage', `expected an edit of the history, found ${sequence}`, {
        argument: 'sequence',
      })
    })
  }

  /** Notes the labels as they are under a name. */
  async saveVersion(name: string): Promise<LabelVersion> {
    this.#journal.requireWritable()
    let number = 0
    await this.#queue.run(
      { editId: null, alone: true },
      async (put) => {
        number = 1 + Math.max(0, ...this.versions.map((version) => version.number))
        const { labelledVoxels } = this.voxels
        await put({ type: 'version', number, name, at: now(), labelledVoxels })
        return { editId: null, box: null, voxels: 0 }
      },
      // Kept as long as the version: restoring need not read the whole journal then.
      () => this.#snapshots.take(this.#content()),
    )
    return this.versions.find((version) => version.number === number)!
  }

  /**
   * Makes the labels what they were in a version, as an edit that can be undone.
   * Throws `NotFound` when there is no such version, `BadInput` when the journal no longer tells what was in it.
   */
  async restoreVersion(number: number): Promise<LabelChange> {
    this.#journal.requireWritable()
    const version = this.versions.find((one) => one.number === number)
    if (version === undefined)
      throw new PhasemarkError('NotFound', `${this.#folder}: there is no version ${number} of these labels`, {
        path: this.#folder,
      })
    const then = await loadLabels(this.#folder, this.shape, { upTo: version.sequence })
    if (then.history.sequence !== version.sequence)
      throw badInput(
        this.#folder,
        `a journal that holds version ${number} (record ${version.sequence})`,
        `one that can be read up to record ${then.history.sequence}`,
      )
    const { voxels } = this
    async function* slices(): AsyncGenerator<LabelSlice> {
      // Decided when its turn has come: edits that waited before it are done by then.
      const labelled = new Set([...then.voxels.labelledSlices, ...voxels.labelledSlices])
      for (const z of [...labelled].sort((a, b) => a - b)) {
        await then.voxels.prefetch(z, z + 1)
        yield { z, labels: then.voxels.readSlice(z) }
        then.voxels.trim()
      }
    }
    const options = { mode: 'replace', allowed: this.#options.allowed() } as const
    const { change } = await this.replaceSlices('restore', slices(), options)
    return change
  }

  async replaceSlices(
    kind: 'import' | 'restore',
    slices: AsyncIterable<LabelSlice>,
    options: ReplaceSlicesOptions,
  ): Promise<ReplaceSlicesResult> {
    this.#journal.requireWritable()
    const editId = options.editId ?? randomUUID()
    let result = { slices: 0, keptVoxels: 0 }
    const change = await this.#queue.run({ editId, alone: true }, async (put) => {
      let parts = 0
      const staged = await stageSlices(this.voxels, slices, options, async (piece) => {
        parts++
        await put({ type: 'part', editId }, piece)
      })
      await put(editRecord(editId, { kind, material: staged.material }, staged.changes, parts))
      for (const [z, slice] of staged.slices) this.voxels.replaceSlice(z, slice)
      result = { slices: staged.seen, keptVoxels: staged.keptVoxels }
      const { box, voxels } = staged.changes
      return { editId: kind === 'restore' ? null : editId, box, voxels }
    })
    return { change, ...result }
  }

  /** Finishes what waits and marks the journal as closed in order. Safe to call twice. */
  async close(): Promise<void> {
    this.#closing ??= this.#close()
    await this.#closing
  }

  async #close(): Promise<void> {
    try {
      // With nothing written there is nothing to close, and nobody waits in the queue of labels that are only looked at.
      if (this.#journal.isReadOnly) return
      await this.#queue.close(async (put) => {
        if (this.past.editsSinceClosed !== null) await put({ type: 'closed', at: now() })
      })
      if (this.#snapshots.isBehind) this.#snapshots.take(this.#content())
    } catch (error) {
      // Everything that was answered is safe; the next opening says that the last use did not end in order.
      this.#options.warn?.(
        `the label journal could not be closed in order: ${error instanceof Error ? error.message : String(error)}`,
      )
    } finally {
      await this.#snapshots.settled()
      await this.#reader.close()
      await this.#journal.close()
    }
  }

  async #moveBy(steps: 1 | -1): Promise<LabelChange> {
    return await this.#move(() => Math.min(this.past.steps.length, Math.max(0, this.past.inForce + steps)))
  }

  async #move(chooseTarget: () => number): Promise<LabelChange> {
    this.#journal.requireWritable()
    let replayed = 0
    return await this.#queue.run(
      { editId: null, alone: true },
      async (put) => {
        const target = chooseTarget()
        const { voxels, past } = this
        if (target === past.inForce) return { editId: null, box: null, voxels: 0 }
        const moved = past.steps.slice(Math.min(target, past.inForce), Math.max(target, past.inForce))
        for (const { places } of moved) for (const { length } of places) replayed += length
        // The labels stay what they were, and are read, until all of it is ready.
        const staged = new StagedChanges(voxels, new Breaks())
        try {
          await stageMove(staged, past, target, this.#reader)
        } catch (error) {
          if (!(error instanceof MalformedChanges)) throw error
          const expected = 'a journal that fits these labels, which are as before'
          throw badInput(this.#folder, expected, error.message, { cause: error })
        }
        const difference = await staged.difference()
        await staged.install()
        await put({ type: 'move', to: target === 0 ? 0 : past.steps[target - 1].sequence, at: now() })
        return { editId: null, ...difference }
      },
      // The record is small, but whoever reads it has to read all that it moved across.
      () => this.#snapshots.written(replayed, 0, this.#content()),
    )
  }

  #content() {
    return { voxels: this.voxels, history: this.past, end: this.#journal.end }
  }
}

function editRecord(
  editId: string,
  { kind, material }: Pick<HistoryEntry, 'kind' | 'material'>,
  changes: { box: VoxelBox | null; voxels: number },
  parts: number,
): EditRecord {
  const { box: changed, voxels: changedVoxels } = changes
  return { type: 'edit', editId, kind, material, at: now(), changed, changedVoxels, parts }
}

function kindOf(edit: LabelEdit): HistoryEntry['kind'] {
  return edit.kind === 'brush' && edit.material === 0 ? 'eraser' : edit.kind
}

function materialOf(edit: LabelEdit): number | null {
  if ('material' in edit) return edit.material
  return edit.kind === 'clear-slice' ? 0 : null
}

function now(): string {
  return new Date().toISOString()
}
