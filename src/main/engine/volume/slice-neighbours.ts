import type { VolumeMeta } from '../../../shared/volume.ts'

/**
 * Positions that stand for `z - count … z + count`: where the volume ends or its numbering has a gap, the last slice before
 * that is repeated, because what lies beyond is no neighbour in the sample.
 */
export function sliceNeighbours(
  meta: Pick<VolumeMeta, 'shape' | 'gaps'>,
  z: number,
  count: number,
): number[] {
  const below = Math.max(0, ...meta.gaps.filter((gap) => gap <= z))
  const above = Math.min(meta.shape[0], ...meta.gaps.filter((gap) => gap > z)) - 1
  return Array.from({ length: 2 * count + 1 }, (_, index) =>
    Math.min(Math.max(z + index - count, below), above),
  )
}
