import { z } from 'zod'
import type { TypedArray } from '../volume.ts'

/** Typed arrays cross as they are; `isView` and the tag work across realms, unlike `instanceof`. */
function isArrayOf(name: string): (value: unknown) => boolean {
  return (value) => ArrayBuffer.isView(value) && Object.prototype.toString.call(value) === `[object ${name}]`
}

export const uint8ArraySchema = z.custom<Uint8Array>(isArrayOf('Uint8Array'), 'expected a Uint8Array')
export const uint32ArraySchema = z.custom<Uint32Array>(isArrayOf('Uint32Array'), 'expected a Uint32Array')
export const float32ArraySchema = z.custom<Float32Array>(isArrayOf('Float32Array'), 'expected a Float32Array')
export const float64ArraySchema = z.custom<Float64Array>(isArrayOf('Float64Array'), 'expected a Float64Array')

/** Voxels in any element type of a volume. */
export const voxelArraySchema = z.custom<TypedArray>(
  (value) => ArrayBuffer.isView(value) && !(value instanceof DataView),
  'expected a typed array',
)
