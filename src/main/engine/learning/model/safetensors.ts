import { z } from 'zod'
import { badInput } from '../../../../shared/errors.ts'

/**
 * Reads and writes float32 vectors in the safetensors layout: eight bytes with the length of a JSON header, the header,
 * then the values (https://github.com/huggingface/safetensors, "Format").
 */
export interface TensorFile {
  tensors: Record<string, Float32Array>
  metadata: Record<string, string>
}

const entrySchema = z.object({
  dtype: z.string(),
  shape: z.array(z.number().int().nonnegative()),
  data_offsets: z.tuple([z.number().int().nonnegative(), z.number().int().nonnegative()]),
})
const headerSchema = z.record(z.string(), z.union([entrySchema, z.record(z.string(), z.string())]))

/** Headers of checkpoints have a few hundred bytes; a longer one is damage or malice. */
const maxHeaderBytes = 1 << 20

export function encodeTensors({ tensors, metadata }: TensorFile): Uint8Array {
  let offset = 0
  const header: Record<string, unknown> = { __metadata__: metadata }
  for (const [name, values] of Object.entries(tensors)) {
    header[name] = {
      dtype: 'F32',
      shape: [values.length],
      data_offsets: [offset, offset + values.byteLength],
    }
    offset += values.byteLength
  }
  let text = JSON.stringify(header)
  // Values start at a multiple of eight, so that they can be viewed in place.
  text += ' '.repeat((8 - (Buffer.byteLength(text) % 8)) % 8)
  const headerBytes = Buffer.from(text)
  const bytes = new Uint8Array(8 + headerBytes.length + offset)
  new DataView(bytes.buffer).setBigUint64(0, BigInt(headerBytes.length), true)
  bytes.set(headerBytes, 8)
  let at = 8 + headerBytes.length
  for (const values of Object.values(tensors)) {
    bytes.set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength), at)
    at += values.byteLength
  }
  return bytes
}

/** Throws `BadInput`, naming `path`, when the bytes are not a whole file of float32 tensors. */
export function decodeTensors(bytes: Uint8Array, path: string): TensorFile {
  const wrong = (found: string) => badInput(path, 'a whole safetensors file with float32 tensors', found)
  if (bytes.length < 8) throw wrong(`${bytes.length} bytes`)
  const length = Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true))
  if (length > maxHeaderBytes || 8 + length > bytes.length) throw wrong(`a header of ${length} bytes`)
  let header: z.infer<typeof headerSchema>
  try {
    header = headerSchema.parse(JSON.parse(Buffer.from(bytes.subarray(8, 8 + length)).toString('utf8')))
  } catch (cause) {
    throw badInput(path, 'a safetensors header', 'something else', { cause })
  }
  // As a plain array: `slice` of a Buffer, which is what reading a file gives, does not copy.
  const data = new Uint8Array(bytes.buffer, bytes.byteOffset + 8 + length, bytes.length - 8 - length)
  const result: TensorFile = { tensors: {}, metadata: {} }
  for (const [name, entry] of Object.entries(header)) {
    const parsed = entrySchema.safeParse(entry)
    if (!parsed.success) {
      if (name !== '__metadata__') throw wrong(`text instead of the description of tensor ${name}`)
      result.metadata = z.record(z.string(), z.string()).parse(entry)
      continue
    }
    const { dtype, shape, data_offsets: offsets } = parsed.data
    const count = shape.reduce((a, b) => a * b, 1)
    if (dtype !== 'F32' || offsets[1] > data.length || offsets[1] - offsets[0] !== count * 4) {
      throw wrong(
        `tensor ${name} of type ${dtype}, shape [${shape.join(', ')}], bytes ${offsets.join('–')} of ${data.length}`,
      )
    }
    // Copied: the source may be unaligned, and callers keep the values longer than the file.
    result.tensors[name] = new Float32Array(data.slice(offsets[0], offsets[1]).buffer)
  }
  return result
}
