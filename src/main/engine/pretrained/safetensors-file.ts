import { badInput } from '../../../shared/errors.ts'
import { headerLength, lengthBytes, parseHeader } from '../learning/model/safetensors.ts'
import { withPositionedFile, type PositionedFile } from '../volume/positioned-file.ts'
import type { WeightsFile } from './weights-file.ts'

/** Opens a safetensors file; only the tensors that are asked for are read, so that it may hold a whole VGG16. */
export async function withSafetensorsFile<Result>(
  path: string,
  use: (file: WeightsFile) => Promise<Result>,
  signal?: AbortSignal,
): Promise<Result> {
  return withPositionedFile(path, async (file) => use(await open(file, signal)), { readStart: false })
}

async function open(file: PositionedFile, signal: AbortSignal | undefined): Promise<WeightsFile> {
  const { path, sizeBytes } = file
  const length = headerLength(await file.readUpTo(0, lengthBytes, signal), sizeBytes, path)
  const header = new Uint8Array(length)
  await file.readInto(header, lengthBytes, signal)
  const { entries } = parseHeader(header, sizeBytes, path)
  const tensors = new Map(
    [...entries].map(([name, { dtype, shape }]) => [
      name,
      { dtype: dtype === 'F32' ? 'float32' : dtype, shape },
    ]),
  )
  return {
    path,
    format: 'safetensors',
    tensors,
    async read(name, readSignal) {
      const entry = entries.get(name)
      if (entry?.dtype !== 'F32') {
        throw badInput(path, `a float32 tensor ${name}`, entry === undefined ? 'none' : entry.dtype)
      }
      const values = new Float32Array((entry.end - entry.begin) / Float32Array.BYTES_PER_ELEMENT)
      await file.readInto(new Uint8Array(values.buffer), entry.begin, readSignal)
      return values
    },
  }
}
