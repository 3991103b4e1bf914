import { withPositionedFile } from '../volume/positioned-file.ts'
import { withKerasFile } from './keras-h5.ts'
import { withSafetensorsFile } from './safetensors-file.ts'
import type { WeightsFile } from './weights-file.ts'

/** First bytes of an HDF5 file (format specification, section II.A). */
const hdf5Signature = Buffer.from('\x89HDF\r\n\x1a\n', 'latin1')

/**
 * Opens a file of weights, hands it to `use` and closes it again. Its first bytes tell the format, not its name.
 * Throws `NotFound` or `BadInput` when there is no readable file of a known format.
 */
export async function withWeightsFile<Result>(
  path: string,
  use: (file: WeightsFile) => Promise<Result>,
  signal?: AbortSignal,
): Promise<Result> {
  const start = await withPositionedFile(path, (file) => file.readUpTo(0, hdf5Signature.length, signal), {
    readStart: false,
  })
  return hdf5Signature.equals(start) ? withKerasFile(path, use) : withSafetensorsFile(path, use, signal)
}
