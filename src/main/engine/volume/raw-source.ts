import path from 'node:path'
import { badInput, PhasemarkError } from '../../../shared/errors.ts'
import { bytesPerElement, dtypes, type Dtype, type VolumeWarning } from '../../../shared/volume.ts'
import { maxSliceBytes, maxSliceEdge, maxSlices } from './limits.ts'
import { openPositionedFile } from './positioned-file.ts'
import { createRowSource } from './row-source.ts'
import { createUnfilledArray, toMachineOrder } from './samples.ts'
import type { OpenedFormat } from './opened-format.ts'
import { pageNames } from './slice-header.ts'
import type { VolumeSource } from './volume-source.ts'

/** What a headerless file of voxels in C order (z, y, x) contains. */
export interface RawHeader {
  shape: readonly [z: number, y: number, x: number]
  dtype: Dtype
  endianness: 'little' | 'big'
  /** Bytes before the first voxel. */
  offset: number
}

/** Reads the argument of `--raw`: `z,y,x,dtype,endianness,offset`. Throws `WrongUsage` with what was expected. */
export function parseRawHeader(text: string): RawHeader {
  const parts = text.split(',').map((part) => part.trim())
  const [z, y, x] = parts.slice(0, 3).map(Number)
  const dtype = dtypes.find((name) => name === parts[3])
  const endianness = parts[4] === 'little' || parts[4] === 'big' ? parts[4] : undefined
  const offset = Number(parts[5] ?? '0')
  const wholeNumbers = [z, y, x].every((edge) => Number.isInteger(edge) && edge > 0)
  if (
    parts.length < 5 ||
    parts.length > 6 ||
    !wholeNumbers ||
    dtype === undefined ||
    endianness === undefined ||
    !Number.isSafeInteger(offset) ||
    offset < 0
  ) {
    throw new PhasemarkError(
      'WrongUsage',
      `expected z,y,x,dtype,endianness,offset such as 64,512,512,uint16,little,0 ` +
        `(dtype one of ${dtypes.join(', ')}; endianness little or big), found '${text}'`,
      { argument: '--raw' },
    )
  }
  return { shape: [z, y, x], dtype, endianness, offset }
}

/** Opens a raw file. Throws `BadInput` when the file is smaller than its header says. */
export async function openRawSource(
  filePath: string,
  header: RawHeader,
  format: OpenedFormat,
): Promise<VolumeSource> {
  const [depth, height, width] = header.shape
  const elementBytes = bytesPerElement[header.dtype]
  const sliceBytes = height * width * elementBytes
  if (height > maxSliceEdge || width > maxSliceEdge || sliceBytes > maxSliceBytes || depth > maxSlices) {
    throw badInput(
      filePath,
      `at most ${maxSlices} slices of ${maxSliceBytes} bytes with edges up to ${maxSliceEdge}`,
      `${depth} × ${height} × ${width} ${header.dtype} in the raw header`,
    )
  }
  const file = await openPositionedFile(filePath)
  const voxelBytes = depth * sliceBytes
  const needed = header.offset + voxelBytes
  if (file.sizeBytes < needed) {
    await file.close()
    throw badInput(
      filePath,
      `${needed} bytes for ${depth} × ${height} × ${width} ${header.dtype} after ${header.offset} bytes`,
      `${file.sizeBytes} bytes`,
    )
  }
  const warnings: VolumeWarning[] = []
  if (file.sizeBytes > needed) {
    warnings.push({
      kind: 'other',
      message: `${filePath}: ${file.sizeBytes - needed} bytes follow the voxels; check the raw header`,
    })
  }
  return createRowSource(
    {
      format: 'raw',
      path: format.path,
      shape: header.shape,
      dtype: header.dtype,
      voxelSize: format.voxelSize ?? null,
      sliceNames: pageNames(path.parse(filePath).name, depth),
      bytes: voxelBytes,
      gaps: [],
      warnings,
    },
    {
      rowAddressable: true,
      async readRows(z, yStart, yStop, signal) {
        const target = createUnfilledArray(header.dtype, (yStop - yStart) * width)
        const bytes = new Uint8Array(target.buffer)
        const position = header.offset + z * sliceBytes + yStart * width * elementBytes
        await file.readInto(bytes, position, signal)
        toMachineOrder(bytes, elementBytes, header.endianness === 'little')
        return target
      },
      close: () => file.close(),
    },
  )
}
