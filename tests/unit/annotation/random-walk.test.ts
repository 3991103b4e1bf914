import fc from 'fast-check'
import { readdirSync, readlinkSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { LabelVoxels } from '../../../src/main/engine/annotation/label-voxels.ts'
import { openLabelStoreForReading } from '../../../src/main/engine/annotation/label-store.ts'
import { prepareSlice } from '../../../src/main/engine/annotation/stored-slice.ts'
import { brushTip, strokeSpans } from '../../../src/shared/annotation/brush-raster.ts'
import type { LabelEdit } from '../../../src/shared/annotation/edit.ts'
import type { LabelChange } from '../../../src/shared/contract/labels.ts'
import type { Shape3 } from '../../../src/shared/volume.ts'
import { scratchFolder } from '../../support/file-tree.ts'
import { allLabels, apply, freshFolder, openStore, stroke } from './store-support.ts'

const scratch = scratchFolder('random-walk')
// Wider than a tile, so that strokes cross tiles.
const shape: Shape3 = [3, 21, 260]
const voxels = shape[0] * shape[1] * shape[2]

/** Labels as a plain array, with whole copies for the history. */
class Model {
  labels: Uint8Array = new Uint8Array(voxels)
  past: Uint8Array[] = []
  future: Uint8Array[] = []
  versions: Uint8Array[] = []

  set(labels: Uint8Array): void {
    this.past.push(this.labels)
    this.future = []
    this.labels = labels
  }
}

function difference(before: Uint8Array, after: Uint8Array) {
  const start = [Infinity, Infinity, Infinity]
  const stop = [-1, -1, -1]
  let changed = 0
  for (let i = 0; i < voxels; i++) {
    if (before[i] === after[i]) continue
    changed++
    const at = [Math.floor(i / (shape[1] * shape[2])), Math.floor(i / shape[2]) % shape[1], i % shape[2]]
    for (const axis of [0, 1, 2]) {
      start[axis] = Math.min(start[axis], at[axis])
      stop[axis] = Math.max(stop[axis], at[axis] + 1)
    }
  }
  return { changedVoxels: changed, changed: changed === 0 ? null : { start, stop } }
}

function countsOf(labels: Uint8Array): number[] {
  const counts = new Array<number>(256).fill(0)
  for (const label of labels) if (label !== 0) counts[label]++
  return counts
}

function painted(
  labels: Uint8Array,
  z: number,
  points: number[],
  material: number,
  radius: number,
): Uint8Array {
  const result = labels.slice()
  const extent = { rows: shape[1], columns: shape[2] }
  strokeSpans(Float32Array.from(points), brushTip('round', radius)!, extent, (row, from, to) => {
    result.fill(material, (z * shape[1] + row) * shape[2] + from, (z * shape[1] + row) * shape[2] + to)
  })
  return result
}

const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('paint' as const),
      z: fc.nat(2),
      points: fc.tuple(fc.nat(20), fc.nat(259), fc.nat(20), fc.nat(259)),
      material: fc.constantFrom(0, 1, 2, 255),
      radius: fc.integer({ min: 0, max: 6 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('clear' as const), z: fc.nat(2) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constantFrom('undo' as const, 'redo' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('go' as const), to: fc.nat(20) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('version' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('restore' as const), number: fc.nat(3) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('reopen' as const) }) },
)

describe('a random walk of edits', () => {
  test('is what a plain array does, in memory and on disk', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 30 }), async (steps) => {
        const folder = freshFolder(scratch)
        // Small limits: segments, snapshots, packing and deflating all take part.
        const limits = {
          segmentBytes: 1500,
          snapshots: { records: 5 },
          memory: { warmBytes: 500, plainTiles: 1 },
        }
        const model = new Model()
        let store = await openStore(folder, shape, limits)
        const check = (change: LabelChange, before: Uint8Array) => {
          expect({ changed: change.changed, changedVoxels: change.changedVoxels }).toEqual(
            difference(before, model.labels),
          )
          expect(change.counts).toEqual(countsOf(model.labels))
          expect(change).toMatchObject({
            canUndo: model.past.length > 0,
            canRedo: model.future.length > 0,
            historyLength: model.past.length,
          })
        }
        for (const one of steps) {
          const before = model.labels
          switch (one.do) {
            case 'paint': {
              const after = painted(before, one.z, one.points, one.material, one.radius)
              if (difference(before, after).changed !== null) model.set(after)
              check(await apply(store, stroke(one.z, one.points, one.material, one.radius)), before)
              break
            }
            case 'clear': {
              const after = before.slice()
              after.fill(0, one.z * shape[1] * shape[2], (one.z + 1) * shape[1] * shape[2])
              if (difference(before, after).changed !== null) model.set(after)
              check(await apply(store, { kind: 'clear-slice', z: one.z } satisfies LabelEdit), before)
              break
            }
            case 'undo': {
              const previous = model.past.pop()
              if (previous !== undefined) {
                model.future.unshift(model.labels)
                model.labels = previous
              }
              check(await store.undo(), before)
              break
            }
            case 'redo': {
              const next = model.future.shift()
              if (next !== undefined) {
                model.past.push(model.labels)
                model.labels = next
              }
              check(await store.redo(), before)
              break
            }
            case 'go': {
              const states = [...model.past, model.labels, ...model.future]
              const target = one.to % states.length
              model.past = states.slice(0, target)
              model.labels = states[target]
              model.future = states.slice(target + 1)
              const { entries } = store.history(null, 500)
              check(await store.goTo(target === 0 ? 0 : entries[entries.length - target].sequence), before)
              break
            }
            case 'version': {
              model.versions.push(model.labels)
              const { number, labelledVoxels } = await store.saveVersion('v')
              expect(number).toBe(model.versions.length)
              expect(labelledVoxels).toBe(countsOf(model.labels).reduce((a, b) => a + b))
              break
            }
            case 'restore': {
              if (model.versions.length === 0) break
              const number = one.number % model.versions.length
              if (difference(before, model.versions[number]).changed !== null)
                model.set(model.versions[number])
              check(await store.restoreVersion(number + 1), before)
              break
            }
            case 'reopen':
              await store.close()
              store = await openStore(folder, shape, limits)
              expect(store.state.recovered).toBeNull()
              break
          }
          expect(Buffer.compare(await allLabels(store), model.labels)).toBe(0)
        }
        const { slices, materials } = store.sliceMaterials()
        for (let z = 0; z < shape[0]; z++) {
          const counts = countsOf(
            model.labels.subarray(z * shape[1] * shape[2], (z + 1) * shape[1] * shape[2]),
          )
          expect([...store.countSlice(z)]).toEqual(counts)
          const mask = counts.reduce((bits, n, i) => (n === 0 ? bits : bits | (i > 31 ? 1 : 1 << i)), 0) >>> 0
          expect(materials[slices.indexOf(z)] ?? 0).toBe(mask)
        }
        await store.close()
        expect(await allLabels(await openLabelStoreForReading(folder, shape))).toEqual(model.labels)
      }),
      { numRuns: 40 },
    )
    if (process.platform === 'linux') expect(openFilesBelow(scratch)).toEqual([])
  }, 120_000)
})

/** Files that this process still has open. */
function openFilesBelow(folder: string): string[] {
  return readdirSync('/proc/self/fd').flatMap((name) => {
    try {
      const file = readlinkSync(`/proc/self/fd/${name}`)
      return file.startsWith(folder) ? [file] : []
    } catch {
      // The descriptor with which the folder was listed.
      return []
    }
  })
}

describe('labels in memory', () => {
  test('come back when slices were deflated, and when changes are rolled back', async () => {
    const labels = new LabelVoxels([6, 150, 150], { warmBytes: 1, plainTiles: 1 })
    const random = (z: number) =>
      Uint8Array.from({ length: 150 * 150 }, (_, i) => (i * [1, 2, 3, 4, 6, 7][z] * 7919) % 5)
    for (let z = 0; z < 5; z++) {
      labels.replaceSlice(z, await prepareSlice(random(z), [150, 150]))
      labels.trim()
    }
    const total = labels.labelledVoxels
    labels.begin()
    labels.replaceSlice(1, await prepareSlice(new Uint8Array(150 * 150), [150, 150]))
    labels.replaceSlice(5, await prepareSlice(random(5), [150, 150]))
    expect(labels.labelledSlices).toEqual([0, 2, 3, 4, 5])
    labels.rollback()
    expect(labels.labelledSlices).toEqual([0, 1, 2, 3, 4])
    expect(labels.labelledVoxels).toBe(total)
    for (let z = 0; z < 5; z++) {
      expect(labels.readSlice(z)).toEqual(random(z))
      labels.trim()
    }
    // Two more reads than fit: what is in memory stays bounded.
    expect(labels.memoryBytes).toBeLessThan(6 * 150 * 150)
  })
})
