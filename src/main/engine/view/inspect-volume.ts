import type { RawDescription, VolumeSummary } from '../../../shared/contract/volumes.ts'
import type { VolumeMeta } from '../../../shared/volume.ts'
import type { KnownSlices } from '../volume/known-slices.ts'
import { openKnownVolume } from '../volume/open-volume.ts'
import type { ReadOptions, VolumeSource } from '../volume/volume-source.ts'
import type { RawHeader } from '../volume/raw-source.ts'
import { openVolumeInThread } from '../volume/volume-thread.ts'
import type { FolderMemory } from './folder-memory.ts'

export interface InspectOptions extends ReadOptions {
  /** Spares reading the headers of a folder that was looked at before and has not changed. */
  memory?: FolderMemory
}

/**
 * What the headers of a volume say; voxels are not read. Headers of two thousand slices take a fraction of a second and are read
 * beside the event loop; comparing the files of a folder with what is known of it takes a few milliseconds.
 *
 * @param raw describes a file without a header; `path` must then be a file
 * Throws `NotFound`, `BadInput`, `WrongUsage`, and `Cancelled` through the signal.
 */
export async function inspectVolume(
  path: string,
  raw: RawDescription | null | undefined,
  { memory, ...options }: InspectOptions = {},
): Promise<VolumeSummary> {
  const open = async (known: KnownSlices | undefined): Promise<VolumeSource> => {
    const unchanged = known === undefined ? null : await openKnownVolume(path, known, options.signal)
    return unchanged ?? (await openVolumeInThread(path, { ...openOptionsOf(raw), ...options }))
  }
  const source = memory === undefined ? await open(undefined) : await memory.use(path, open, options.signal)
  await source.close()
  return summaryOf(source.meta)
}

/** A raw header in the words of the contract, as `openVolume` takes it. */
export function openOptionsOf(raw: RawDescription | null | undefined): { raw?: RawHeader } {
  if (raw === null || raw === undefined) return {}
  const { shape, dtype, littleEndian, offsetBytes } = raw
  return { raw: { shape, dtype, endianness: littleEndian ? 'little' : 'big', offset: offsetBytes } }
}

/** Metadata without the list of slice names, which is long. */
export function summaryOf(meta: VolumeMeta): VolumeSummary {
  const { format, path, shape, dtype, voxelSize, bytes, sliceNames, gaps, warnings } = meta
  return {
    format,
    path,
    shape: [...shape],
    dtype,
    voxelSize,
    bytes,
    firstSlice: sliceNames.at(0) ?? '',
    lastSlice: sliceNames.at(-1) ?? '',
    gaps: [...gaps],
    warnings: warnings.map((warning) => ({ ...warning })),
  }
}
