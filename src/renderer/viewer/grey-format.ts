import type { Dtype, TypedArray } from '../../shared/volume.ts'
import {
  ByteType,
  FloatType,
  IntType,
  RedFormat,
  RedIntegerFormat,
  ShortType,
  UnsignedByteType,
  UnsignedIntType,
  UnsignedShortType,
  type PixelFormat,
  type PixelFormatGPU,
  type TextureDataType,
} from 'three'

/** How voxels of each type lie in a texture: always all their bits, never normalised, never filtered by the sampler. */

/** Which kind of sampler reads them. */
export type GreySampler = 'unsigned' | 'signed' | 'float'

export interface TextureFormat {
  sampler: GreySampler
  format: PixelFormat
  type: TextureDataType
  internalFormat: PixelFormatGPU
  bytesPerElement: number
}

export const labelFormat: TextureFormat = {
  sampler: 'unsigned',
  format: RedIntegerFormat,
  type: UnsignedByteType,
  internalFormat: 'R8UI',
  bytesPerElement: 1,
}

const float: TextureFormat = {
  sampler: 'float',
  format: RedFormat,
  type: FloatType,
  internalFormat: 'R32F',
  bytesPerElement: 4,
}

export const greyFormats: Record<Dtype, TextureFormat> = {
  uint8: labelFormat,
  int8: { ...labelFormat, sampler: 'signed', type: ByteType, internalFormat: 'R8I' },
  uint16: { ...labelFormat, type: UnsignedShortType, internalFormat: 'R16UI', bytesPerElement: 2 },
  int16: { ...labelFormat, sampler: 'signed', type: ShortType, internalFormat: 'R16I', bytesPerElement: 2 },
  uint32: { ...labelFormat, type: UnsignedIntType, internalFormat: 'R32UI', bytesPerElement: 4 },
  int32: { ...labelFormat, sampler: 'signed', type: IntType, internalFormat: 'R32I', bytesPerElement: 4 },
  float32: float,
  float64: float,
}

/** Values as they go to the texture: `value = element + offset`. */
export interface TextureValues {
  elements: TypedArray
  offset: number
}

/**
 * Float64 planes become float32 after the middle of their range was taken off: what remains is exact to 2⁻²⁵ of the range of the
 * plane, however large the values are (a plane around 10⁹ with a range of 1 keeps 25 bits of contrast, not 0). All other types
 * go as they are, without a copy.
 */
export function textureValues(data: TypedArray, dtype: Dtype): TextureValues {
  if (dtype !== 'float64') return { elements: data, offset: 0 }
  let low = Infinity
  let high = -Infinity
  for (const value of data) {
    if (!Number.isFinite(value)) continue
    if (value < low) low = value
    if (value > high) high = value
  }
  const offset = low <= high ? low + (high - low) / 2 : 0
  const elements = new Float32Array(data.length)
  for (let at = 0; at < data.length; at++) elements[at] = data[at] - offset
  return { elements, offset }
}
