import { randomUUID } from 'node:crypto'
import path from 'node:path'
import type { LabelEdit } from '../../../src/shared/annotation/edit.ts'
import type { LabelChange } from '../../../src/shared/contract/labels.ts'
import type { Shape3, TypedArray } from '../../../src/shared/volume.ts'
import { LabelStore, type LabelStoreOptions } from '../../../src/main/engine/annotation/label-store.ts'
import { createRowSource } from '../../../src/main/engine/volume/row-source.ts'
import type { VolumeSource } from '../../../src/main/engine/volume/volume-source.ts'

export const volumeId = '00000000-0000-4000-8000-000000000001'

/** Every label may be painted over. */
export const everything = new Uint8Array(256).fill(1)

export function options(more: Partial<LabelStoreOptions> = {}): LabelStoreOptions {
  return {
    volumeId,
    readOnly: null,
    allowed: () => everything,
    source: () => Promise.reject(new Error('this test has no grey values')),
    warn: (message) => {
      throw new Error(`unexpected warning: ${message}`)
    },
    ...more,
  }
}

let folders = 0
export function freshFolder(scratch: string): string {
  return path.join(scratch, `labels-${folders++}`, 'volume')
}

export async function openStore(
  folder: string,
  shape: Shape3,
  more: Partial<LabelStoreOptions> = {},
): Promise<LabelStore> {
  return await LabelStore.open(folder, shape, options(more))
}

/** Applies with a new id. */
export async function apply(store: LabelStore, edit: LabelEdit, id = randomUUID()): Promise<LabelChange> {
  return await store.apply(id, edit)
}

/** A stroke in an XY slice. */
export function stroke(z: number, points: number[], material: number, radius = 1): LabelEdit {
  return {
    kind: 'brush',
    plane: { axis: 'z', index: z },
    points: Float32Array.from(points),
    radius,
    shape: 'round',
    volumetric: false,
    material,
    greyRange: null,
  }
}

/** All labels, C order z, y, x. */
export async function allLabels(store: {
  shape: Shape3
  readSlice: (z: number) => Promise<Uint8Array>
}): Promise<Uint8Array> {
  const [depth, height, width] = store.shape
  const all = new Uint8Array(depth * height * width)
  for (let z = 0; z < depth; z++) all.set(await store.readSlice(z), z * height * width)
  return all
}

/** A grey volume in memory. */
export function greyVolume(shape: Shape3, voxels: TypedArray): VolumeSource {
  const [, height, width] = shape
  return createRowSource(
    {
      format: 'test',
      path: 'test',
      shape,
      dtype: 'float32',
      voxelSize: null,
      sliceNames: Array.from({ length: shape[0] }, (_, z) => `s_${z}`),
      bytes: voxels.byteLength,
      gaps: [],
      warnings: [],
    },
    {
      readRows: (z, yStart, yStop) =>
        Promise.resolve(
          Float32Array.from(voxels.subarray((z * height + yStart) * width, (z * height + yStop) * width)),
        ),
      close: () => Promise.resolve(),
    },
  )
}
