import fc from 'fast-check'
import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { fillSpans } from '../../../src/main/engine/annotation/flood-fill.ts'
import type { LabelStore } from '../../../src/main/engine/annotation/label-store.ts'
import type { LabelEdit } from '../../../src/shared/annotation/edit.ts'
import type { Shape3 } from '../../../src/shared/volume.ts'
import { scratchFolder } from '../../support/file-tree.ts'
import { allLabels, apply, everything, freshFolder, greyVolume, openStore, stroke } from './store-support.ts'

const scratch = scratchFolder('edits')

/** Puts whole slices in, as rows of digits. */
async function fill(store: LabelStore, slices: Record<number, readonly string[]>): Promise<void> {
  async function* given() {
    for (const [z, rows] of Object.entries(slices))
      yield await Promise.resolve({ z: Number(z), labels: Uint8Array.from(rows.join(''), Number) })
  }
  await store.replaceSlices('import', given(), { mode: 'replace', allowed: everything })
}

async function rowsOf(store: LabelStore, z: number): Promise<string[]> {
  const labels = await store.readSlice(z)
  const width = store.shape[2]
  return Array.from({ length: store.shape[1] }, (_, y) =>
    labels.subarray(y * width, (y + 1) * width).join(''),
  )
}

describe('a volumetric brush', () => {
  const shape: Shape3 = [9, 11, 12]
  test.each(['z', 'y', 'x'] as const)('paints a ball or a cube around its line in plane %s', async (axis) => {
    for (const kind of ['round', 'square'] as const) {
      const store = await openStore(freshFolder(scratch), shape)
      // From (2, 3) to (2, 6) in the plane 4, radius 2.5.
      const edit: LabelEdit = {
        ...(stroke(0, [2, 3, 2, 6], 5, 2.5) as Extract<LabelEdit, { kind: 'brush' }>),
        plane: { axis, index: 4 },
        shape: kind,
        volumetric: true,
      }
      await apply(store, edit)
      const all = await allLabels(store)
      for (let i = 0; i < all.length; i++) {
        const at = { z: Math.floor(i / 132), y: Math.floor(i / 12) % 11, x: i % 12 }
        const [depth, row, column] =
          axis === 'z' ? [at.z, at.y, at.x] : axis === 'y' ? [at.y, at.z, at.x] : [at.x, at.z, at.y]
        const away = [Math.abs(depth - 4), Math.abs(row - 2), Math.max(0, 3 - column, column - 6)]
        const inside =
          kind === 'round' ? away[0] ** 2 + away[1] ** 2 + away[2] ** 2 <= 6.25 : Math.max(...away) <= 2.5
        expect([i, all[i]]).toEqual([i, inside ? 5 : 0])
      }
      await store.close()
    }
  })
})

describe('grey values', () => {
  const shape: Shape3 = [3, 6, 7]
  const grey = Float32Array.from({ length: 126 }, (_, i) => (i % 10 === 9 ? NaN : i % 10))
  const source = () => Promise.resolve(greyVolume(shape, grey))

  test.each(['z', 'y', 'x'] as const)('limit a brush in plane %s', async (axis) => {
    const store = await openStore(freshFolder(scratch), shape, { source })
    const edit = stroke(0, [1, 1, 2, 5], 1, 1.5) as Extract<LabelEdit, { kind: 'brush' }>
    const plane = { axis, index: 1 }
    const free = { ...edit, plane, volumetric: true }
    await apply(store, free)
    const all = await allLabels(store)
    await store.undo()
    await apply(store, { ...free, greyRange: { low: 3, high: 6 } })
    const limited = await allLabels(store)
    expect(limited).toEqual(all.map((label, i) => (grey[i] >= 3 && grey[i] <= 6 ? label : 0)))
    expect(limited.some((label) => label !== 0)).toBe(true)
    await store.close()
  })

  test('are read once for a fill, which paints what is connected and alike', async () => {
    const store = await openStore(freshFolder(scratch), shape, { source })
    // Row 0 of slice 0 is 0 1 2 3 4 5 6, row 1 is 7 8 NaN 0 1 2 3: within 1 of the 5 are 4 and 6, none below.
    const change = await apply(store, {
      kind: 'fill',
      plane: { axis: 'z', index: 0 },
      seed: [0, 5],
      tolerance: 1,
      material: 2,
    })
    expect(change).toMatchObject({ changedVoxels: 3, changed: { start: [0, 0, 4], stop: [1, 1, 7] } })
    const nothing = await apply(store, {
      kind: 'fill',
      plane: { axis: 'z', index: 0 },
      seed: [1, 2],
      tolerance: 100,
      material: 2,
    })
    expect(nothing.changed).toBeNull()
    await expect(
      apply(store, { kind: 'fill', plane: { axis: 'y', index: 5 }, seed: [3, 0], tolerance: 1, material: 2 }),
    ).rejects.toMatchObject({ _tag: 'WrongUsage' })
    await store.close()
  })

  test('that cannot be read leave the labels as they are', async () => {
    const store = await openStore(freshFolder(scratch), shape, {
      source: () => Promise.reject(new Error('gone')),
    })
    const edit = { ...stroke(0, [1, 1], 1), greyRange: { low: 0, high: 1 } } as LabelEdit
    await expect(apply(store, edit)).rejects.toThrow('gone')
    expect(store.sequence).toBe(0)
    expect(store.journalState.state).toBe('ok')
    await store.close()
  })

  test('connected in a fill are those of a search voxel by voxel', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 0, max: 4 }), { minLength: 63, maxLength: 63 }),
        fc.nat(62),
        fc.nat(2),
        (values, seed, tolerance) => {
          const seen = new Set([seed])
          for (const at of seen) {
            const [y, x] = [Math.floor(at / 9), at % 9]
            for (const [down, across] of [
              [y - 1, x],
              [y + 1, x],
              [y, x - 1],
              [y, x + 1],
            ]) {
              if (down < 0 || down >= 7 || across < 0 || across >= 9) continue
              if (Math.abs(values[down * 9 + across] - values[seed]) <= tolerance) seen.add(down * 9 + across)
            }
          }
          const extent = { rows: 7, columns: 9 }
          const { spans } = fillSpans(
            Int16Array.from(values),
            extent,
            [Math.floor(seed / 9), seed % 9],
            tolerance,
          )
          const found: number[] = []
          for (let i = 0; i < spans.length; i += 3)
            for (let x = spans[i + 1]; x < spans[i + 2]; x++) found.push(spans[i] * 9 + x)
          expect(found.sort((a, b) => a - b)).toEqual([...seen].sort((a, b) => a - b))
        },
      ),
    )
  })
})

describe('interpolation', () => {
  test('of a bar of 3 voxels and one of 7 is one of 5 in the middle; worked by hand', async () => {
    const store = await openStore(freshFolder(scratch), [3, 1, 11])
    // Signed distances of column 2: −1.5 below, 0.5 above → −0.5, outside. Column 3: −0.5 and 1.5 → 0.5, inside.
    await fill(store, { 0: ['00001110000'], 2: ['00111111100'] })
    const change = await apply(store, { kind: 'interpolate', from: 0, to: 2, material: null })
    expect(await rowsOf(store, 1)).toEqual(['00011111000'])
    expect(change).toMatchObject({
      changedVoxels: 5,
      newest: { kind: 'interpolate', material: null, slices: [1, 1] },
    })
    await store.close()
  })

  test('keeps what is labelled between, and protected materials out', async () => {
    const allowed = everything.slice()
    const store = await openStore(freshFolder(scratch), [3, 1, 11], { allowed: () => allowed })
    await fill(store, { 0: ['11100002220'], 1: ['00000030000'], 2: ['11100002220'] })
    allowed[2] = 0
    await apply(store, { kind: 'interpolate', from: 0, to: 2, material: null })
    expect(await rowsOf(store, 1)).toEqual(['11100030000'])
    for (const edit of [
      { kind: 'interpolate', from: 0, to: 2, material: 2 },
      { kind: 'interpolate', from: 0, to: 2, material: 9 },
      { kind: 'interpolate', from: 2, to: 0, material: 1 },
      { kind: 'interpolate', from: 0, to: 3, material: 1 },
    ] as const)
      await expect(apply(store, edit)).rejects.toMatchObject({ _tag: 'WrongUsage' })
    allowed[2] = 1
    await apply(store, { kind: 'interpolate', from: 0, to: 2, material: 2 })
    expect(await rowsOf(store, 1)).toEqual(['11100032220'])
    await store.close()
  })

  test('is that of SciPy’s distance maps', async () => {
    interface Case {
      first: string[]
      second: string[]
      between: string[][]
      onlySecondMaterial: string[][]
    }
    const file = new URL('../../golden/interpolation.json', import.meta.url)
    const { cases } = JSON.parse(readFileSync(file, 'utf8')) as { cases: Case[] }
    for (const { first, second, between, onlySecondMaterial } of cases) {
      const last = between.length + 1
      const store = await openStore(freshFolder(scratch), [last + 1, first.length, first[0].length])
      await fill(store, { 0: first, [last]: second })
      for (const [material, expected] of [
        [null, between],
        [2, onlySecondMaterial],
      ] as const) {
        await apply(store, { kind: 'interpolate', from: 0, to: last, material })
        for (const [i, rows] of expected.entries()) expect(await rowsOf(store, i + 1)).toEqual(rows)
        await store.undo()
      }
      await store.close()
    }
  })
})

describe('other edits', () => {
  test('copy a slice onto unlabelled voxels only, without protected materials', async () => {
    const allowed = everything.slice()
    allowed[3] = 0
    const store = await openStore(freshFolder(scratch), [3, 2, 5], { allowed: () => allowed })
    await fill(store, { 0: ['11223', '00330'], 2: ['04000', '50000'] })
    const change = await apply(store, { kind: 'copy-slice', from: 0, to: 2 })
    expect(await rowsOf(store, 2)).toEqual(['14220', '50000'])
    expect(change).toMatchObject({ changedVoxels: 3, changed: { start: [2, 0, 0], stop: [3, 1, 4] } })
    await store.close()
  })

  test('fill a polygon and refuse what makes no sense', async () => {
    const store = await openStore(freshFolder(scratch), [2, 8, 8])
    const polygon = { kind: 'polygon', plane: { axis: 'z', index: 1 }, material: 4, greyRange: null } as const
    const square = Float32Array.of(1, 1, 1, 5, 4, 5, 4, 1)
    const change = await apply(store, { ...polygon, points: square })
    expect(change).toMatchObject({ changedVoxels: 12, changed: { start: [1, 1, 1], stop: [2, 4, 5] } })
    const wrong: LabelEdit[] = [
      { ...polygon, points: Float32Array.of(1, 1, NaN, 5, 4, 5) },
      { ...polygon, plane: { axis: 'z', index: 2 }, points: square },
      { kind: 'clear-slice', z: 2 },
      { kind: 'copy-slice', from: 0, to: 7 },
      { ...stroke(0, [1, Infinity], 1) },
    ]
    for (const edit of wrong) await expect(apply(store, edit)).rejects.toMatchObject({ _tag: 'WrongUsage' })
    // Outside of the plane there is nothing to paint.
    expect((await apply(store, stroke(0, [-50, 3], 1))).changed).toBeNull()
    for (const rectangle of [
      { top: 0, left: 0, bottom: 9, right: 1 },
      { top: 3, left: 0, bottom: 2, right: 1 },
    ])
      await expect(store.readPlane('z', 0, rectangle)).rejects.toMatchObject({ _tag: 'WrongUsage' })
    await store.close()
  })
})
