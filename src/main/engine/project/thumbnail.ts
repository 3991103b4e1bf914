import type { TypedArray } from '../../../shared/volume.ts'
import type { FolderMemory } from '../view/folder-memory.ts'
import type { OpenVolumeOptions } from '../volume/open-volume.ts'
import { openVolumeInThread } from '../volume/volume-thread.ts'

export const thumbnailEdge = 64

/** Voxels looked at per pixel and edge: a mean of some, so that noise does not hide what is there. */
const samplesPerPixel = 4

/** Share of pixels that may be darker or brighter than the picture shows. */
const clippedShare = 0.01

/**
 * 64 × 64 grey levels of the middle slice of a volume: the largest square in its centre, contrast stretched.
 * Throws as `openVolumeInThread` and `readSlice` do.
 */
export async function readThumbnail(
  volume: string,
  { memory, ...options }: Pick<OpenVolumeOptions, 'raw' | 'signal'> & { memory: FolderMemory },
): Promise<Uint8Array> {
  const source = await memory.use(
    volume,
    (known) => openVolumeInThread(volume, { ...options, known }),
    options.signal,
  )
  try {
    const [depth, height, width] = source.meta.shape
    const slice = await source.readSlice(
      Math.floor(depth / 2),
      options.signal === undefined ? {} : { signal: options.signal },
    )
    return createThumbnail(slice, height, width)
  } finally {
    await source.close()
  }
}

/** @param slice any type, C order (y, x), kept; NaN and infinities count as the darkest */
export function createThumbnail(slice: TypedArray, height: number, width: number): Uint8Array {
  const edge = Math.min(height, width)
  const [top, left] = [Math.floor((height - edge) / 2), Math.floor((width - edge) / 2)]
  const grid = thumbnailEdge * samplesPerPixel
  const at = (sample: number) => Math.min(edge - 1, Math.floor(((sample + 0.5) * edge) / grid))
  const means = new Float64Array(thumbnailEdge * thumbnailEdge)
  for (let row = 0; row < grid; row++) {
    const start = (top + at(row)) * width + left
    const pixelRow = Math.floor(row / samplesPerPixel) * thumbnailEdge
    for (let column = 0; column < grid; column++)
      means[pixelRow + Math.floor(column / samplesPerPixel)] += slice[start + at(column)]
  }
  const finite = means.filter(Number.isFinite).sort()
  const low = finite.at(Math.floor(finite.length * clippedShare)) ?? 0
  const high = finite.at(Math.ceil(finite.length * (1 - clippedShare)) - 1) ?? 0
  const scale = high > low ? 255 / (high - low) : 0
  return Uint8Array.from(means, (mean) =>
    Number.isFinite(mean) ? Math.max(0, Math.min(255, Math.round((mean - low) * scale))) : 0,
  )
}
