import { open, readFile, rename, rm } from 'node:fs/promises'
import path from 'node:path'
import { promisify } from 'node:util'
import { crc32, deflateRaw, inflateRaw } from 'node:zlib'
import { z } from 'zod'
import { shapeSchema } from '../../../shared/contract/volumes.ts'
import type { Shape3 } from '../../../shared/volume.ts'
import { syncFolder, temporaryPathFor } from '../files/atomic-file.ts'
import { History, historyStateSchema } from './history.ts'
import { journalError, snapshotName } from './journal-files.ts'
import { LabelVoxels, type MemoryLimits } from './label-voxels.ts'

/** A snapshot is all of what a journal says up to one sequence, so that opening need not read it from its beginning. */

const deflate = promisify<Uint8Array, Buffer>(deflateRaw)
const inflate = promisify<Uint8Array, { maxOutputLength: number }, Buffer>(inflateRaw)

const magic = 'PMSNAP01'
const headBytes = 24
const snapshotVersion = 1
const largestIndexBytes = 1 << 30

/** Where in the journal the next record belongs. Segment 0: there is no journal yet. */
export const journalEndSchema = z.object({
  segment: z.number().int().min(0),
  offset: z.number().int().min(0),
})
export type JournalEnd = z.infer<typeof journalEndSchema>

const label = z.number().int().min(1).max(255)
const count = z.number().int().min(0).max(0xffffffff)

const indexSchema = z.object({
  shape: shapeSchema,
  /** Of the record that follows what is in here. */
  end: journalEndSchema,
  history: historyStateSchema,
  /** The blobs behind the index, in this order. */
  slices: z.array(
    z.object({
      z: z.number().int().min(0),
      counts: z.array(z.tuple([label, count])),
      bytes: z.number().int().min(0),
      checksum: z.number().int().min(0),
    }),
  ),
})

export interface SnapshotContent {
  voxels: LabelVoxels
  history: History
  end: JournalEnd
}

/**
 * Writes a snapshot of the labels as they are when this is called; they may be edited meanwhile. Returns its bytes.
 * Throws `NoSpace` or `NotWritable`; nothing is left behind then.
 */
export async function writeSnapshot(
  folder: string,
  { voxels, history, end }: SnapshotContent,
): Promise<number> {
  const captured = voxels.capture()
  const state = history.toState()
  const index = {
    shape: voxels.shape,
    end,
    history: state,
    slices: [] as z.infer<typeof indexSchema>['slices'],
  }
  const blobs: Uint8Array[] = []
  for (const { z, counts, blob } of captured) {
    const bytes = await blob()
    blobs.push(bytes)
    index.slices.push({
      z,
      counts: [...counts].flatMap((voxelsOf, material) =>
        voxelsOf === 0 ? [] : [[material, voxelsOf] as [number, number]],
      ),
      bytes: bytes.length,
      checksum: crc32(bytes),
    })
  }
  const text = Buffer.from(JSON.stringify(index))
  const stored = await deflate(text)
  const head = Buffer.alloc(headBytes)
  head.write(magic, 0, 'latin1')
  head.writeUInt32LE(snapshotVersion, 8)
  head.writeUInt32LE(stored.length, 12)
  head.writeUInt32LE(text.length, 16)
  head.writeUInt32LE(crc32(stored, crc32(head.subarray(0, 20))), 20)
  return await writePieces(path.join(folder, snapshotName(state.sequence)), [head, stored, ...blobs])
}

async function writePieces(file: string, pieces: readonly Uint8Array[]): Promise<number> {
  const temporary = temporaryPathFor(file)
  let bytes = 0
  try {
    const handle = await open(temporary, 'wx')
    try {
      for (const piece of pieces) {
        await handle.writeFile(piece)
        bytes += piece.length
      }
      await handle.sync()
    } finally {
      await handle.close()
    }
    await rename(temporary, file)
  } catch (error) {
    await rm(temporary, { force: true })
    throw journalError(file, error)
  }
  await syncFolder(path.dirname(file))
  return bytes
}

/** What a snapshot holds; a sentence that says why it is no use; `missing` when it is gone. */
export async function readSnapshot(
  folder: string,
  sequence: number,
  shape: Shape3,
  limits: Partial<MemoryLimits> = {},
): Promise<(SnapshotContent & { bytes: number }) | string> {
  const file = path.join(folder, snapshotName(sequence))
  try {
    const bytes = await readFile(file)
    if (bytes.length < headBytes || bytes.toString('latin1', 0, 8) !== magic)
      return `${file} is no snapshot of labels`
    if (bytes.readUInt32LE(8) > snapshotVersion) return `${file} was written by a newer version of Phasemark`
    const stored = bytes.subarray(headBytes, headBytes + bytes.readUInt32LE(12))
    if (crc32(stored, crc32(bytes.subarray(0, 20))) !== bytes.readUInt32LE(20)) return `${file} is damaged`
    const textBytes = Math.min(bytes.readUInt32LE(16), largestIndexBytes)
    const text = await inflate(stored, { maxOutputLength: textBytes })
    const index = indexSchema.parse(JSON.parse(text.toString('utf8')))
    if (index.shape.some((extent, axis) => extent !== shape[axis]) || index.history.sequence !== sequence)
      return `${file} belongs to other labels`
    const voxels = new LabelVoxels(shape, limits)
    let at = headBytes + stored.length
    for (const { z, counts, bytes: length, checksum } of index.slices) {
      const blob = bytes.subarray(at, at + length)
      if (z >= shape[0] || blob.length !== length || crc32(blob) !== checksum) return `${file} is damaged`
      const perMaterial = new Uint32Array(256)
      for (const [material, voxelsOf] of counts) perMaterial[material] = voxelsOf
      voxels.restoreSlice(z, perMaterial, blob)
      at += length
    }
    const history = History.fromState(index.history)
    return { voxels, history, end: index.end, bytes: bytes.length }
  } catch (error) {
    return `${file} cannot be used (${error instanceof Error ? error.message : String(error)})`
  }
}
