import type { InterpolateEdit, Rectangle } from '../../../shared/annotation/edit.ts'
import { PhasemarkError } from '../../../shared/errors.ts'
import { NearestDistance } from '../../../shared/metrics/nearest-distance.ts'
import type { ChangeEncoder } from './changes.ts'
import { encodeSlice, requireSlices, wholeSlice, type EditContext } from './slice-changes.ts'

/**
 * Labels between two labelled slices by shape-based interpolation (Raya & Udupa, "Shape-based interpolation of multidimensional
 * objects", IEEE Transactions on Medical Imaging 9, 1990): each shape becomes its signed distance map, positive inside, and a voxel
 * between belongs to the shape where the linear blend of the two maps is positive. Distances are exact and Euclidean, from centre
 * to the nearest centre on the other side less half a voxel, so that the border lies between the two.
 *
 * Where shapes of several materials meet, the larger blended distance wins, at equality the lower material index. Only unlabelled
 * voxels are painted.
 */
export function interpolateSlices(edit: InterpolateEdit, context: EditContext, encoder: ChangeEncoder): void {
  const { voxels, allowed } = context
  const { from, to } = edit
  requireSlices(context, from, to)
  if (from >= to)
    throw new PhasemarkError(
      'WrongUsage',
      `expected two slices, the lower one first, found ${from} and ${to}`,
      { argument: 'from' },
    )
  const wanted = edit.material === null ? null : [edit.material]
  const [lower, upper] = [voxels.countSlice(from), voxels.countSlice(to)]
  const materials = (wanted ?? Array.from({ length: 255 }, (_, i) => i + 1)).filter(
    (material) => lower[material] > 0 && upper[material] > 0 && allowed[material] === 1,
  )
  if (materials.length === 0)
    throw new PhasemarkError(
      'WrongUsage',
      `expected slices ${from} and ${to} to share ${edit.material === null ? 'a material that may be painted' : `material ${edit.material}`}, found none`,
      { argument: 'material' },
    )
  const width = voxels.shape[2]
  const [first, second] = [voxels.readSlice(from), voxels.readSlice(to)]
  const shapes = materials.map((material) => {
    const bounds = boundsOf([first, second], material, width)
    return {
      material,
      bounds,
      below: signedDistances(first, material, bounds, wholeSlice(voxels)),
      above: signedDistances(second, material, bounds, wholeSlice(voxels)),
    }
  })
  const bounds = shapes.map((shape) => shape.bounds).reduce(joinRectangles)
  const columns = bounds.right - bounds.left
  const nearest = new Float32Array((bounds.bottom - bounds.top) * columns)
  const painted = new Uint8Array(nearest.length)
  const labels = new Uint8Array(nearest.length)
  for (let z = from + 1; z < to; z++) {
    const weight = (z - from) / (to - from)
    nearest.fill(0)
    painted.fill(0)
    for (const shape of shapes) {
      const { top, left, bottom, right } = shape.bounds
      for (let y = top, i = 0; y < bottom; y++) {
        const row = (y - bounds.top) * columns - bounds.left
        for (let x = left; x < right; x++, i++) {
          // Rounded as it is kept, or two that are equal would not compare so.
          const distance = Math.fround((1 - weight) * shape.below[i] + weight * shape.above[i])
          if (distance <= nearest[row + x]) continue
          nearest[row + x] = distance
          painted[row + x] = shape.material
        }
      }
    }
    voxels.readRectangle(z, bounds, labels)
    encoder.beginSlice(z)
    encodeSlice(encoder, bounds, labels, (i) => (labels[i] === 0 ? painted[i] : labels[i]))
  }
}

function boundsOf(slices: readonly Uint8Array[], material: number, width: number): Rectangle {
  const bounds = { top: Infinity, left: Infinity, bottom: 0, right: 0 }
  for (const labels of slices)
    for (let i = labels.indexOf(material); i !== -1; i = labels.indexOf(material, i + 1)) {
      const y = Math.floor(i / width)
      const x = i - y * width
      bounds.top = Math.min(bounds.top, y)
      bounds.left = Math.min(bounds.left, x)
      bounds.bottom = y + 1
      bounds.right = Math.max(bounds.right, x + 1)
    }
  return bounds
}

function joinRectangles(a: Rectangle, b: Rectangle): Rectangle {
  return {
    top: Math.min(a.top, b.top),
    left: Math.min(a.left, b.left),
    bottom: Math.max(a.bottom, b.bottom),
    right: Math.max(a.right, b.right),
  }
}

/**
 * Signed distances of a material in a rectangle that holds all of it, C order, in voxels. One voxel around the rectangle counts
 * as outside, where the slice has one. A shape that fills the whole slice has no border: it is as deep as the slice is long.
 */
function signedDistances(
  labels: Uint8Array,
  material: number,
  bounds: Rectangle,
  slice: Rectangle,
): Float32Array {
  const width = slice.right
  const columns = bounds.right - bounds.left
  const distances = new Float32Array((bounds.bottom - bounds.top) * columns)
  // Around the rectangle, so that the border of the shape is in it.
  const around = {
    top: Math.max(0, bounds.top - 1),
    left: Math.max(0, bounds.left - 1),
    bottom: Math.min(slice.bottom, bounds.bottom + 1),
    right: Math.min(width, bounds.right + 1),
  }
  const inside: number[] = []
  const outside: number[] = []
  // Only voxels beside the other side can be the nearest of theirs.
  const innerBorder: number[] = []
  const outerBorder: number[] = []
  for (let y = around.top; y < around.bottom; y++)
    for (let x = around.left; x < around.right; x++) {
      const at = y * width + x
      const isInside = labels[at] === material
      const isBorder =
        (y > 0 && (labels[at - width] === material) !== isInside) ||
        (y + 1 < slice.bottom && (labels[at + width] === material) !== isInside) ||
        (x > 0 && (labels[at - 1] === material) !== isInside) ||
        (x + 1 < width && (labels[at + 1] === material) !== isInside)
      if (isInside) inside.push(at)
      else if (y >= bounds.top && y < bounds.bottom && x >= bounds.left && x < bounds.right) outside.push(at)
      if (isBorder) (isInside ? innerBorder : outerBorder).push(at)
    }
  const deepest = Math.hypot(slice.bottom, width)
  const place = (positions: readonly number[], targets: readonly number[], sign: 1 | -1) => {
    const squared = new NearestDistance().squared(Int32Array.from(targets), Int32Array.from(positions), width)
    for (const [i, at] of positions.entries()) {
      const y = Math.floor(at / width)
      const distance = targets.length === 0 ? deepest : Math.sqrt(squared[i]) - 0.5
      distances[(y - bounds.top) * columns + (at - y * width) - bounds.left] = sign * distance
    }
  }
  place(inside, outerBorder, 1)
  place(outside, innerBorder, -1)
  return distances
}
