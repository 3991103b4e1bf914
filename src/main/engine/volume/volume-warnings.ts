import type { VolumeWarning } from '../../../shared/volume.ts'
import type { Numbering } from './natural-order.ts'
import type { SliceHeader } from './slice-header.ts'

/** Gaps that are named one by one; more are counted. */
const gapsNamed = 3

/** What a person should know about how the values of the slices are meant. */
export function meaningWarnings(path: string, header: SliceHeader): VolumeWarning[] {
  if (header.meaning !== 'inverted-grey') return []
  return [
    { kind: 'other', message: `${path}: 0 means white in this file; values are used as they are stored` },
  ]
}

/** A volume of one slice works, but is often a file that lost the others. */
export function depthWarnings(path: string, depth: number): VolumeWarning[] {
  if (depth > 1) return []
  return [{ kind: 'other', message: `${path}: one slice only, so there is nothing to learn along z` }]
}

/** What a person should know about the numbering of the slices. */
export function numberingWarnings(
  path: string,
  names: readonly string[],
  { gaps, step }: Numbering,
): VolumeWarning[] {
  const warnings: VolumeWarning[] = []
  if (gaps.length > 0) {
    const named = gaps.slice(0, gapsNamed).map((z) => `${names[z - 1]} → ${names[z]}`)
    const more = gaps.length > gapsNamed ? ` and ${gaps.length - gapsNamed} more` : ''
    warnings.push({
      kind: 'numbering-gap',
      message: `${path}: the numbering jumps (${named.join(', ')}${more}); slices across a jump are not treated as neighbours`,
    })
  }
  if (step !== null && step > 1) {
    warnings.push({
      kind: 'other',
      message: `${path}: slice numbers go up in steps of ${step}; they are taken as evenly spaced`,
    })
  }
  return warnings
}
