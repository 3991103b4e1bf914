import { z } from 'zod'
import { voxelBoxSchema, type VoxelBox } from '../../../shared/annotation/edit.ts'
import { historyEntrySchema, labelVersionSchema, type HistoryEntry } from '../../../shared/contract/labels.ts'
import type { LabelVersion } from '../../../shared/contract/labels.ts'
import type { EditRecord, RecordContent } from './journal-record.ts'

/** Where a record lies in the journal. */
export const recordPlaceSchema = z.object({
  segment: z.number().int().min(1),
  offset: z.number().int().min(0),
  length: z.number().int().min(1),
})
export type RecordPlace = z.infer<typeof recordPlaceSchema>

const stepSchema = historyEntrySchema.omit({ undone: true, slices: true }).extend({
  changed: voxelBoxSchema,
  /** Its records in order: parts, then the edit itself. */
  places: z.array(recordPlaceSchema).min(1),
})
/** One undo step. */
export type HistoryStep = z.infer<typeof stepSchema>

const answeredSchema = z.object({
  editId: z.string(),
  changed: voxelBoxSchema.nullable(),
  changedVoxels: z.number().int(),
})
/** What an edit did, for those who ask again. */
export type AnsweredEdit = z.infer<typeof answeredSchema>

/** The history as a snapshot keeps it. */
export const historyStateSchema = z.object({
  sequence: z.number().int().min(0),
  steps: z.array(stepSchema),
  inForce: z.number().int().min(0),
  versions: z.array(labelVersionSchema),
  answered: z.array(answeredSchema),
  editsSinceClosed: z.number().int().min(0).nullable(),
})
export type HistoryState = z.infer<typeof historyStateSchema>

/** Edits whose answers are remembered: far more than a window ever has under way. */
const rememberedEdits = 4096

/** How far the replay or the writing of a journal has come: undo steps, which of them are in force, versions, answers. */
export class History {
  sequence = 0
  readonly #steps: HistoryStep[] = []
  #inForce = 0
  readonly #versions: LabelVersion[] = []
  readonly #answered = new Map<string, AnsweredEdit>()
  /** Parts of an edit whose own record has not come yet. */
  #parts: { editId: string; places: RecordPlace[] } = { editId: '', places: [] }
  /** Edits since the journal was last closed in order; `null` when nothing at all was written since. */
  editsSinceClosed: number | null = null

  get versions(): readonly LabelVersion[] {
    return this.#versions
  }

  /** Steps in force, oldest first, then those that were undone and can be redone. */
  get steps(): readonly HistoryStep[] {
    return this.#steps
  }

  /** Number of steps in force. */
  get inForce(): number {
    return this.#inForce
  }

  answered(editId: string): AnsweredEdit | undefined {
    return this.#answered.get(editId)
  }

  get newest(): HistoryEntry | null {
    const step = this.#steps[this.#inForce - 1] as HistoryStep | undefined
    return step === undefined ? null : entryOf(step, false)
  }

  /** Number of steps in force once exactly those up to the entry `sequence` are; `undefined` when there is no such entry. */
  positionOf(sequence: number): number | undefined {
    if (sequence === 0) return 0
    const index = this.#firstFrom(sequence)
    return this.#steps.at(index)?.sequence === sequence ? index + 1 : undefined
  }

  /** Entries older than `before`, newest first. */
  page(before: number | null, limit: number): { entries: HistoryEntry[]; more: boolean } {
    const older = before === null ? this.#steps.length : this.#firstFrom(before)
    const first = Math.max(0, older - limit)
    const entries = this.#steps
      .slice(first, older)
      .map((step, i) => entryOf(step, first + i >= this.#inForce))
      .reverse()
    return { entries, more: first > 0 }
  }

  /** Index of the first step that is not older than `sequence`; steps are in order of their sequences. */
  #firstFrom(sequence: number): number {
    let [low, high] = [0, this.#steps.length]
    while (low < high) {
      const middle = (low + high) >> 1
      if (this.#steps[middle].sequence < sequence) low = middle + 1
      else high = middle
    }
    return low
  }

  /** The parts that belong to an edit record, or `null` when they are not all there. */
  partsOf({ editId, parts }: EditRecord): readonly RecordPlace[] | null {
    if (parts === 0) return []
    const complete = this.#parts.editId === editId && this.#parts.places.length === parts
    return complete ? this.#parts.places : null
  }

  /** Takes the next record of the journal. The caller has checked it against {@link partsOf} and {@link positionOf}. */
  advance(sequence: number, content: RecordContent, place: RecordPlace): void {
    this.sequence = sequence
    if (content.type === 'closed') {
      this.editsSinceClosed = null
      return
    }
    this.editsSinceClosed ??= 0
    switch (content.type) {
      case 'part':
        if (this.#parts.editId !== content.editId) this.#parts = { editId: content.editId, places: [] }
        this.#parts.places.push(place)
        return
      case 'edit':
        this.#advanceEdit(sequence, content, place)
        this.editsSinceClosed++
        return
      case 'move':
        this.#inForce = this.positionOf(content.to) ?? this.#inForce
        return
      case 'version': {
        const { number, name, at, labelledVoxels } = content
        this.#versions.push({ number, name, sequence, at, labelledVoxels })
        return
      }
    }
  }

  #advanceEdit(sequence: number, edit: EditRecord, place: RecordPlace): void {
    const { editId, kind, material, at, changed, changedVoxels } = edit
    this.#answered.set(editId, { editId, changed, changedVoxels })
    for (const oldest of this.#answered.keys()) {
      if (this.#answered.size <= rememberedEdits) break
      this.#answered.delete(oldest)
    }
    const parts = this.partsOf(edit) ?? []
    this.#parts = { editId: '', places: [] }
    if (changed === null) return
    this.#steps.length = this.#inForce
    this.#steps.push({
      sequence,
      editId,
      kind,
      material,
      at,
      changed,
      changedVoxels,
      places: [...parts, place],
    })
    this.#inForce++
  }

  toState(): HistoryState {
    return {
      sequence: this.sequence,
      steps: [...this.#steps],
      inForce: this.#inForce,
      versions: [...this.#versions],
      answered: [...this.#answered.values()],
      editsSinceClosed: this.editsSinceClosed,
    }
  }

  static fromState(state: HistoryState): History {
    const history = new History()
    history.sequence = state.sequence
    for (const step of state.steps) history.#steps.push(step)
    history.editsSinceClosed = state.editsSinceClosed
    history.#inForce = Math.min(state.inForce, state.steps.length)
    history.#versions.push(...state.versions)
    for (const answered of state.answered) history.#answered.set(answered.editId, answered)
    return history
  }
}

function entryOf(step: HistoryStep, undone: boolean): HistoryEntry {
  const { sequence, editId, kind, material, changed, changedVoxels, at } = step
  return { sequence, editId, kind, material, slices: slicesOf(changed), changedVoxels, at, undone }
}

function slicesOf(box: VoxelBox): [number, number] {
  return [box.start[0], box.stop[0] - 1]
}
