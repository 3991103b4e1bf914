import { badInput } from '../../../shared/errors.ts'
import { withPositionedFile, type PositionedFile } from '../volume/positioned-file.ts'
import { headerLength, lengthBytes, parseHeader } from '../learning/model/safetensors.ts'

/** What a file says of a tensor. */
export interface TensorDescription {
  /** `float32`, or the file's own name of another type. */
  dtype: string
  shape: readonly number[]
}

/** A file of weights, open for reading. Names are ours, whatever the file calls the tensors: `block1_conv1/kernel`. */
export interface WeightsFile {
  readonly path: string
  readonly format: 'safetensors' | 'keras-h5'
  readonly tensors: ReadonlyMap<string, TensorDescription>
  /**
   * The values of a float32 tensor that the file has, in C order, in an array of their own. Allocates what the described
   * shape needs, so the caller looks at it first. Throws `BadInput` when the file ends before, `Cancelled`.
   */
  read(name: string, signal?: AbortSignal): Promise<Float32Array>
}

/**
 * Opens a file of weights, hands it to `use` and closes it again.
 * Throws `NotFound` or `BadInput` when there is no readable file of a known format.
 */
export async function withWeightsFile<Result>(
  path: string,
  use: (file: WeightsFile) => Promise<Result>,
  signal?: AbortSignal,
): Promise<Result> {
  return withPositionedFile(path, async (file) => use(await openSafetensors(file, signal)), {
    readStart: false,
  })
}

async function openSafetensors(file: PositionedFile, signal: AbortSignal | undefined): Promise<WeightsFile> {
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
