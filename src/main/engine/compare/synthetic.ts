import { readFile, stat } from 'node:fs/promises'
import path from 'node:path'
import { withPositionedFile } from '../volume/positioned-file.ts'
import { listSliceFiles } from '../volume/slice-folder.ts'
import { looksLikeTiff, TiffDirectoryReader, tiffTags } from '../volume/tiff-directory.ts'
import { tiffSlices } from '../volume/tiff-file.ts'

/** Line in the image description of generated slices, as the sample volume has it. */
const syntheticLine = /^synthetic=true\s*$/m
/** Written beside `images/` and `labels/` by the generator. */
const sampleDescription = 'sample.json'
/** The description of a sample is some kilobytes; anything far larger is another file. */
const maxDescriptionBytes = 1024 * 1024

/** Whether a volume or label folder says of itself that it was generated, not measured. */
export async function statesSynthetic(place: string): Promise<boolean> {
  const isFolder = (await stat(place)).isDirectory()
  const folder = isFolder ? place : path.dirname(place)
  const tiff = isFolder ? (await listSliceFiles(place, tiffSlices.extensions)).at(0) : path.basename(place)
  if (tiff !== undefined && syntheticLine.test(await imageDescription(path.join(folder, tiff)))) return true
  return await sampleSaysSo(path.join(folder, '..', sampleDescription))
}

async function imageDescription(file: string): Promise<string> {
  return await withPositionedFile(file, async (opened) => {
    if (!looksLikeTiff(await opened.readUpTo(0, 16))) return ''
    const reader = await TiffDirectoryReader.open(opened)
    const directory = await reader.readDirectory(reader.header.firstDirectory)
    return directory.texts.get(tiffTags.imageDescription) ?? ''
  })
}

async function sampleSaysSo(file: string): Promise<boolean> {
  const size = await stat(file).then(
    (status) => (status.isFile() ? status.size : 0),
    () => 0,
  )
  if (size === 0 || size > maxDescriptionBytes) return false
  return /"synthetic"\s*:\s*true/.test(await readFile(file, 'utf8'))
}
