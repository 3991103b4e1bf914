import type { TypedArray } from '../../../../shared/volume.ts'
import { normaliseInto, type Normalisation } from '../normalisation.ts'
import { mirror } from '../patches/patch-transform.ts'
import type { Rectangle } from './tile-plan.ts'

/** What the network is asked about: a slice and its neighbours as channels, `[y, x]` each, in C order. */
export interface SliceInput {
  channels: readonly TypedArray[]
  height: number
  width: number
  normalisation: Normalisation
}

/** Normalised channels side by side, mirrored at the bottom and right up to the padded size: `[y, x, channel]`. */
export function padSlice(input: SliceInput, paddedHeight: number, paddedWidth: number): Float32Array {
  const { height, width, channels, normalisation } = input
  const count = channels.length
  const padded = new Float32Array(paddedHeight * paddedWidth * count)
  const row = new Float32Array(width)
  for (let channel = 0; channel < count; channel++) {
    for (let y = 0; y < paddedHeight; y++) {
      const target = y * paddedWidth
      normaliseInto(row, 0, channels[channel], mirror(y, height) * width, width, normalisation)
      if (count === 1) padded.set(row, target)
      else for (let x = 0; x < width; x++) padded[(target + x) * count + channel] = row[x]!
      for (let x = width; x < paddedWidth; x++)
        padded[(target + x) * count + channel] = row[mirror(x, width)]!
    }
  }
  return padded
}

/** The part `area` of a padded slice, `[y, x, channel]`; a view when the whole width is asked for. */
export function cutTile(
  padded: Float32Array,
  paddedWidth: number,
  channels: number,
  area: Rectangle,
): Float32Array {
  if (area.width === paddedWidth) {
    return padded.subarray(area.y * paddedWidth * channels, (area.y + area.height) * paddedWidth * channels)
  }
  const result = new Float32Array(area.height * area.width * channels)
  for (let y = 0; y < area.height; y++) {
    const from = ((area.y + y) * paddedWidth + area.x) * channels
    result.set(padded.subarray(from, from + area.width * channels), y * area.width * channels)
  }
  return result
}
