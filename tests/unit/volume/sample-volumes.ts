import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { encodeTiffFile, imageDescription } from '../../../src/main/engine/output/tiff-encoding.ts'
import { createTypedArray, type Dtype, type TypedArray, type VoxelSize } from '../../../src/shared/volume.ts'

export interface SampleSlice {
  height?: number
  width?: number
  dtype?: Dtype
  compression?: 'deflate' | 'none'
  voxelSize?: VoxelSize | null
  /** Value of voxel (y, x); default x + 10 y. */
  value?: (y: number, x: number) => number
}

export function sampleSlice({ height = 6, width = 9, dtype = 'uint16', value }: SampleSlice): TypedArray {
  const slice = createTypedArray(dtype, height * width)
  const valueAt = value ?? ((y: number, x: number) => x + 10 * y)
  for (let index = 0; index < slice.length; index++) {
    slice[index] = valueAt(Math.floor(index / width), index % width)
  }
  return slice
}

/** A whole TIFF file with one slice. */
export function sampleTiff(options: SampleSlice = {}): Uint8Array {
  const { height = 6, width = 9, dtype = 'uint16', compression = 'none', voxelSize = null } = options
  return encodeTiffFile(
    {
      height,
      width,
      dtype,
      compression,
      voxelSize,
      palette: null,
      description: imageDescription(voxelSize, 1, []),
    },
    sampleSlice(options),
  )
}

/** Writes files into a new folder and returns its path. */
export function folderOf(parent: string, name: string, files: Record<string, Uint8Array | string>): string {
  const folder = path.join(parent, name)
  mkdirSync(folder, { recursive: true })
  for (const [file, content] of Object.entries(files)) writeFileSync(path.join(folder, file), content)
  return folder
}
