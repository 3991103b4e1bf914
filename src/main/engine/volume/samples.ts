import {
  bytesPerElement,
  typedArrayConstructors,
  type Dtype,
  type TypedArray,
} from '../../../shared/volume.ts'
import type { TiffPredictor } from './tiff-image.ts'

/** Work on decoded bytes: byte order, differencing, packed bits, colour. All in place unless said otherwise. */

// Typed arrays have the order of the machine. All machines that Phasemark runs on are little-endian.
const machineIsLittleEndian = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1

/**
 * An array for values that a reader is about to write, every one of them: its memory is not cleared first, which saves a
 * pass over each slice. A reader that fails drops the array.
 */
export function createUnfilledArray(dtype: Dtype, length: number): TypedArray {
  const { buffer } = Buffer.allocUnsafeSlow(length * bytesPerElement[dtype])
  return new typedArrayConstructors[dtype](buffer, 0, length)
}

/** Swaps the bytes of every element when the file has the other byte order. */
export function toMachineOrder(bytes: Uint8Array, elementBytes: number, littleEndian: boolean): void {
  if (elementBytes === 1 || littleEndian === machineIsLittleEndian) return
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (elementBytes === 2) buffer.swap16()
  else if (elementBytes === 4) buffer.swap32()
  else buffer.swap64()
}

/** A typed view of `bytes`, or a copy when they do not lie on an element boundary. */
export function viewAs(dtype: Dtype, bytes: Uint8Array): TypedArray {
  const size = bytesPerElement[dtype]
  const aligned = bytes.byteOffset % size === 0 ? bytes : new Uint8Array(bytes)
  return new typedArrayConstructors[dtype](
    aligned.buffer as ArrayBuffer,
    aligned.byteOffset,
    Math.floor(aligned.byteLength / size),
  )
}

/** Undoes TIFF differencing of whole rows. `stride` is the number of samples of one pixel that lie side by side. */
export function undoPredictor(
  bytes: Uint8Array,
  rowBytes: number,
  format: { predictor: TiffPredictor; elementBytes: number; stride: number; littleEndian: boolean },
): void {
  const { predictor, elementBytes, stride, littleEndian } = format
  switch (predictor) {
    case 'none':
      toMachineOrder(bytes, elementBytes, littleEndian)
      return
    case 'horizontal':
      toMachineOrder(bytes, elementBytes, littleEndian)
      undoHorizontal(bytes, rowBytes, elementBytes, stride)
      return
    case 'floating-point':
      undoFloatingPoint(bytes, rowBytes, elementBytes, stride)
  }
}

function undoHorizontal(bytes: Uint8Array, rowBytes: number, elementBytes: number, stride: number): void {
  const rowElements = rowBytes / elementBytes
  if (elementBytes === 8) {
    const values = new BigUint64Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 8)
    for (let row = 0; row + rowElements <= values.length; row += rowElements) {
      for (let index = row + stride; index < row + rowElements; index++) {
        values[index] = values[index] + values[index - stride]
      }
    }
    return
  }
  // Differences wrap around in the width of the sample, whatever its sign: unsigned views do the same addition.
  const values =
    elementBytes === 1
      ? bytes
      : elementBytes === 2
        ? new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 2)
        : new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4)
  for (let row = 0; row + rowElements <= values.length; row += rowElements) {
    for (let index = row + stride; index < row + rowElements; index++) {
      values[index] = values[index] + values[index - stride]
    }
  }
}

/**
 * Adobe TIFF technical note 3: the bytes of a row are stored plane by plane, most significant first, then differenced
 * bytewise. The order of the file does not matter.
 */
function undoFloatingPoint(bytes: Uint8Array, rowBytes: number, elementBytes: number, stride: number): void {
  const elements = rowBytes / elementBytes
  const planes = new Uint8Array(rowBytes)
  for (let row = 0; row + rowBytes <= bytes.length; row += rowBytes) {
    for (let index = row + stride; index < row + rowBytes; index++) {
      bytes[index] = bytes[index] + bytes[index - stride]
    }
    planes.set(bytes.subarray(row, row + rowBytes))
    for (let element = 0; element < elements; element++) {
      for (let byte = 0; byte < elementBytes; byte++) {
        const plane = machineIsLittleEndian ? elementBytes - 1 - byte : byte
        bytes[row + element * elementBytes + byte] = planes[plane * elements + element]!
      }
    }
  }
}

/**
 * Spreads packed samples of 1, 2 or 4 bits over one byte each; rows of the packed form end on a byte boundary.
 * Returns a new array of rows × width.
 */
export function unpackBits(
  packed: Uint8Array,
  layout: { width: number; rows: number; rowBytes: number; bits: number; reversed: boolean },
): Uint8Array {
  const { width, rows, rowBytes, bits, reversed } = layout
  const target = new Uint8Array(width * rows)
  const perByte = 8 / bits
  const mask = (1 << bits) - 1
  for (let row = 0; row < rows; row++) {
    for (let x = 0; x < width; x++) {
      const byte = packed[row * rowBytes + Math.floor(x / perByte)]
      const place = x % perByte
      const value = reversed
        ? reverseByte(byte) >>> (8 - bits * (place + 1))
        : byte >>> (8 - bits * (place + 1))
      target[row * width + x] = value & mask
    }
  }
  return target
}

function reverseByte(byte: number): number {
  let reversed = 0
  for (let bit = 0; bit < 8; bit++) if (byte & (1 << bit)) reversed |= 0x80 >>> bit
  return reversed
}

/**
 * One channel of pixels whose samples lie side by side, in a new array. Of three samples or more the first three are
 * colours and must be equal; further ones (opacity) are left out. Returns the index of the first pixel that really has
 * a colour instead of the array when there is one.
 */
export function greyOfPixels(pixels: TypedArray, samplesPerPixel: number): TypedArray | number {
  const count = Math.floor(pixels.length / samplesPerPixel)
  const grey = new (pixels.constructor as new (length: number) => TypedArray)(count)
  for (let index = 0, at = 0; index < count; index++, at += samplesPerPixel) {
    const value = pixels[at]
    if (samplesPerPixel >= 3 && (pixels[at + 1] !== value || pixels[at + 2] !== value)) return index
    grey[index] = value
  }
  return grey
}
