import { readdir, rm, stat } from 'node:fs/promises'
import path from 'node:path'
import { hasTag, PhasemarkError } from '../../../shared/errors.ts'
import { systemErrorCode } from '../files/system-error.ts'
import { writeError } from '../files/write-error.ts'
import { withPositionedFile } from '../volume/positioned-file.ts'
import { listSliceFiles } from '../volume/slice-folder.ts'
import { TiffDirectoryReader, tiffTags, type TiffDirectory } from '../volume/tiff-directory.ts'
import { interpretTiffImage } from '../volume/tiff-image.ts'
import { unfinishedSuffix, type BigTiffPosition } from './slice-sink.ts'
import { bigTiffHeader, type PageFormat } from './tiff-encoding.ts'

/** What is there of an output: how many slices from the first on are whole. */
export interface StackState {
  wholeSlices: number
}

/**
 * Looks at the slices in `folder`. Half-written files are removed. Throws `WrongUsage` when slices are there that this
 * output would not have written: they come from other settings.
 */
export async function readStackState(
  folder: string,
  names: readonly string[],
  format: PageFormat,
): Promise<StackState> {
  try {
    for (const name of await readdir(folder)) {
      if (name.endsWith(unfinishedSuffix)) await rm(path.join(folder, name), { force: true })
    }
  } catch (error) {
    throw writeError(folder, error)
  }
  const present = new Set(await listSliceFiles(folder, ['.tif', '.tiff', '.png']))
  const own = new Set(names)
  const foreign = [...present].find((name) => !own.has(path.parse(name).name))
  if (foreign !== undefined) {
    throw changedSettings(folder, `slices ${names[0]} to ${names.at(-1)}`, `also ${foreign}`)
  }
  let wholeSlices = 0
  while (wholeSlices < names.length && present.has(`${names[wholeSlices]}.tif`)) {
    if (!(await isWholeSlice(path.join(folder, `${names[wholeSlices]}.tif`), format))) break
    wholeSlices++
  }
  return { wholeSlices }
}

/** False for a damaged file, which is then written again. Throws `WrongUsage` for a good one with other settings. */
async function isWholeSlice(file: string, format: PageFormat): Promise<boolean> {
  try {
    await withPositionedFile(file, async (opened) => {
      const reader = await TiffDirectoryReader.open(opened)
      const directory = await reader.readDirectory(reader.header.firstDirectory)
      requireSameFormat(file, directory, { sizeBytes: opened.sizeBytes, littleEndian: true }, format)
    })
    return true
  } catch (error) {
    if (!hasTag(error, 'BadInput')) throw error
    return false
  }
}

/** Looks for the end of the whole pages of a BigTIFF file. `resumeAt` is null when there is no whole page. */
export async function readBigTiffState(
  file: string,
  format: PageFormat,
): Promise<{ wholeSlices: number; resumeAt: BigTiffPosition | null }> {
  return await withPositionedFile(file, async (opened) => {
    if (opened.sizeBytes < bigTiffHeader().length) return { wholeSlices: 0, resumeAt: null }
    const reader = await TiffDirectoryReader.open(opened)
    const visited = new Set<number>()
    let position = reader.header.firstDirectory
    let resumeAt: BigTiffPosition | null = null
    let wholeSlices = 0
    while (position !== 0 && position < opened.sizeBytes && !visited.has(position)) {
      visited.add(position)
      let page
      try {
        const directory = await reader.readDirectory(position)
        const image = interpretTiffImage(directory, {
          path: file,
          sizeBytes: opened.sizeBytes,
          littleEndian: true,
        })
        page = { directory, image }
      } catch (error) {
        // A page that was cut off by the end of the process; what lies before it counts.
        if (!hasTag(error, 'BadInput')) throw error
        break
      }
      requireSameFormat(file, page.directory, { sizeBytes: opened.sizeBytes, littleEndian: true }, format)
      const last = page.image.offsets.length - 1
      const end = page.image.offsets[last] + page.image.byteCounts[last]
      resumeAt = { length: Math.ceil(end / 8) * 8, nextPointerAt: page.directory.nextPointerAt }
      wholeSlices++
      position = page.directory.next
    }
    return { wholeSlices, resumeAt }
  })
}

/** What lies at `place`. */
export async function kindOfPlace(place: string): Promise<'nothing' | 'file' | 'folder' | 'empty folder'> {
  try {
    const status = await stat(place)
    if (!status.isDirectory()) return 'file'
    return (await readdir(place)).length === 0 ? 'empty folder' : 'folder'
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return 'nothing'
    throw writeError(place, error)
  }
}

function requireSameFormat(
  file: string,
  directory: TiffDirectory,
  stored: { sizeBytes: number; littleEndian: boolean },
  format: PageFormat,
): void {
  const image = interpretTiffImage(directory, { path: file, ...stored })
  const expected = `${format.height} × ${format.width} ${format.dtype}`
  const found = `${image.height} × ${image.width} ${image.dtype}`
  if (expected !== found) throw changedSettings(file, expected, found)
  const description = directory.texts.get(tiffTags.imageDescription) ?? ''
  if (description !== format.description) {
    throw changedSettings(file, JSON.stringify(format.description), JSON.stringify(description))
  }
}

function changedSettings(place: string, expected: string, found: string): PhasemarkError<'WrongUsage'> {
  return new PhasemarkError(
    'WrongUsage',
    `--resume: ${place} was begun with other settings: expected ${expected}, found ${found}`,
    { argument: '--resume' },
  )
}
