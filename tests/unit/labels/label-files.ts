import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { encode } from 'fast-png'
import { afterAll } from 'vitest'
import type { LabelFile } from '../../../src/main/engine/labels/label-file.ts'
import type { VolumeSource } from '../../../src/main/engine/volume/volume-source.ts'
import type { LabelMetadata } from '../../../src/shared/materials.ts'
import {
  bytesPerElement,
  createTypedArray,
  type Dtype,
  type TypedArray,
  type VolumeMeta,
} from '../../../src/shared/volume.ts'

/** A folder for the files of one test file, removed when it ends. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'phasemark-labels-'))
  afterAll(() => {
    rmSync(folder, { recursive: true, force: true })
  })
  return folder
}

/** Writes 8-bit PNG slices `width` voxels wide, one per stem. */
export function writeSlices(
  folder: string,
  width: number,
  slices: Record<string, readonly number[]>,
): string {
  mkdirSync(folder, { recursive: true })
  for (const [stem, values] of Object.entries(slices)) {
    const data = Uint8Array.from(values)
    const png = encode({ width, height: values.length / width, data, channels: 1, depth: 8 })
    writeFileSync(path.join(folder, `${stem}.png`), png)
  }
  return folder
}

/** Writes an 8-bit TIFF of one strip with an ImageDescription. */
export function writeTiff(file: string, width: number, values: readonly number[], description: string): void {
  const text = Buffer.from(`${description}\0`, 'ascii')
  const height = values.length / width
  const pixelsAt = 8
  const textAt = pixelsAt + values.length + (values.length % 2)
  const directoryAt = textAt + text.length + (text.length % 2)
  const entries: [tag: number, type: number, count: number, value: number][] = [
    [256, 3, 1, width],
    [257, 3, 1, height],
    [258, 3, 1, 8],
    [259, 3, 1, 1],
    [262, 3, 1, 1],
    [270, 2, text.length, textAt],
    [273, 4, 1, pixelsAt],
    [277, 3, 1, 1],
    [278, 3, 1, height],
    [279, 4, 1, values.length],
  ]
  const bytes = Buffer.alloc(directoryAt + 2 + entries.length * 12 + 4)
  bytes.write('II*\0', 'latin1')
  bytes.writeUInt32LE(directoryAt, 4)
  Buffer.from(values).copy(bytes, pixelsAt)
  text.copy(bytes, textAt)
  bytes.writeUInt16LE(entries.length, directoryAt)
  for (const [index, [tag, type, count, value]] of entries.entries()) {
    const at = directoryAt + 2 + index * 12
    bytes.writeUInt16LE(tag, at)
    bytes.writeUInt16LE(type, at + 2)
    bytes.writeUInt32LE(count, at + 4)
    bytes.writeUInt32LE(value, at + 8)
  }
  writeFileSync(file, bytes)
}

/** What is known of a volume with slices of 2 × `width` voxels named `names`. */
export function volumeMeta(names: readonly string[], shape: { height: number; width: number }): VolumeMeta {
  return {
    format: 'memory',
    path: 'scan/images',
    shape: [names.length, shape.height, shape.width],
    dtype: 'uint16',
    voxelSize: null,
    sliceNames: names,
    bytes: names.length * shape.height * shape.width * 2,
    gaps: [],
    warnings: [],
  }
}

/** A label file in memory that counts its reads and remembers whether it was closed. */
export class MemoryLabels implements LabelFile {
  readonly path: string
  readonly file: VolumeSource
  readonly stated: LabelFile['stated']
  readonly reads: number[] = []
  closed = false
  readonly slices: Map<string, TypedArray>

  constructor(
    labelPath: string,
    width: number,
    dtype: Dtype,
    slices: Record<string, readonly number[]>,
    metadata: LabelMetadata | null = null,
  ) {
    this.path = labelPath
    this.stated = metadata === null ? null : { path: `${labelPath}/labels.json`, metadata }
    this.slices = new Map(
      Object.entries(slices).map(([stem, values]) => {
        const array = createTypedArray(dtype, values.length)
        array.set(values)
        return [stem, array]
      }),
    )
    const names = [...this.slices.keys()]
    const pixels = [...this.slices.values()][0].length
    this.file = {
      meta: {
        ...volumeMeta(names, { height: pixels / width, width }),
        path: labelPath,
        dtype,
        bytes: names.length * pixels * bytesPerElement[dtype],
      },
      readSlice: (z) => {
        this.reads.push(z)
        return Promise.resolve(this.slices.get(names[z])!.slice())
      },
      readBox: () => Promise.reject(new Error('labels are read by slice')),
      close: () => {
        this.closed = true
        return Promise.resolve()
      },
    }
  }
}
