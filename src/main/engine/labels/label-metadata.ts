import { readFile, stat } from 'node:fs/promises'
import path from 'node:path'
import { z } from 'zod'
import { badInput, PhasemarkError } from '../../../shared/errors.ts'
import {
  labelMetadataSchema,
  materialListSchema,
  type LabelMetadata,
  type ListedMaterial,
} from '../../../shared/materials.ts'

/** File beside label slices that says what their values mean. */
export const sidecarName = 'labels.json'

/** A list of 255 materials needs some 30 kB; anything far larger is another file. */
const maxMetadataBytes = 4 * 1024 * 1024

/** Starts the line of a TIFF ImageDescription that carries label metadata; ImageJ ignores keys that it does not know. */
const descriptionKey = 'phasemark-labels='

/** Metadata and the file that holds it. */
export interface FoundMetadata {
  path: string
  metadata: LabelMetadata
}

/**
 * The sidecar of labels: `labels.json` in a label folder; for one label file `<stem>.labels.json` beside it, else
 * `labels.json` beside it. `null` when there is none.
 * Throws `BadInput` when there is one that does not read as label metadata: it may be the only place that says which value
 * is unlabelled, so it is never passed over.
 */
export async function readSidecar(labelPath: string): Promise<FoundMetadata | null> {
  for (const file of await sidecarCandidates(labelPath)) {
    const text = await readSmallText(file)
    if (text === null) continue
    return { path: file, metadata: parseMetadata(file, text, labelMetadataSchema) }
  }
  return null
}

async function sidecarCandidates(labelPath: string): Promise<string[]> {
  const info = await stat(labelPath).catch(() => null)
  if (info?.isDirectory()) return [path.join(labelPath, sidecarName)]
  const folder = path.dirname(labelPath)
  return [path.join(folder, `${path.parse(labelPath).name}.${sidecarName}`), path.join(folder, sidecarName)]
}

/**
 * Materials from the file given with `--materials`: a JSON list of `{ value, name, colour }`, or a sidecar, of which the
 * materials are taken. Throws `NotFound`, or `BadInput` when it reads as neither or lists no material.
 */
export async function readMaterials(file: string): Promise<ListedMaterial[]> {
  const text = await readSmallText(file)
  if (text === null) throw new PhasemarkError('NotFound', `${file}: no such file`, { path: file })
  const schema = text.trimStart().startsWith('{')
    ? z.object({ materials: materialListSchema }).transform((sidecar) => sidecar.materials)
    : materialListSchema
  const materials = parseMetadata(file, text, schema)
  if (materials.length === 0) throw badInput(file, 'at least one material', 'an empty list')
  return materials
}

/** One line of ASCII for a TIFF ImageDescription, so that exported labels explain themselves. */
export function describeLabels(metadata: LabelMetadata): string {
  const json = JSON.stringify(labelMetadataSchema.parse(metadata))
  const ascii = json.replace(
    /[\u007f-\uffff]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
  return descriptionKey + ascii
}

/**
 * Label metadata in a TIFF ImageDescription, or `null` when it holds none.
 * Throws `BadInput` when the line is there and does not parse.
 */
export function parseLabelDescription(file: string, description: string): LabelMetadata | null {
  const line = description.split(/\r\n|\n|\r|\0/).find((text) => text.startsWith(descriptionKey))
  return line === undefined
    ? null
    : parseMetadata(`${file} (image description)`, line.slice(descriptionKey.length), labelMetadataSchema)
}

async function readSmallText(file: string): Promise<string | null> {
  const info = await stat(file).catch((error: unknown) => {
    if (isMissing(error)) return null
    throw badInput(file, 'a readable file', String(error), { cause: error })
  })
  if (info === null) return null
  if (!info.isFile()) throw badInput(file, 'a JSON file', 'a folder')
  if (info.size > maxMetadataBytes)
    throw badInput(file, `a JSON file of at most ${maxMetadataBytes} bytes`, `${info.size} bytes`)
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    throw badInput(file, 'a readable file', String(error), { cause: error })
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR')
}

function parseMetadata<T>(place: string, text: string, schema: z.ZodType<T>): T {
  const expected =
    'JSON such as { "unlabelled": 255, "materials": [{ "value": 0, "name": "pore", "colour": "#56b4e9" }] }'
  let parsed: unknown
  try {
    // Editors on Windows like to begin with a byte order mark.
    parsed = JSON.parse(text.replace(/^\uFEFF/, ''))
  } catch (error) {
    throw badInput(place, expected, 'text that is not JSON', { cause: error })
  }
  const checked = schema.safeParse(parsed)
  if (checked.success) return checked.data
  throw badInput(place, expected, z.prettifyError(checked.error).replace(/\s*\n\s*/g, ' '))
}
