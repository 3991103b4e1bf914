// Steps of painting that follow from a seed and their number alone, so that whoever carries them out ends with the same labels.

import { createRandom } from '../../dist/shared/random.js'

/** Axes z, y, x. */
export const paintingShape = [12, 300, 400]

/** Small limits, so that a kill also meets the change of segments and the writing of snapshots. */
export const paintingOptions = {
  volumeId: '00000000-0000-4000-8000-000000000001',
  readOnly: null,
  allowed: () => new Uint8Array(256).fill(1),
  source: () => Promise.reject(new Error('painting needs no grey values')),
  segmentBytes: 40_000,
  snapshots: { records: 37 },
}

/** Id of a step that paints. */
export function editIdOf(seed, step) {
  return `00000000-0000-4000-8${(seed % 4096).toString(16).padStart(3, '0')}-${step.toString(16).padStart(12, '0')}`
}

/** Carries out one step: mostly strokes, sometimes undo, redo, a cleared slice, or two noisy slices at once. */
export async function carryOut(store, seed, step) {
  const generator = createRandom(seed, step)
  const random = () => generator.next()
  const below = (limit) => Math.floor(random() * limit)
  const [depth, height, width] = paintingShape
  const kind = random()
  const editId = editIdOf(seed, step)
  if (kind < 0.08) return await store.undo()
  if (kind < 0.12) return await store.redo()
  if (kind < 0.14) return await store.apply(editId, { kind: 'clear-slice', z: below(depth) })
  if (kind < 0.16) {
    const z = below(depth - 1)
    const [offset, share] = [below(1000), 2 + below(40)]
    const slices = async function* () {
      for (const slice of [z, z + 1]) {
        const labels = new Uint8Array(height * width)
        for (let i = 0; i < labels.length; i++) labels[i] = (i + offset) % share < 2 ? 1 + (i % 3) : 0
        yield await Promise.resolve({ z: slice, labels })
      }
    }
    const allowed = paintingOptions.allowed()
    return await store.replaceSlices('import', slices(), { mode: 'over', allowed, editId })
  }
  const axis = ['z', 'z', 'z', 'y', 'x'][below(5)]
  const [planes, rows, columns] = {
    z: [depth, height, width],
    y: [height, depth, width],
    x: [width, depth, height],
  }[axis]
  const points = new Float32Array(2 * (1 + below(12)))
  for (let i = 0; i < points.length; i += 2) {
    points[i] = i === 0 ? random() * rows : points[i - 2] + 20 * (random() - 0.5)
    points[i + 1] = i === 0 ? random() * columns : points[i - 1] + 20 * (random() - 0.5)
  }
  return await store.apply(editId, {
    kind: 'brush',
    plane: { axis, index: below(planes) },
    points,
    radius: random() * 12,
    shape: random() < 0.5 ? 'round' : 'square',
    volumetric: random() < 0.2,
    material: below(5),
    greyRange: null,
  })
}
