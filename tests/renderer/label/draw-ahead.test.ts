import { describe, expect, test } from 'vitest'
import { createDrawAhead } from '../../../src/renderer/annotate/draw-ahead.ts'
import { planeCount, planeShape, wholePlane } from '../../../src/renderer/annotate/plane-geometry.ts'
import { greyPlane, ModelLabels, randomEdit, randomOf } from './support/model.ts'

const shape = [7, 11, 13] as const

function allowedExcept(...labels: number[]): Uint8Array {
  const allowed = new Uint8Array(256).fill(1)
  for (const label of labels) allowed[label] = 0
  return allowed
}

describe('drawing edits ahead of their answer', () => {
  test('fills the same voxels in every plane as asking each voxel by itself', () => {
    const random = randomOf(20261122)
    for (let round = 0; round < 400; round++) {
      const model = new ModelLabels(shape)
      for (let at = 0; at < model.voxels.length; at++) model.voxels[at] = Math.floor(random() * 4)
      model.protectedLabels.add(2)
      const draw = createDrawAhead({
        shape,
        allowed: () => allowedExcept(2),
        greyOf: (plane) => greyPlane(plane, shape),
      })
      const edit = randomEdit(random, shape)
      const axis = (['z', 'y', 'x'] as const)[round % 3]
      const plane = { axis, index: Math.floor(random() * planeCount(axis, shape)) }
      const labels = model.read(plane, null).data
      const before = labels.slice()
      model.apply(edit)

      const touched = draw(edit, {
        plane,
        shape: planeShape(axis, shape),
        labels,
        clip: wholePlane(axis, shape),
      })

      expect(labels, JSON.stringify({ round, edit, plane })).toEqual(model.read(plane, null).data)
      const [, columns] = planeShape(axis, shape)
      labels.forEach((label, at) => {
        if (label === before[at]) return
        expect(touched).not.toBeNull()
        expect(Math.floor(at / columns)).toBeGreaterThanOrEqual(touched!.top)
        expect(Math.floor(at / columns)).toBeLessThan(touched!.bottom)
        expect(at % columns).toBeGreaterThanOrEqual(touched!.left)
        expect(at % columns).toBeLessThan(touched!.right)
      })
    }
  })

  test('changes nothing outside of the part it may draw in', () => {
    const random = randomOf(7)
    const draw = createDrawAhead({ shape, allowed: () => allowedExcept(), greyOf: () => null })
    for (let round = 0; round < 100; round++) {
      const edit = { ...randomEdit(random, shape), greyRange: null, material: 3 }
      const clip = { top: 3, left: 4, bottom: 6, right: 9 }
      const labels = new Uint8Array(11 * 13)
      draw(edit, { plane: { axis: 'z', index: 2 }, shape: [11, 13], labels, clip })
      labels.forEach((label, at) => {
        const row = Math.floor(at / 13)
        const column = at % 13
        if (row < 3 || row >= 6 || column < 4 || column >= 9) expect(label).toBe(0)
      })
    }
  })

  test('leaves a stroke between grey values to the data process while grey values are not at hand', () => {
    const draw = createDrawAhead({ shape, allowed: () => allowedExcept(), greyOf: () => null })
    const labels = new Uint8Array(11 * 13)
    const touched = draw(
      {
        kind: 'brush',
        plane: { axis: 'z', index: 2 },
        points: Float32Array.of(5, 5),
        radius: 3,
        shape: 'round',
        volumetric: false,
        material: 1,
        greyRange: { low: 0, high: 100 },
      },
      { plane: { axis: 'z', index: 2 }, shape: [11, 13], labels, clip: wholePlane('z', shape) },
    )
    expect(touched).toBeNull()
    expect(labels.some((label) => label !== 0)).toBe(false)
  })
})
