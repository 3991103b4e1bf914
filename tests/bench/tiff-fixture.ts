import { deflateSync } from 'node:zlib'

export interface TiffLayout {
  compression: 'none' | 'deflate'
  /** Horizontal differencing before compression (TIFF 6.0 section 14). */
  predictor: boolean
  rowsPerStrip: number
}

const shortType = 3
const longType = 4

/**
 * One grey image (y, x) as a classic little-endian TIFF in strips (TIFF 6.0, sections 2 and 3): what scanners and
 * reconstruction programs write. `voxels` is kept.
 */
export function encodeTiff(
  voxels: Uint16Array | Uint8Array,
  height: number,
  width: number,
  layout: TiffLayout,
): Buffer {
  const strips: Buffer[] = []
  for (let y = 0; y < height; y += layout.rowsPerStrip) {
    const rows = voxels.slice(y * width, Math.min(height, y + layout.rowsPerStrip) * width)
    if (layout.predictor) {
      for (let index = rows.length - 1; index > 0; index--) {
        if (index % width !== 0) rows[index] = rows[index] - rows[index - 1]
      }
    }
    const bytes = Buffer.from(rows.buffer, rows.byteOffset, rows.byteLength)
    strips.push(layout.compression === 'deflate' ? deflateSync(bytes) : bytes)
  }
  const lengths = strips.map((strip) => strip.length)
  const headerBytes = 8
  let position = headerBytes
  const offsets = lengths.map((length) => {
    const offset = position
    position += length
    return offset
  })
  const tags: [tag: number, type: number, values: readonly number[]][] = [
    [256, longType, [width]],
    [257, longType, [height]],
    [258, shortType, [voxels.BYTES_PER_ELEMENT * 8]],
    [259, shortType, [layout.compression === 'deflate' ? 8 : 1]],
    [262, shortType, [1]],
    [273, longType, offsets],
    [277, shortType, [1]],
    [278, longType, [layout.rowsPerStrip]],
    [279, longType, lengths],
    [317, shortType, [layout.predictor ? 2 : 1]],
    [339, shortType, [1]],
  ]
  const directoryOffset = position + (position % 2)
  const directory = Buffer.alloc(2 + tags.length * 12 + 4)
  const outside: Buffer[] = []
  let outsideOffset = directoryOffset + directory.length
  directory.writeUInt16LE(tags.length, 0)
  tags.forEach(([tag, type, values], index) => {
    const at = 2 + index * 12
    directory.writeUInt16LE(tag, at)
    directory.writeUInt16LE(type, at + 2)
    directory.writeUInt32LE(values.length, at + 4)
    if (values.length === 1) {
      if (type === shortType) directory.writeUInt16LE(values[0], at + 8)
      else directory.writeUInt32LE(values[0], at + 8)
      return
    }
    const array = Buffer.from(Uint32Array.from(values).buffer)
    directory.writeUInt32LE(outsideOffset, at + 8)
    outside.push(array)
    outsideOffset += array.length
  })
  const header = Buffer.alloc(headerBytes)
  header.write('II', 0, 'latin1')
  header.writeUInt16LE(42, 2)
  header.writeUInt32LE(directoryOffset, 4)
  return Buffer.concat([header, ...strips, Buffer.alloc(position % 2), directory, ...outside])
}
