import { maxMaterials } from '../materials.ts'

/** What of a material decides whether its voxels may change. */
export interface MaterialProtection {
  index: number
  visible: boolean
  locked: boolean
  removed: boolean
}

/**
 * Which labels may be painted over, by label: length 256, 1 = may be. Unlabelled voxels always may; voxels of a locked, hidden or
 * removed material, or of one that is not in the list, never.
 */
export function overwritableLabels(materials: readonly MaterialProtection[]): Uint8Array {
  const allowed = new Uint8Array(maxMaterials + 1)
  allowed[0] = 1
  for (const material of materials) if (isPaintable(material)) allowed[material.index] = 1
  return allowed
}

/** Whether a material may be painted: seen, not locked, not removed. */
export function isPaintable(material: MaterialProtection): boolean {
  return material.visible && !material.locked && !material.removed
}

/** Grey values beside labels, position by position; only those in [low, high] let their voxel change. */
export interface GreyLimit {
  values: ArrayLike<number>
  low: number
  high: number
}

/**
 * Paints positions [from, to) of `labels`, which is changed in place, where the label that is there may be overwritten.
 *
 * @param material what to paint; 0 erases
 * @param allowed from {@link overwritableLabels}
 * @returns the number of labels that changed
 */
export function paintSpan(
  labels: Uint8Array,
  from: number,
  to: number,
  material: number,
  allowed: Uint8Array,
  grey: GreyLimit | null = null,
): number {
  let changed = 0
  for (let i = from; i < to; i++) {
    const label = labels[i]
    if (label === material || allowed[label] !== 1) continue
    if (grey !== null && !inRange(grey, i)) continue
    labels[i] = material
    changed++
  }
  return changed
}

/** NaN lies in no range. */
export function inRange({ values, low, high }: GreyLimit, at: number): boolean {
  const value = values[at]
  return value >= low && value <= high
}
