import { micrometresPerUnit, type LengthUnit, type Shape3, type VoxelSize } from '../../shared/volume.ts'
import { formatInteger, formatSignificant, unitSpace } from './numbers.ts'

/** Sizes of volumes for people; axis order z, y, x as everywhere. */

/** How a unit is printed. */
export const unitNames: Record<LengthUnit, string> = { nm: 'nm', um: 'µm', mm: 'mm', cm: 'cm', m: 'm' }

const times = `${unitSpace}×${unitSpace}`

/** `768 × 1536 × 1536` */
export function formatShape(shape: Shape3): string {
  return shape.map(plainInteger).join(times)
}

/** Extents stand side by side: a thin space inside one of them would read as two. */
function plainInteger(value: number): string {
  return value >= 10_000 ? formatInteger(value) : String(value)
}

/** `65.0 nm` when all edges are equal, `20.0 × 10.0 × 10.0 nm` otherwise, `?` for an axis that is not known. */
export function formatVoxelSize(size: VoxelSize | null): string {
  if (size === null || (size.z === null && size.y === null && size.x === null)) return 'unknown'
  const unit = `${unitSpace}${unitNames[size.unit]}`
  if (size.z !== null && size.z === size.y && size.z === size.x) return `${formatSignificant(size.z)}${unit}`
  return `${[size.z, size.y, size.x].map((edge) => (edge === null ? '?' : formatSignificant(edge))).join(times)}${unit}`
}

/** Whether all edges are known and equal. */
export function isIsotropic(size: VoxelSize | null): boolean {
  return size !== null && size.z !== null && size.z === size.y && size.z === size.x
}

/** Whether the size along every axis is known. */
export function isVoxelSizeComplete(size: VoxelSize | null): boolean {
  return size !== null && size.z !== null && size.y !== null && size.x !== null
}

/**
 * Extent of a volume in the unit that suits its longest side: `49.9 × 99.8 × 99.8 µm`. `null` unless the voxel size is known
 * along every axis.
 */
export function formatPhysicalSize(shape: Shape3, size: VoxelSize | null): string | null {
  if (size === null || size.z === null || size.y === null || size.x === null) return null
  const micrometres = micrometresPerUnit[size.unit]
  const extents = [shape[0] * size.z, shape[1] * size.y, shape[2] * size.x].map(
    (value) => value * micrometres,
  )
  const unit = unitFor(Math.max(...extents))
  const shown = extents.map((extent) => formatSignificant(extent / micrometresPerUnit[unit]))
  return `${shown.join(times)}${unitSpace}${unitNames[unit]}`
}

/** The largest unit in which a length is at least 1. */
function unitFor(micrometres: number): LengthUnit {
  if (micrometres >= micrometresPerUnit.m) return 'm'
  if (micrometres >= micrometresPerUnit.mm) return 'mm'
  return micrometres >= 1 ? 'um' : 'nm'
}
