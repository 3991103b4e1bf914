import { createHash } from 'node:crypto'
import type { CatalogueTensor, WeightSet } from './catalogue.ts'
import type { WeightsFile } from './weights-file.ts'

/** A tensor of weights. Kernels are [y, x, input channel, output channel], biases [output channel]; C order. */
export interface WeightTensor {
  shape: readonly number[]
  values: Float32Array
}

export type Verification =
  | {
      verified: true
      /** `false` when some biases are the rounded copy that the catalogue knows too; `null` when it knows none. */
      exactBiases: boolean | null
      tensors: ReadonlyMap<string, WeightTensor>
    }
  | {
      verified: false
      /** One per tensor that differs, with its name, what was expected and what was found. */
      differences: readonly string[]
    }

/**
 * Compares a file tensor by tensor with a set of the catalogue, and returns the values when all agree. Tensors that the set does
 * not have (deeper blocks) are not read. Throws `BadInput`, `Cancelled`.
 */
export async function verifyTensors(
  file: WeightsFile,
  set: WeightSet,
  signal?: AbortSignal,
): Promise<Verification> {
  const tensors = new Map<string, WeightTensor>()
  const differences: string[] = []
  let rounded = false
  for (const [name, expected] of Object.entries(set.tensors)) {
    const found = file.tensors.get(name)
    const { shape } = expected
    if (found?.dtype !== 'float32' || !sameShape(found.shape, shape)) {
      const what = found === undefined ? 'no such tensor' : `${found.dtype} [${found.shape.join(', ')}]`
      differences.push(`${name}: expected float32 [${shape.join(', ')}], found ${what}`)
      continue
    }
    const values = await file.read(name, signal)
    switch (recognise(values, expected)) {
      case 'rounded':
        rounded = true
        break
      case 'other':
        differences.push(
          `${name}: expected ${describeHash(expected)}, found ${describeFound(values, expected)}`,
        )
        break
      case 'exact':
    }
    tensors.set(name, { shape, values })
  }
  if (differences.length > 0) return { verified: false, differences }
  const knowsRounded = Object.values(set.tensors).some((tensor) => tensor.rounded !== undefined)
  return { verified: true, exactBiases: knowsRounded ? !rounded : null, tensors }
}

function recognise(values: Float32Array, expected: CatalogueTensor): 'exact' | 'rounded' | 'other' {
  const raw = sha256(bytesOf(values))
  // Where the catalogue has both hashes, both must agree.
  const isRaw = expected.sha256 === undefined || raw === expected.sha256
  const isNpy = expected.sha256Npy === undefined || npySha256(values, expected.shape) === expected.sha256Npy
  if (isRaw && isNpy) return 'exact'
  return raw === expected.rounded?.sha256 ? 'rounded' : 'other'
}

function describeHash({ sha256: raw, sha256Npy }: CatalogueTensor): string {
  return raw === undefined ? `sha256 ${sha256Npy} as .npy` : `sha256 ${raw}`
}

function describeFound(values: Float32Array, expected: CatalogueTensor): string {
  return expected.sha256 === undefined ? npySha256(values, expected.shape) : sha256(bytesOf(values))
}

/**
 * SHA-256 of the values as the .npy file that numpy before 1.14 wrote, which padded the header with 1 to 16 blanks so that the
 * data begin at a multiple of 16 (numpy.lib.format, version 1.0). Known hashes of the VGG16 layers are of this form.
 */
export function npySha256(values: Float32Array, shape: readonly number[]): string {
  const dimensions = shape.length === 1 ? `${shape[0]},` : shape.join(', ')
  const dictionary = `{'descr': '<f4', 'fortran_order': False, 'shape': (${dimensions}), }`
  const magicBytes = 10
  const blanks = 16 - ((magicBytes + dictionary.length + 1) % 16)
  const text = `${dictionary}${' '.repeat(blanks)}\n`
  const header = Buffer.alloc(magicBytes + text.length)
  header.write('\x93NUMPY\x01\x00', 'latin1')
  header.writeUInt16LE(text.length, 8)
  header.write(text, magicBytes, 'latin1')
  return createHash('sha256').update(header).update(bytesOf(values)).digest('hex')
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

function bytesOf(values: Float32Array): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength)
}

function sameShape(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((size, axis) => size === b[axis])
}
