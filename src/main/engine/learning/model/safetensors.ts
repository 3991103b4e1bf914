import { z } from 'zod'
import { badInput } from '../../../../shared/errors.ts'

/**
 * Reads and writes tensors in the safetensors layout: eight bytes with the length of a JSON header, the header, then the
 * values, little endian (https://github.com/huggingface/safetensors, "Format").
 */
export interface TensorFile {
  tensors: Record<string, Float32Array>
  metadata: Record<string, string>
}

/** Where a tensor lies in its file. `begin` and `end` count bytes from the start of the file. */
export interface SafetensorsEntry {
  dtype: string
  shape: readonly number[]
  begin: number
  end: number
}

export interface SafetensorsHeader {
  entries: ReadonlyMap<string, SafetensorsEntry>
  metadata: Record<string, string>
}

const entrySchema = z.object({
  dtype: z.string(),
  shape: z.array(z.number().int().nonnegative()),
  data_offsets: z.tuple([z.number().int().nonnegative(), z.number().int().nonnegative()]),
})
const headerSchema = z.record(z.string(), z.union([entrySchema, z.record(z.string(), z.string())]))

/** Headers of checkpoints and of VGG16 have a few kilobytes at most; a longer one is damage or malice. */
const maxHeaderBytes = 1 << 20

/** Bytes before the header, which hold its length. */
export const lengthBytes = 8

/** Bytes per value. A type that is not listed cannot be read, but may stand beside others that can. */
const bytesPerValue = new Map(
  Object.entries({
    ...{ BOOL: 1, U8: 1, I8: 1, I16: 2, U16: 2, F16: 2, BF16: 2 },
    ...{ I32: 4, U32: 4, F32: 4, F64: 8, I64: 8, U64: 8 },
  }),
)

/** @param shapes of tensors that are more than a vector; their values are in C order */
export function encodeTensors(
  { tensors, metadata }: TensorFile,
  shapes: ReadonlyMap<string, readonly number[]> = new Map(),
): Uint8Array {
  let offset = 0
  const header: Record<string, unknown> = { __metadata__: metadata }
  for (const [name, values] of Object.entries(tensors)) {
    header[name] = {
      dtype: 'F32',
      shape: shapes.get(name) ?? [values.length],
      data_offsets: [offset, offset + values.byteLength],
    }
    offset += values.byteLength
  }
  let text = JSON.stringify(header)
  // Values start at a multiple of eight, so that they can be viewed in place.
  text += ' '.repeat((8 - (Buffer.byteLength(text) % 8)) % 8)
  const headerBytes = Buffer.from(text)
  const bytes = new Uint8Array(lengthBytes + headerBytes.length + offset)
  new DataView(bytes.buffer).setBigUint64(0, BigInt(headerBytes.length), true)
  bytes.set(headerBytes, lengthBytes)
  let at = lengthBytes + headerBytes.length
  for (const values of Object.values(tensors)) {
    bytes.set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength), at)
    at += values.byteLength
  }
  return bytes
}

/**
 * Length of the header in bytes, from the first eight bytes of a file of `fileBytes`.
 * Throws `BadInput`, naming `path`, when it is longer than the file or than any honest header.
 */
export function headerLength(start: Uint8Array, fileBytes: number, path: string): number {
  if (start.length < lengthBytes) throw notWhole(path, `${start.length} bytes`)
  const length = Number(new DataView(start.buffer, start.byteOffset).getBigUint64(0, true))
  if (length > maxHeaderBytes || lengthBytes + length > fileBytes) {
    throw notWhole(path, `a header of ${length} bytes`)
  }
  return length
}

/**
 * Reads the header (the bytes after the first eight) of a file of `fileBytes`. Every tensor is known to lie inside the file
 * and to have as many bytes as its shape needs. Throws `BadInput`, naming `path`.
 */
export function parseHeader(header: Uint8Array, fileBytes: number, path: string): SafetensorsHeader {
  let described: z.infer<typeof headerSchema>
  try {
    described = headerSchema.parse(JSON.parse(Buffer.from(header).toString('utf8')))
  } catch (cause) {
    throw badInput(path, 'a safetensors header', 'something else', { cause })
  }
  const dataBegin = lengthBytes + header.length
  const entries = new Map<string, SafetensorsEntry>()
  let metadata: Record<string, string> = {}
  for (const [name, value] of Object.entries(described)) {
    const parsed = entrySchema.safeParse(value)
    if (!parsed.success) {
      if (name !== '__metadata__') throw notWhole(path, `text instead of the description of tensor ${name}`)
      metadata = z.record(z.string(), z.string()).parse(value)
      continue
    }
    const { dtype, shape, data_offsets: offsets } = parsed.data
    const size = bytesPerValue.get(dtype)
    const wanted = size === undefined ? undefined : size * shape.reduce((a, b) => a * b, 1)
    const has = offsets[1] - offsets[0]
    if (dataBegin + offsets[1] > fileBytes || has < 0 || (wanted !== undefined && has !== wanted)) {
      throw notWhole(
        path,
        `tensor ${name} of type ${dtype}, shape [${shape.join(', ')}], bytes ${offsets.join('–')} of ${fileBytes - dataBegin}`,
      )
    }
    entries.set(name, { dtype, shape, begin: dataBegin + offsets[0], end: dataBegin + offsets[1] })
  }
  return { entries, metadata }
}

/** Throws `BadInput`, naming `path`, when the bytes are not a whole file of float32 tensors. */
export function decodeTensors(bytes: Uint8Array, path: string): TensorFile {
  const length = headerLength(bytes, bytes.length, path)
  const header = parseHeader(bytes.subarray(lengthBytes, lengthBytes + length), bytes.length, path)
  const result: TensorFile = { tensors: {}, metadata: header.metadata }
  // As a plain array: `slice` of a Buffer, which is what reading a file gives, does not copy.
  const plain = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length)
  for (const [name, { dtype, begin, end }] of header.entries) {
    if (dtype !== 'F32') throw notWhole(path, `tensor ${name} of type ${dtype}`)
    // Copied: the source may be unaligned, and callers keep the values longer than the file.
    result.tensors[name] = new Float32Array(plain.slice(begin, end).buffer)
  }
  return result
}

function notWhole(path: string, found: string) {
  return badInput(path, 'a whole safetensors file with float32 tensors', found)
}
