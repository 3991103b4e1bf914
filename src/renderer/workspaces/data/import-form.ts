import type { RawDescription, VolumeSummary } from '../../../shared/contract/volumes.ts'
import { bytesPerElement, type LengthUnit, type VoxelSize } from '../../../shared/volume.ts'
import { formatAmount, formatInteger } from '../../format/numbers.ts'

/** Pure rules of the import dialog. */

export const axes = ['z', 'y', 'x'] as const
export type Axis = (typeof axes)[number]

/** What stands in the voxel size fields; `null` = nothing entered, which stays unknown. */
export type VoxelSizeEntry = Record<Axis, number | null> & { unit: LengthUnit }

/** What the fields begin with: what the files say, and nothing for the rest. */
export function initialEntry(files: VoxelSize | null): VoxelSizeEntry {
  return files === null ? { z: null, y: null, x: null, unit: 'um' } : { ...files }
}

/** Axes whose size is the user's and not the files'. A number in another unit is the user's too. */
export function enteredAxes(files: VoxelSize | null, entry: VoxelSizeEntry): Axis[] {
  return axes.filter(
    (axis) =>
      entry[axis] !== null && (files === null || files[axis] !== entry[axis] || files.unit !== entry.unit),
  )
}

/** The voxel size that is meant; `null` when no axis is known. */
export function voxelSizeOf(entry: VoxelSizeEntry): VoxelSize | null {
  return axes.every((axis) => entry[axis] === null) ? null : { ...entry }
}

/** Says where each edge comes from, and that what nobody said stays unknown: parts to be shown in order. */
export function voxelSizeOrigin(
  files: VoxelSize | null,
  entry: VoxelSizeEntry,
): { text: string; strong: boolean }[] {
  const entered = enteredAxes(files, entry)
  const unknown = axes.filter((axis) => entry[axis] === null)
  const fromFiles = axes.filter((axis) => !entered.includes(axis) && !unknown.includes(axis))
  const parts: { text: string; strong: boolean }[] = []
  if (fromFiles.length > 0) parts.push({ text: `${fromFiles.join(', ')} from the files.`, strong: false })
  if (entered.length > 0) {
    const verb = entered.length === 1 ? 'is your entry' : 'are your entries'
    parts.push({ text: `${entered.join(', ')} ${verb}:`, strong: true })
    const carried = entered.some((axis) => files !== null && files[axis] !== null)
    parts.push({
      text: carried ? 'the files say something else.' : 'the files do not carry it.',
      strong: false,
    })
  }
  if (unknown.length > 0)
    parts.push({
      text: `${unknown.join(', ')} unknown: sizes in µm are not given until you enter ${unknown.length === 1 ? 'it' : 'them'}.`,
      strong: true,
    })
  return parts
}

/** What the rows of slices, files or pages are along each axis. */
export function axisMeaning(format: string, isSeries: boolean): Record<Axis, string> {
  if (format === 'raw') return { z: 'planes', y: 'rows', x: 'columns' }
  return { z: isSeries ? 'files' : 'pages', y: 'rows', x: 'columns' }
}

/** Expected against found size of a raw file. */
export interface RawArithmetic {
  expectedBytes: number
  /** `512 × 1200 × 1600 × 2 B + 0 B = 1 966 080 000 B` */
  sum: string
  tone: 'ok' | 'warn' | 'err'
  verdict: string
}

/** The sum that a raw header must satisfy. `foundBytes`: size of the file, `null` when it is not known. */
export function rawArithmetic(header: RawDescription, foundBytes: number | null): RawArithmetic {
  const [z, y, x] = header.shape
  const elementBytes = bytesPerElement[header.dtype]
  const expectedBytes = z * y * x * elementBytes + header.offsetBytes
  const sum =
    `${z} × ${y} × ${x} × ${elementBytes} B + ${formatInteger(header.offsetBytes)} B offset` +
    ` = ${formatInteger(expectedBytes)} B`
  if (foundBytes === null)
    return { expectedBytes, sum, tone: 'warn', verdict: 'The size of the file is not known.' }
  const missing = expectedBytes - foundBytes
  if (missing > 0)
    return {
      expectedBytes,
      sum,
      tone: 'err',
      verdict: `The file has ${formatAmount(foundBytes, 'byte')}, ${formatAmount(missing, 'byte')} too few.`,
    }
  if (missing < 0)
    return {
      expectedBytes,
      sum,
      tone: 'warn',
      verdict: `The file has ${formatAmount(foundBytes, 'byte')}: ${formatAmount(-missing, 'byte')} follow the voxels. Check the shape, the type and the offset.`,
    }
  return {
    expectedBytes,
    sum,
    tone: 'ok',
    verdict: `The file has exactly ${formatAmount(foundBytes, 'byte')}.`,
  }
}

/** Whether a file needs its header from the user, by its name. */
export function isRawName(path: string): boolean {
  return /\.(raw|vol|dat|bin)$/i.test(path)
}

/** Name of a volume from its path: the folder's or file's without its extension. A folder called `raw` says nothing: its parent's. */
export function volumeName(path: string): string {
  const parts = path.replace(/[/\\]+$/, '').split(/[/\\]/)
  const generic = /^(raw|recon|slices|tiffs?|images?|data)$/i
  const part =
    parts.findLast((candidate) => candidate !== '' && !generic.test(candidate)) ?? parts.at(-1) ?? ''
  return part.replace(/\.(ome\.)?[a-z0-9]{2,5}$/i, '') || part || 'volume'
}

/** The one sentence about the series of slices, and how good that is. */
export function seriesFinding(
  summary: VolumeSummary,
  isSeries: boolean,
): { tone: 'ok' | 'warn'; head: string; text: string } {
  const count = summary.shape[0]
  const what = isSeries ? 'slice' : 'page'
  const same = 'All the same size and type.'
  const range =
    count === 1 ? `Only ${summary.firstSlice}.` : `First ${summary.firstSlice}, last ${summary.lastSlice}.`
  if (summary.gaps.length === 0)
    return {
      tone: 'ok',
      head: `${formatAmount(count, what)}, in order.`,
      text: `${range} None missing. ${same}`,
    }
  return {
    tone: 'warn',
    head: `${formatAmount(count, what)} with ${formatAmount(summary.gaps.length, 'gap')} in the numbering.`,
    text: `${range} Neighbours across a gap are not neighbours in the sample. ${same}`,
  }
}
