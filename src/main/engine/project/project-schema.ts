import { z } from 'zod'
import { rawHeaderSchema, volumeSummarySchema } from '../../../shared/contract/volumes.ts'
import { projectMaterialSchema, volumeRoleSchema } from '../../../shared/contract/projects.ts'
import { badInput } from '../../../shared/errors.ts'
import { maxMaterials } from '../../../shared/materials.ts'
import { voxelSizeSchema } from '../../../shared/voxel-size-schema.ts'

/**
 * What `project.json` holds. A program reads every file of its own major version: of an older minor one, because what came
 * later is optional; of a newer minor one, because it keeps what it does not know (all objects are loose) and writes it back.
 * An older major version goes through {@link upgraders}; a newer one is refused.
 */
export const currentMajor: number = 1
export const currentMinor: number = 0

/** Turns a file of major version N, its key, into one of N + 1. */
export type Upgraders = Readonly<
  Partial<Record<number, (old: Record<string, unknown>) => Record<string, unknown>>>
>

/** None yet: there has been one major version. */
export const upgraders: Upgraders = {}

/** More volumes than anybody compares; bounds what a hostile file can make the program do. */
const maxVolumes = 10_000

const storedVolumeSchema = z.looseObject({
  id: z.uuid(),
  name: z.string().trim().min(1).max(200),
  /** Where the source was when it was last found. */
  path: z.string().min(1),
  /** The same place as seen from the project folder; `null` on another drive. */
  relativePath: z.string().min(1).nullable(),
  raw: rawHeaderSchema.nullable(),
  voxelSize: voxelSizeSchema.nullable(),
  voxelSizeEntered: z.array(z.enum(['z', 'y', 'x'])),
  role: volumeRoleSchema,
  addedAt: z.iso.datetime(),
  summary: z.looseObject(volumeSummarySchema.shape),
})
export type StoredVolume = z.infer<typeof storedVolumeSchema>

const storedMaterialSchema = z.looseObject(projectMaterialSchema.shape)
export type StoredMaterial = z.infer<typeof storedMaterialSchema>

const versionPattern = /^(\d{1,6})\.(\d{1,6})$/

export const storedProjectSchema = z
  .looseObject({
    format: z.literal('phasemark-project'),
    schemaVersion: z.string().regex(versionPattern),
    name: z.string().trim().min(1).max(200),
    createdAt: z.iso.datetime(),
    /** The program that wrote the file last, for people. */
    writtenBy: z.string().max(200),
    volumes: z.array(storedVolumeSchema).max(maxVolumes),
    /** Taken out of the list; their labels are kept and come back with the same source. */
    removedVolumes: z.array(storedVolumeSchema).max(maxVolumes),
    materials: z.array(storedMaterialSchema).max(maxMaterials),
  })
  .superRefine((project, context) => {
    const unique = (what: string, values: readonly (string | number)[]) => {
      const seen = new Set<string | number>()
      for (const value of values) {
        if (seen.has(value))
          context.addIssue({ code: 'custom', message: `the ${what} ${value} occurs twice` })
        seen.add(value)
      }
    }
    unique(
      'volume id',
      [...project.volumes, ...project.removedVolumes].map(({ id }) => id),
    )
    unique(
      'material index',
      project.materials.map(({ index }) => index),
    )
    unique(
      'material value',
      project.materials.map(({ value }) => value),
    )
    unique(
      'material name',
      project.materials.map(({ name }) => name),
    )
  })
export type StoredProject = z.infer<typeof storedProjectSchema>

/**
 * Reads the text of a project file. `place` is its path, for messages.
 * Throws `BadInput`: no JSON, no project, damaged, or written by a newer major version (then `found` begins with "version").
 */
export function parseProject(place: string, text: string, upgrade: Upgraders = upgraders): StoredProject {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw badInput(place, 'a Phasemark project as JSON', 'text that is not JSON', { cause: error })
  }
  const head = z
    .looseObject({ format: z.literal('phasemark-project'), schemaVersion: z.string().regex(versionPattern) })
    .safeParse(value)
  if (!head.success) throw badInput(place, 'a Phasemark project', issuesOf(head.error))
  const current = upgradeToCurrent(place, head.data, upgrade)
  const parsed = storedProjectSchema.safeParse(current)
  if (!parsed.success) throw badInput(place, 'a whole Phasemark project', issuesOf(parsed.error))
  return parsed.data
}

/** Major and minor number of a version that matches the pattern. */
export function versionOf(schemaVersion: string): { major: number; minor: number } {
  const match = versionPattern.exec(schemaVersion)
  return { major: Number(match?.[1]), minor: Number(match?.[2]) }
}

/** Whether the file is fine but too new: then no older copy may take its place. */
export function isNewerMajor(text: string): boolean {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    // Damaged, not newer.
    return false
  }
  const head = z.looseObject({ schemaVersion: z.string().regex(versionPattern) }).safeParse(value)
  return head.success && versionOf(head.data.schemaVersion).major > currentMajor
}

function upgradeToCurrent(
  place: string,
  head: Record<string, unknown> & { schemaVersion: string },
  upgrade: Upgraders,
): Record<string, unknown> {
  let { major } = versionOf(head.schemaVersion)
  if (major > currentMajor)
    throw badInput(
      place,
      `a project of version ${currentMajor}.x, which this program reads (open it with a newer Phasemark)`,
      `version ${head.schemaVersion}`,
    )
  let project: Record<string, unknown> = head
  for (; major < currentMajor; major++) {
    const step = upgrade[major]
    if (step === undefined)
      throw badInput(place, `a project of version ${currentMajor}.x`, `version ${head.schemaVersion}`)
    project = { ...step(project), schemaVersion: `${major + 1}.0` }
  }
  return project
}

function issuesOf(error: z.ZodError): string {
  return z.prettifyError(error).replace(/\s*\n\s*/g, ' ')
}
