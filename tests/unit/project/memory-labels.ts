import { randomUUID } from 'node:crypto'
import type { BulkLabels } from '../../../src/main/engine/annotation/interfaces.ts'
import type { Shape3 } from '../../../src/shared/volume.ts'

/** Labels in memory with the behaviour that `BulkLabels` promises: what stands between files and a journal in tests of either. */
export interface MemoryLabels extends BulkLabels {
  readonly slices: Map<number, Uint8Array>
  /** Undo steps taken. */
  steps: number
  /** Slices that were there at full size at the same time. */
  mostSlicesHeld: number
}

export function memoryLabels(shape: Shape3): MemoryLabels {
  const [, height, width] = shape
  const slices = new Map<number, Uint8Array>()
  const sliceOf = (z: number) => slices.get(z) ?? new Uint8Array(height * width)
  const countSlice = (z: number) => {
    const counts = new Uint32Array(256)
    for (const label of sliceOf(z)) if (label !== 0) counts[label]++
    return counts
  }
  return {
    shape: [...shape],
    sequence: 0,
    slices,
    steps: 0,
    mostSlicesHeld: 0,
    versions: [],
    get counts() {
      const counts = new Array<number>(256).fill(0)
      for (const z of slices.keys())
        for (const [label, count] of countSlice(z).entries()) counts[label] += count
      return counts
    },
    get labelledSlices() {
      return [...slices.keys()].filter((z) => sliceOf(z).some((label) => label !== 0)).sort((a, b) => a - b)
    },
    countSlice,
    readSlice: (z) => Promise.resolve(sliceOf(z).slice()),
    async replaceSlices(_kind, given, { mode, allowed, signal }) {
      const staged = new Map<number, Uint8Array>()
      let [changedVoxels, keptVoxels] = [0, 0]
      for await (const { z, labels } of given) {
        signal?.throwIfAborted()
        const merged = sliceOf(z).slice()
        for (const [i, label] of labels.entries()) {
          if (label === merged[i] || (label === 0 && mode !== 'replace')) continue
          const kept = mode === 'keep' ? merged[i] !== 0 : mode === 'over' && allowed[merged[i]] !== 1
          if (kept) keptVoxels++
          else {
            merged[i] = label
            changedVoxels++
          }
        }
        staged.set(z, merged)
      }
      for (const [z, labels] of staged) slices.set(z, labels)
      this.steps++
      return {
        change: {
          ...{ volumeId: randomUUID(), sequence: 1, editId: randomUUID(), changed: null, changedVoxels },
          ...{ counts: [...this.counts], canUndo: true, canRedo: false, newest: null, historyLength: 1 },
        },
        slices: staged.size,
        keptVoxels,
      }
    },
  }
}
