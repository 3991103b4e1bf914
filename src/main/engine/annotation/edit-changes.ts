import { brushTip, strokeBounds, strokeSpans } from '../../../shared/annotation/brush-raster.ts'
import type {
  BrushEdit,
  CopySliceEdit,
  FillEdit,
  LabelEdit,
  Plane,
  PolygonEdit,
  Rectangle,
} from '../../../shared/annotation/edit.ts'
import { inRange, type GreyLimit } from '../../../shared/annotation/paint.ts'
import { polygonSpans } from '../../../shared/annotation/polygon-raster.ts'
import { PhasemarkError } from '../../../shared/errors.ts'
import type { TypedArray } from '../../../shared/volume.ts'
import type { Box, VolumeSource } from '../volume/volume-source.ts'
import { ChangeEncoder, type ChangeSet } from './changes.ts'
import { fillSpans } from './flood-fill.ts'
import { interpolateSlices } from './interpolate.ts'
import { boxOf, extentAlong, requirePlane } from './plane-geometry.ts'
import { encodeSlice, requireSlices, wholeSlice, type EditContext } from './slice-changes.ts'

/** Voxels of a volumetric stroke that are rastered at a time; a mask of so many bytes is held. */
const bandVoxels = 2 ** 24

/** Whether an edit waits for grey values or takes so long that others should not wait in one batch with it. */
export function isSlowEdit(edit: LabelEdit): boolean {
  switch (edit.kind) {
    case 'brush':
      return edit.greyRange !== null || edit.volumetric
    case 'polygon':
      return edit.greyRange !== null
    case 'fill':
    case 'interpolate':
      return true
    case 'copy-slice':
    case 'clear-slice':
      return false
  }
}

/**
 * The voxels that an edit changes. Labels are read, not changed.
 * Throws `WrongUsage` for a plane, slice or position outside the volume or a material that may not be painted, and whatever
 * reading grey values throws.
 */
export async function changesOf(edit: LabelEdit, context: EditContext): Promise<ChangeSet> {
  if ('material' in edit && edit.material !== null) requirePaintable(edit.material, context)
  const encoder = new ChangeEncoder(context.voxels.shape[2])
  switch (edit.kind) {
    case 'brush':
      await paintBrush(edit, context, encoder)
      break
    case 'polygon':
      await paintPolygon(edit, context, encoder)
      break
    case 'fill':
      await paintFill(edit, context, encoder)
      break
    case 'interpolate':
      interpolateSlices(edit, context, encoder)
      break
    case 'copy-slice':
      copySlice(edit, context, encoder)
      break
    case 'clear-slice':
      requireSlices(context, edit.z)
      clearSlice(edit.z, context, encoder)
      break
  }
  return encoder.finish()
}

function requirePaintable(material: number, { allowed }: EditContext): void {
  if (allowed[material] !== 1)
    throw wrong(`expected a material that is shown and not locked, found material ${material}`, 'material')
}

function wrong(message: string, argument: string): PhasemarkError<'WrongUsage'> {
  return new PhasemarkError('WrongUsage', message, { argument })
}

function requireFinite(points: Float32Array): void {
  if (!points.every((value) => Number.isFinite(value)))
    throw wrong('expected finite coordinates, found NaN or infinity', 'points')
}

/** Spans of one plane, `depth` planes away from that of the edit, to be drawn into whatever the caller has. */
type DrawPlane = (depth: number, emit: (row: number, from: number, to: number) => void) => void

async function paintBrush(edit: BrushEdit, context: EditContext, encoder: ChangeEncoder): Promise<void> {
  requireFinite(edit.points)
  const extent = extentAlong(edit.plane.axis, context.voxels.shape)
  const reach = edit.volumetric ? Math.floor(edit.radius) : 0
  await paintPlanes(
    edit,
    strokeBounds(edit.points, edit.radius, extent),
    reach,
    (depth, emit) => {
      const tip = brushTip(edit.shape, edit.radius, depth)
      if (tip !== null) strokeSpans(edit.points, tip, extent, emit)
    },
    context,
    encoder,
  )
}

async function paintPolygon(edit: PolygonEdit, context: EditContext, encoder: ChangeEncoder): Promise<void> {
  requireFinite(edit.points)
  const extent = extentAlong(edit.plane.axis, context.voxels.shape)
  const bounds = strokeBounds(edit.points, 0, extent)
  await paintPlanes(edit, bounds, 0, (_, emit) => polygonSpans(edit.points, extent, emit), context, encoder)
}

async function paintFill(edit: FillEdit, context: EditContext, encoder: ChangeEncoder): Promise<void> {
  const { plane, seed, tolerance } = edit
  requirePlane(plane, context.voxels.shape)
  const extent = extentAlong(plane.axis, context.voxels.shape)
  if (seed[0] >= extent.rows || seed[1] >= extent.columns)
    throw wrong(
      `expected a position within ${extent.rows} × ${extent.columns} voxels, found (${seed.join(', ')})`,
      'seed',
    )
  const whole = { top: 0, left: 0, bottom: extent.rows, right: extent.columns }
  const source = await context.source()
  const grey = await readGrey(source, boxOf(plane.axis, plane.index, plane.index + 1, whole))
  const { spans, bounds } = fillSpans(grey, extent, seed, tolerance)
  await paintPlanes(
    { ...edit, greyRange: null },
    bounds,
    0,
    (_, emit) => {
      for (let i = 0; i < spans.length; i += 3) emit(spans[i], spans[i + 1], spans[i + 2])
    },
    context,
    encoder,
  )
}

/** Paints what `draw` draws into the plane and up to `reach` planes on both sides of it. */
async function paintPlanes(
  edit: { plane: Plane; material: number; greyRange: { low: number; high: number } | null },
  bounds: Rectangle,
  reach: number,
  draw: DrawPlane,
  context: EditContext,
  encoder: ChangeEncoder,
): Promise<void> {
  const { voxels } = context
  const { axis, index } = edit.plane
  requirePlane(edit.plane, voxels.shape)
  const first = Math.max(0, index - reach)
  const end = Math.min(extentAlong(axis, voxels.shape).depth, index + reach + 1)
  if (bounds.top >= bounds.bottom || bounds.left >= bounds.right) return
  const whole = boxOf(axis, first, end, bounds)
  const sliceVoxels = (whole.stop[1] - whole.start[1]) * (whole.stop[2] - whole.start[2])
  const depthAtOnce = Math.max(1, Math.floor(bandVoxels / sliceVoxels))
  for (let z = whole.start[0]; z < whole.stop[0]; z += depthAtOnce) {
    const box: Box = {
      start: [z, whole.start[1], whole.start[2]],
      stop: [Math.min(whole.stop[0], z + depthAtOnce), whole.stop[1], whole.stop[2]],
    }
    const mask = drawBox(axis, index, box, draw)
    if (!mask.includes(1)) continue
    const limit = edit.greyRange
    const values = limit === null ? null : await readGrey(await context.source(), box)
    const grey = limit === null || values === null ? null : { values, ...limit }
    encodeMask(box, mask, grey, edit.material, context, encoder)
  }
}

/** Mask of a box, C order z, y, x. */
function drawBox(axis: Plane['axis'], index: number, { start, stop }: Box, draw: DrawPlane): Uint8Array {
  const height = stop[1] - start[1]
  const width = stop[2] - start[2]
  const mask = new Uint8Array((stop[0] - start[0]) * height * width)
  switch (axis) {
    case 'z':
      for (let z = start[0]; z < stop[0]; z++) {
        const plane = (z - start[0]) * height
        draw(z - index, (y, from, to) => {
          const row = (plane + y - start[1]) * width - start[2]
          mask.fill(1, row + from, row + to)
        })
      }
      return mask
    case 'y':
      for (let y = start[1]; y < stop[1]; y++)
        draw(y - index, (z, from, to) => {
          if (z < start[0] || z >= stop[0]) return
          const row = ((z - start[0]) * height + y - start[1]) * width - start[2]
          mask.fill(1, row + from, row + to)
        })
      return mask
    case 'x':
      for (let x = start[2]; x < stop[2]; x++)
        draw(x - index, (z, from, to) => {
          if (z < start[0] || z >= stop[0]) return
          const row = (z - start[0]) * height - start[1]
          for (let y = from; y < to; y++) mask[(row + y) * width + x - start[2]] = 1
        })
      return mask
  }
}

function encodeMask(
  { start, stop }: Box,
  mask: Uint8Array,
  grey: GreyLimit | null,
  material: number,
  { voxels, allowed }: EditContext,
  encoder: ChangeEncoder,
): void {
  const width = stop[2] - start[2]
  const sliceVoxels = (stop[1] - start[1]) * width
  const rectangle = { top: start[1], left: start[2], bottom: stop[1], right: stop[2] }
  const labels = new Uint8Array(sliceVoxels)
  for (let z = start[0]; z < stop[0]; z++) {
    const offset = (z - start[0]) * sliceVoxels
    voxels.readRectangle(z, rectangle, labels)
    encoder.beginSlice(z)
    encodeSlice(encoder, rectangle, labels, (i) =>
      mask[offset + i] === 1 && allowed[labels[i]] === 1 && (grey === null || inRange(grey, offset + i))
        ? material
        : labels[i],
    )
  }
}

function copySlice({ from, to }: CopySliceEdit, context: EditContext, encoder: ChangeEncoder): void {
  requireSlices(context, from, to)
  const { voxels, allowed } = context
  const copied = voxels.readSlice(from)
  const labels = voxels.readSlice(to)
  encoder.beginSlice(to)
  encodeSlice(encoder, wholeSlice(voxels), labels, (i) =>
    labels[i] === 0 && allowed[copied[i]] === 1 ? copied[i] : labels[i],
  )
}

function clearSlice(z: number, { voxels, allowed }: EditContext, encoder: ChangeEncoder): void {
  const labels = voxels.readSlice(z)
  encoder.beginSlice(z)
  encodeSlice(encoder, wholeSlice(voxels), labels, (i) => (allowed[labels[i]] === 1 ? 0 : labels[i]))
}

async function readGrey(source: VolumeSource, box: Box): Promise<TypedArray> {
  const [, height, width] = source.meta.shape
  const { start, stop } = box
  const isSlice =
    stop[0] - start[0] === 1 && start[1] === 0 && start[2] === 0 && stop[1] === height && stop[2] === width
  return isSlice ? await source.readSlice(start[0]) : await source.readBox(box)
}
