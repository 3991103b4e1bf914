import { overwritableLabels } from '../../../../src/shared/annotation/paint.ts'
import type { HistoryEntry, LabelChange, LabelVersion } from '../../../../src/shared/contract/labels.ts'
import type { ProjectMaterial } from '../../../../src/shared/contract/projects.ts'
import { PhasemarkError } from '../../../../src/shared/errors.ts'
import { createDrawAhead } from '../../../../src/renderer/annotate/draw-ahead.ts'
import { boxOfEdit, planeShape, voxelOffset, wholePlane, type VolumeShape } from './fake-geometry.ts'
import type { FakeServices } from '../../support/fake-api.ts'

interface Step {
  entry: HistoryEntry
  /** Slice → labels before and after. */
  slices: Map<number, { before: Uint8Array; after: Uint8Array }>
}

/** Labels of one volume in memory, as the data process would answer; enough edits for looking at and testing the window. */
export class FakeLabels {
  readonly shape: VolumeShape
  readonly #volumeId: string
  readonly #materials: () => readonly ProjectMaterial[]
  readonly #announce: (change: LabelChange) => void
  readonly #slices = new Map<number, Uint8Array>()
  readonly #answers = new Map<string, LabelChange>()
  #steps: Step[] = []
  #inForce = 0
  #sequence = 0
  versions: LabelVersion[] = []
  /** Thrown by everything that writes, while set. */
  refusal: PhasemarkError | null = null
  /** Milliseconds that an edit takes. */
  latencyMs = 0
  /** When the next edits happen. */
  now = (): Date => new Date()

  constructor(
    volumeId: string,
    shape: VolumeShape,
    materials: () => readonly ProjectMaterial[],
    announce: (change: LabelChange) => void,
  ) {
    this.#volumeId = volumeId
    this.shape = shape
    this.#materials = materials
    this.#announce = announce
  }

  readonly service: FakeServices['data']['labels'] = {
    open: () => ({
      ...this.#change(null, null),
      labelledSlices: this.#labelled().slices,
      sliceMaterials: this.#labelled().materials,
      versions: this.versions,
      journal: { state: 'ok', message: null, lastWrittenAt: null },
      recovered: null,
    }),
    readPlane: ({ axis, index, rectangle }) => {
      const area = rectangle ?? wholePlane(axis, this.shape)
      const width = area.right - area.left
      const data = new Uint8Array((area.bottom - area.top) * width)
      for (let row = area.top; row < area.bottom; row++)
        for (let column = area.left; column < area.right; column++) {
          const [z, at] = voxelOffset(axis, index, row, column, this.shape)
          data[(row - area.top) * width + column - area.left] = this.#slices.get(z)?.[at] ?? 0
        }
      return { rectangle: area, data, sequence: this.#sequence }
    },
    apply: async ({ editId, edit }) => {
      const earlier = this.#answers.get(editId)
      if (earlier !== undefined) return earlier
      if (this.latencyMs > 0) await new Promise((resolve) => setTimeout(resolve, this.latencyMs))
      if (this.refusal !== null) throw this.refusal
      if (edit.kind !== 'brush' && edit.kind !== 'polygon')
        throw new PhasemarkError('WrongUsage', 'the fake paints brush and polygon only', {})
      const box = boxOfEdit(edit, this.shape)
      const draw = createDrawAhead({
        shape: this.shape,
        allowed: () => overwritableLabels(this.#materials()),
        greyOf: () => null,
      })
      const slices: Step['slices'] = new Map()
      let changed = 0
      for (let z = box?.start[0] ?? 0; z < (box?.stop[0] ?? 0); z++) {
        const before = this.#slices.get(z) ?? new Uint8Array(this.shape[1] * this.shape[2])
        const after = before.slice()
        draw(
          { ...edit, greyRange: null },
          {
            plane: { axis: 'z', index: z },
            shape: planeShape('z', this.shape),
            labels: after,
            clip: wholePlane('z', this.shape),
          },
        )
        const differing = after.reduce((sum, label, at) => sum + Number(label !== before[at]), 0)
        if (differing === 0) continue
        changed += differing
        slices.set(z, { before, after })
        this.#slices.set(z, after)
      }
      const entry: HistoryEntry = {
        sequence: ++this.#sequence,
        editId,
        kind: edit.kind === 'brush' && edit.material === 0 ? 'eraser' : edit.kind,
        material: edit.material,
        slices: [Math.min(...slices.keys(), this.shape[0]), Math.max(...slices.keys(), 0)],
        changedVoxels: changed,
        at: this.now().toISOString(),
        undone: false,
      }
      this.#steps = [...this.#steps.slice(0, this.#inForce), { entry, slices }]
      this.#inForce = this.#steps.length
      const change = this.#change(editId, changed === 0 ? null : box)
      this.#answers.set(editId, change)
      this.#announce(change)
      return change
    },
    undo: () => this.#move(-1),
    redo: () => this.#move(1),
    goTo: ({ sequence }) => {
      while (this.#inForce > 0 && this.#steps[this.#inForce - 1].entry.sequence > sequence) this.#move(-1)
      return this.#change(null, null)
    },
    history: ({ before, limit }) => {
      const all = this.#steps
        .map(({ entry }, at) => ({ ...entry, undone: at >= this.#inForce }))
        .reverse()
        .filter(({ sequence }) => before === null || sequence < before)
      return { entries: all.slice(0, limit), more: all.length > limit }
    },
    labelledSlices: () => this.#labelled(),
    saveVersion: ({ name }) => {
      const version: LabelVersion = {
        number: this.versions.length + 1,
        name,
        sequence: this.#sequence,
        at: this.now().toISOString(),
        labelledVoxels: this.#counts().reduce((sum, count) => sum + count, 0),
      }
      this.versions.push(version)
      return version
    },
    restoreVersion: () => this.#change(null, null),
    startImport: () => ({ jobId: '0b8f8f5e-3f0a-4c55-9a3e-8a4a3a1f0c11' }),
    startExport: () => ({ jobId: '0b8f8f5e-3f0a-4c55-9a3e-8a4a3a1f0c12' }),
  }

  #move(step: -1 | 1): LabelChange {
    if (this.refusal !== null) throw this.refusal
    const moved = this.#steps.at(step < 0 ? this.#inForce - 1 : this.#inForce)
    if (moved === undefined || (step < 0 && this.#inForce === 0)) return this.#change(null, null)
    this.#inForce += step
    this.#sequence++
    for (const [z, { before, after }] of moved.slices) this.#slices.set(z, step < 0 ? before : after)
    const [, rows, columns] = this.shape
    const change = this.#change(null, {
      start: [moved.entry.slices[0], 0, 0],
      stop: [moved.entry.slices[1] + 1, rows, columns],
    })
    this.#announce(change)
    return change
  }

  #counts(): number[] {
    const counts = Array.from({ length: 256 }, () => 0)
    for (const slice of this.#slices.values()) for (const label of slice) if (label !== 0) counts[label] += 1
    return counts
  }

  #labelled(): { slices: Uint32Array; materials: Uint32Array } {
    const found = [...this.#slices]
      .map(([z, labels]) => {
        let mask = 0
        for (const label of labels) if (label !== 0) mask |= 1 << label
        return { z, mask }
      })
      .filter(({ mask }) => mask !== 0)
      .sort((a, b) => a.z - b.z)
    return {
      slices: Uint32Array.from(found, ({ z }) => z),
      materials: Uint32Array.from(found, ({ mask }) => mask),
    }
  }

  #change(editId: string | null, changed: LabelChange['changed']): LabelChange {
    const newest = this.#steps.at(-1)?.entry ?? null
    return {
      volumeId: this.#volumeId,
      sequence: this.#sequence,
      editId,
      changed,
      changedVoxels: 0,
      counts: this.#counts(),
      canUndo: this.#inForce > 0,
      canRedo: this.#inForce < this.#steps.length,
      newest,
      historyLength: this.#inForce,
    }
  }
}
