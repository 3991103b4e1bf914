import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { z } from 'zod'
import type { Progress } from '../../../shared/job.ts'
import type { ListedMaterial } from '../../../shared/materials.ts'
import type { Shape3 } from '../../../shared/volume.ts'
import type { JobOptions } from '../job-options.ts'
import { readMaterials } from '../labels/label-metadata.ts'
import { scribble } from '../labels/scribble/scribble.ts'
import { removeUnfinished } from '../output/remove-unfinished.ts'
import { generateSample, type SampleKind } from '../sample/generate-sample.ts'
import { addWantedMaterials } from './project-materials.ts'
import { freeProjectPath } from './project-paths.ts'
import { ProjectSession } from './project-session.ts'
import { addVolume } from './project-volumes.ts'
import type { ProjectServiceOptions } from './projects-engine.ts'

/** Large enough to look like a tomogram and to train on, small enough to be there in seconds on two cores. */
const sampleShape: Shape3 = [48, 320, 320]
const sampleSeed = 1
/** First labels: every twelfth slice, as a person would begin. */
const scribbleEvery = 12
const scribbleStrokes = 3
const scribbleWidth = 5

const titles: Record<SampleKind, { project: string; volume: string }> = {
  battery: {
    project: 'Sample battery electrode',
    volume: 'Synthetic battery electrode (computed, not measured)',
  },
  'ni-ysz': {
    project: 'Sample Ni-YSZ electrode',
    volume: 'Synthetic Ni-YSZ electrode (computed, not measured)',
  },
}

export interface SampleProject {
  session: ProjectSession
  volumeId: string
  /** Folder of scribbles, to be imported as first labels. */
  scribbles: string
}

/**
 * Generates a sample volume below `folder` (once; a second project uses the same one) and makes a project of it: voxel size,
 * materials with their names, and a few scribbles to begin with. The ground truth stays beside the slices, for comparing.
 *
 * Throws `NotWritable`, `NoSpace`, `Cancelled`; what was generated so far is used the next time.
 */
export async function createSampleProject(options: {
  recipe: SampleKind
  folder: string
  inspect: ProjectServiceOptions['inspect']
  signal: AbortSignal
  /** Of generating the volume, which takes nearly all of the time. */
  onProgress: (progress: Progress) => void
}): Promise<SampleProject> {
  const { recipe, folder, inspect, signal, onProgress } = options
  const { images, materials, scribbles } = await requireSample(recipe, path.join(folder, 'Samples', recipe), {
    signal,
    onProgress,
  })
  const title = titles[recipe]
  const summary = await inspect(images, null, { signal })
  const place = await freeProjectPath(folder, title.project)
  const session = await ProjectSession.create(place, title.project)
  try {
    let volumeId = ''
    await session.update(async (project) => {
      const added = await addVolume(
        place,
        project,
        {
          name: title.volume,
          path: images,
          raw: null,
          voxelSize: summary.voxelSize,
          voxelSizeEntered: [],
          role: 'seen',
        },
        summary,
      )
      volumeId = added.volumeId
      const wanted = materials.map(({ value, name, colour }) =>
        colour === undefined ? { value, name } : { value, name, colour },
      )
      return { ...added.project, materials: addWantedMaterials(place, project.materials, wanted).materials }
    })
    return { session, volumeId, scribbles }
  } catch (error) {
    await session.close()
    throw error
  }
}

async function requireSample(
  kind: SampleKind,
  out: string,
  { signal, onProgress }: Required<JobOptions>,
): Promise<{ images: string; scribbles: string; materials: ListedMaterial[] }> {
  const scribbles = path.join(out, 'scribbles')
  const [images, labels] = [path.join(out, 'images'), path.join(out, 'labels')]
  if (!(await isComplete(path.join(out, 'sample.json'))))
    await generateSample({
      kind,
      shape: sampleShape,
      seed: sampleSeed,
      out,
      resume: true,
      signal,
      onProgress,
    })
  if (!(await isComplete(path.join(scribbles, 'scribbles.json')))) {
    await removeUnfinished(scribbles)
    await scribble({
      labels,
      volume: images,
      out: scribbles,
      amount: { kind: 'strokes', strokes: scribbleStrokes },
      brush: scribbleWidth,
      every: scribbleEvery,
      seed: sampleSeed,
      signal,
    })
  }
  return { images, scribbles, materials: await readMaterials(path.join(out, 'materials.json')) }
}

const recordSchema = z.looseObject({ complete: z.literal(true).optional() })

/** Records of samples say when they are complete; those of scribbles are written last. */
async function isComplete(record: string): Promise<boolean> {
  const text = await readFile(record, 'utf8').catch(() => null)
  if (text === null) return false
  try {
    return recordSchema.safeParse(JSON.parse(text)).success
  } catch {
    return false
  }
}
