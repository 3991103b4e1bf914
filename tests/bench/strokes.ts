import type { LabelEdit } from '../../src/shared/annotation/edit.ts'
import type { Random } from '../../src/shared/random.ts'
import type { Shape3 } from '../../src/shared/volume.ts'

/** As people paint: some tens of positions, a few voxels apart, with a brush of 5 to 25 voxels; materials 0 (erased) to `materials` - 1. */
export function randomStroke(random: Random, [depth, height, width]: Shape3, materials: number): LabelEdit {
  const points = new Float32Array(2 * (20 + random.integer(60)))
  let direction = random.uniform(0, 2 * Math.PI)
  for (let i = 0; i < points.length; i += 2) {
    direction += random.uniform(-0.4, 0.4)
    points[i] = i === 0 ? random.uniform(0, height) : points[i - 2] + 4 * Math.sin(direction)
    points[i + 1] = i === 0 ? random.uniform(0, width) : points[i - 1] + 4 * Math.cos(direction)
  }
  return {
    kind: 'brush',
    plane: { axis: 'z', index: random.integer(depth) },
    points,
    radius: random.uniform(5, 25),
    shape: 'round',
    volumetric: false,
    material: random.integer(materials),
    greyRange: null,
  }
}
