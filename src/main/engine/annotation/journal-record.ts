import { promisify } from 'node:util'
import { crc32, deflateRawSync, inflateRaw, inflateRawSync, type ZlibOptions } from 'node:zlib'
import { z } from 'zod'
import { voxelBoxSchema } from '../../../shared/annotation/edit.ts'
import { historyEntrySchema, labelVersionSchema } from '../../../shared/contract/labels.ts'

/**
 * Records of the label journal; README.md describes the bytes. A CRC-32 ends each record: it is there against torn writes and bad
 * disks, not against forgers, finds every burst up to 32 bits, and takes a tenth of the time of SHA-1.
 */

/** A part of a large edit; means nothing without the `edit` that follows. */
const partSchema = z.object({ type: z.literal('part'), editId: z.string().max(100) })

/** One undo step, or, with `changed: null`, an edit that changed nothing and is only remembered by its id. */
export const editSchema = z.object({
  type: z.literal('edit'),
  editId: z.string().max(100),
  kind: historyEntrySchema.shape.kind,
  material: z.number().int().min(0).max(255).nullable(),
  at: z.iso.datetime(),
  changed: voxelBoxSchema.nullable(),
  changedVoxels: z.number().int().min(0),
  /** Number of `part` records before this one that belong to it. */
  parts: z.number().int().min(0),
})
export type EditRecord = z.infer<typeof editSchema>

/** Undo, redo or a jump: afterwards exactly the edits up to the history entry `to` (0: none) are in force. */
const moveSchema = z.object({
  type: z.literal('move'),
  to: z.number().int().min(0),
  at: z.iso.datetime(),
})

const versionSchema = labelVersionSchema.omit({ sequence: true }).extend({ type: z.literal('version') })

/** The journal was closed in order. */
const closedSchema = z.object({ type: z.literal('closed'), at: z.iso.datetime() })

const recordSchema = z.discriminatedUnion('type', [
  partSchema,
  editSchema,
  moveSchema,
  versionSchema,
  closedSchema,
])
/** What a record says beside its sequence and its changed voxels. */
export type RecordContent = z.infer<typeof recordSchema>

const magic = 0x524a4d50
const headerBytes = 20
const checksumBytes = 4
/** Bit of the length of the changes that says that they are deflated. */
const deflatedBit = 31
/** Changes smaller than this are not worth deflating. */
const deflateAbove = 512
/** Changes larger than this are inflated away from this thread; for smaller ones the way there takes longer. */
const inflateLaterAbove = 1 << 16
/** Handed over at a time: each hand-over costs a turn of the event loop. */
const inflateChunkBytes = 1 << 20
const inflateLater = promisify<Uint8Array, ZlibOptions, Buffer>(inflateRaw)
/** Largest parts of a record that is believed; ours are a tenth of that. */
const largestContentBytes = 1 << 20
const largestChangesBytes = 1 << 26

/** Bytes of a record: header, content as JSON, changed voxels, checksum. */
export function encodeRecord(
  sequence: number,
  content: RecordContent,
  changes: Uint8Array = new Uint8Array(0),
): Buffer {
  const text = Buffer.from(JSON.stringify(content))
  const isDeflated = changes.length > deflateAbove
  const stored = isDeflated ? deflateRawSync(changes, { level: 1 }) : changes
  const record = Buffer.allocUnsafe(headerBytes + text.length + stored.length + checksumBytes)
  record.writeUInt32LE(magic, 0)
  record.writeUInt32LE(sequence, 4)
  record.writeUInt32LE(text.length, 8)
  record.writeUInt32LE(stored.length + (isDeflated ? 2 ** deflatedBit : 0), 12)
  record.writeUInt32LE(changes.length, 16)
  text.copy(record, headerBytes)
  record.set(stored, headerBytes + text.length)
  const end = record.length - checksumBytes
  record.writeUInt32LE(crc32(record.subarray(0, end)), end)
  return record
}

export interface DecodedRecord {
  sequence: number
  content: RecordContent
  /** The changed voxels, unpacked when they are asked for. Rejects when they are damaged. */
  changes: () => Promise<Uint8Array>
  /** Bytes of the whole record. */
  length: number
}

/**
 * The record at `offset`, or what is wrong with it: `ends` when the bytes stop before it does, `damaged` otherwise.
 */
export function decodeRecord(bytes: Buffer, offset: number): DecodedRecord | 'ends' | 'damaged' {
  const left = bytes.length - offset
  if (left < headerBytes) return 'ends'
  if (bytes.readUInt32LE(offset) !== magic) return 'damaged'
  const contentLength = bytes.readUInt32LE(offset + 8)
  const lengthField = bytes.readUInt32LE(offset + 12)
  const isDeflated = lengthField >= 2 ** deflatedBit
  const storedLength = isDeflated ? lengthField - 2 ** deflatedBit : lengthField
  const changesLength = bytes.readUInt32LE(offset + 16)
  if (contentLength > largestContentBytes || Math.max(storedLength, changesLength) > largestChangesBytes)
    return 'damaged'
  const length = headerBytes + contentLength + storedLength + checksumBytes
  if (left < length) return 'ends'
  const end = offset + length - checksumBytes
  if (crc32(bytes.subarray(offset, end)) !== bytes.readUInt32LE(end)) return 'damaged'
  const contentEnd = offset + headerBytes + contentLength
  const content = parseContent(bytes.toString('utf8', offset + headerBytes, contentEnd))
  if (content === null) return 'damaged'
  const stored = bytes.subarray(contentEnd, end)
  return {
    sequence: bytes.readUInt32LE(offset + 4),
    content,
    changes: async () => (isDeflated ? await inflate(stored, changesLength) : stored),
    length,
  }
}

async function inflate(stored: Uint8Array, length: number): Promise<Uint8Array> {
  const limit = { maxOutputLength: length }
  if (length <= inflateLaterAbove) return inflateRawSync(stored, limit)
  return await inflateLater(stored, { ...limit, chunkSize: Math.min(length, inflateChunkBytes) })
}

function parseContent(text: string): RecordContent | null {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return null
  }
  const parsed = recordSchema.safeParse(value)
  return parsed.success ? parsed.data : null
}

/** Whether a whole record with a sequence of at least `sequence` begins anywhere behind `offset`. */
export function hasRecordBehind(bytes: Buffer, offset: number, sequence: number): boolean {
  const pattern = Buffer.alloc(4)
  pattern.writeUInt32LE(magic, 0)
  for (let at = bytes.indexOf(pattern, offset + 1); at !== -1; at = bytes.indexOf(pattern, at + 1)) {
    const record = decodeRecord(bytes, at)
    if (typeof record !== 'string' && record.sequence >= sequence) return true
  }
  return false
}

const segmentMagic = 'PMJOURN1'
/** Bytes of the head of a segment. */
export const segmentHeadBytes = 32
const journalVersion = 1

export interface SegmentHead {
  shape: readonly [number, number, number]
  /** Sequence of its first record. */
  firstSequence: number
}

export function encodeSegmentHead({ shape, firstSequence }: SegmentHead): Buffer {
  const head = Buffer.alloc(segmentHeadBytes)
  head.write(segmentMagic, 0, 'latin1')
  head.writeUInt32LE(journalVersion, 8)
  for (const [axis, extent] of shape.entries()) head.writeUInt32LE(extent, 12 + 4 * axis)
  head.writeUInt32LE(firstSequence, 24)
  head.writeUInt32LE(crc32(head.subarray(0, 28)), 28)
  return head
}

/** The head of a segment; `newer` when a later version of Phasemark wrote it. */
export function decodeSegmentHead(bytes: Buffer): SegmentHead | 'ends' | 'damaged' | 'newer' {
  if (bytes.length < segmentHeadBytes) return 'ends'
  if (
    bytes.toString('latin1', 0, 8) !== segmentMagic ||
    crc32(bytes.subarray(0, 28)) !== bytes.readUInt32LE(28)
  )
    return 'damaged'
  if (bytes.readUInt32LE(8) > journalVersion) return 'newer'
  return {
    shape: [bytes.readUInt32LE(12), bytes.readUInt32LE(16), bytes.readUInt32LE(20)],
    firstSequence: bytes.readUInt32LE(24),
  }
}
