import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { readFile, rm } from 'node:fs/promises'
import path from 'node:path'
import { z } from 'zod'
import { badInput, PhasemarkError } from '../../../../shared/errors.ts'
import { writeFileAtomic } from '../../files/atomic-file.ts'
import { partialPathOf } from '../../output/output-guard.ts'
import { kindOfPlace } from '../../output/output-state.ts'
import type { OutputFormat } from '../../output/volume-writer.ts'
import type { VolumeSource } from '../../volume/volume-source.ts'
import { normalisationSchema } from '../normalisation.ts'

/** What decides the values of a segmentation; written beside it, so that a resume can tell whether it is the same. */
const settingsSchema = z.object({
  format: z.literal('phasemark-segmentation'),
  version: z.literal(1),
  phasemark: z.string(),
  volume: z.string(),
  input: z.string(),
  model: z.string(),
  weightsSha256: z.string(),
  output: z.string(),
  first: z.number(),
  last: z.number(),
  probabilities: z.boolean(),
  uncertainty: z.boolean(),
  normalisation: normalisationSchema,
})
export type SegmentationSettings = z.infer<typeof settingsSchema>

/** SHA-256 over shape, type and the fixed sample of slices. */
export async function inputFingerprint(
  volume: VolumeSource,
  sample: readonly number[],
  signal: AbortSignal | undefined,
): Promise<string> {
  const hash = createHash('sha256')
  hash.update(JSON.stringify([volume.meta.shape, volume.meta.dtype, volume.meta.sliceNames]))
  for (const z of spread(sample, 4)) {
    const slice = await volume.readSlice(z, signal === undefined ? {} : { signal })
    hash.update(new Uint8Array(slice.buffer, slice.byteOffset, slice.byteLength))
  }
  return hash.digest('hex')
}

function spread(list: readonly number[], count: number): number[] {
  if (list.length <= count) return [...list]
  return Array.from(
    { length: count },
    (_, index) => list[Math.round((index * (list.length - 1)) / (count - 1))],
  )
}

/** While the output grows, its settings lie beside the partial file. */
function settingsPath(out: string): string {
  return `${partialPathOf(out)}.json`
}

/** Where the settings of a finished segmentation are: in the folder of a stack, beside a file. */
export function provenancePath(out: string, format: OutputFormat): string {
  return format === 'tiff-stack' ? path.join(out, 'segmentation.json') : `${out}.json`
}

export async function writeSettings(settings: SegmentationSettings, out: string): Promise<void> {
  await writeFileAtomic(settingsPath(out), `${JSON.stringify(settings, null, 2)}\n`)
}

export async function finishSettings(out: string, format: OutputFormat): Promise<void> {
  await writeFileAtomic(provenancePath(out, format), await readFile(settingsPath(out)))
  await rm(settingsPath(out), { force: true })
}

/**
 * Throws `WrongUsage` when what lies at `out` was begun with other settings, or not by a segmentation at all. Nothing there is
 * nothing to go on with, and no error.
 */
export async function requireSameSettings(settings: SegmentationSettings, out: string): Promise<void> {
  const file = [settingsPath(out), provenancePath(out, 'tiff-stack'), provenancePath(out, 'bigtiff')].find(
    existsSync,
  )
  if (file === undefined) {
    await requireNothing(out)
    return
  }
  let earlier: SegmentationSettings
  try {
    earlier = settingsSchema.parse(JSON.parse(await readFile(file, 'utf8')))
  } catch (cause) {
    throw badInput(file, 'the settings of an interrupted segmentation', 'something else', { cause })
  }
  // Where things lie and which version began may change; what decides the voxels may not.
  const deciding = [
    'input',
    'weightsSha256',
    'output',
    'first',
    'last',
    'probabilities',
    'uncertainty',
  ] as const
  const names = {
    input: 'the volume',
    weightsSha256: 'the model',
    output: '--format',
    first: '--slices',
    last: '--slices',
    probabilities: '--probabilities',
    uncertainty: '--uncertainty',
  }
  const changed = deciding.filter((key) => earlier[key] !== settings[key]).map((key) => names[key])
  if (changed.length === 0) return
  throw new PhasemarkError(
    'WrongUsage',
    `${out}: --resume expected what the segmentation was begun with, found another ${[...new Set(changed)].join(', ')}`,
    { argument: '--resume' },
  )
}

/** Without settings, whatever is there was not begun by a segmentation, or nobody can tell with what. */
async function requireNothing(out: string): Promise<void> {
  for (const place of [out, partialPathOf(out)]) {
    const kind = await kindOfPlace(place)
    if (kind === 'nothing' || kind === 'empty folder') continue
    throw new PhasemarkError(
      'WrongUsage',
      `${out}: --resume expected an interrupted segmentation (with ${settingsPath(out)}), found a ${kind} of another origin at ${place}`,
      { argument: '--resume' },
    )
  }
}
