import { z } from 'zod'
import { materialSchema } from '../materials.ts'
import { voxelSizeSchema } from '../voxel-size-schema.ts'
import { uint8ArraySchema } from './arrays.ts'
import { method, service } from './definition.ts'
import { progressSchema } from './jobs.ts'
import { rawHeaderSchema, volumeSummarySchema } from './volumes.ts'

/** A material in a project. Its index never changes and is never given to another; order in the list is the user's. */
export const projectMaterialSchema = materialSchema.extend({
  visible: z.boolean(),
  /** Locked: its voxels are not painted over. */
  locked: z.boolean(),
  /** Removed materials keep their voxels, unseen, so that removing can be taken back; exports and training leave them out. */
  removed: z.boolean(),
})
export type ProjectMaterial = z.infer<typeof projectMaterialSchema>

export const volumeRoleSchema = z.enum(['seen', 'unseen', 'none'])

/** A volume of a project: where it is and what the user said about it. The source itself is read in place. */
export const projectVolumeSchema = z.object({
  id: z.uuid(),
  name: z.string().trim().min(1).max(200),
  path: z.string(),
  raw: rawHeaderSchema.nullable(),
  /** What holds for this project: the files' size with the user's entries. */
  voxelSize: voxelSizeSchema.nullable(),
  /** Axes whose size is the user's entry and not the files'. */
  voxelSizeEntered: z.array(z.enum(['z', 'y', 'x'])),
  role: volumeRoleSchema,
  addedAt: z.iso.datetime(),
  /** What the source was like when it was added; a source that differs now is said so. */
  summary: volumeSummarySchema,
})
export type ProjectVolume = z.infer<typeof projectVolumeSchema>

/** A volume as the window sees it. */
export const volumeEntrySchema = projectVolumeSchema.extend({
  /** `missing`: moved or drive not connected; `changed`: other shape or type than when added, not opened. */
  source: z.object({ state: z.enum(['ok', 'missing', 'changed']), message: z.string().nullable() }),
  labelledSlices: z.number().int(),
  labelledVoxels: z.number(),
})
export type VolumeEntry = z.infer<typeof volumeEntrySchema>

export const projectStateSchema = z.object({
  path: z.string(),
  name: z.string(),
  /** Somebody else holds the project, or the folder cannot be written: looking only. */
  readOnly: z.string().nullable(),
  volumes: z.array(volumeEntrySchema),
  materials: z.array(projectMaterialSchema),
  labelBytes: z.number(),
  /** The last use ended without closing: one sentence that says what was kept. */
  recovered: z.string().nullable(),
})
export type ProjectState = z.infer<typeof projectStateSchema>

export const recentProjectSchema = z.object({
  path: z.string(),
  name: z.string(),
  openedAt: z.iso.datetime(),
  volumes: z.number().int(),
  state: z.enum(['ok', 'missing']),
  /** 64 × 64 grey levels of the first volume's middle slice. */
  thumbnail: uint8ArraySchema.nullable(),
})
export type RecentProject = z.infer<typeof recentProjectSchema>

export const volumeImportSchema = projectVolumeSchema
  .pick({ name: true, path: true, raw: true, voxelSize: true, voxelSizeEntered: true, role: true })
  .strict()
export type VolumeImport = z.infer<typeof volumeImportSchema>

export const sampleRecipeSchema = z.enum(['battery', 'ni-ysz'])
export type SampleRecipe = z.infer<typeof sampleRecipeSchema>

/** One project is open at a time in one data process; everything is saved as it is done. */
export const projectsService = service({
  methods: {
    recent: method(z.object({}), z.array(recentProjectSchema)),
    forgetRecent: method(z.object({ path: z.string() }), z.object({})),
    /** Where a new project of that name would go: a free `<folder>/<name>.phasemark`. */
    suggestPath: method(z.object({ name: z.string() }), z.object({ path: z.string() })),
    /** Makes a new project and opens it. Throws `OutputExists`, `NotWritable`, `NoSpace`. */
    create: method(
      z.object({ path: z.string(), name: z.string().trim().min(1).max(200) }),
      projectStateSchema,
    ),
    /** Throws `NotFound`, `BadInput` (no project, damaged, made by a newer version). Closes the one that was open. */
    open: method(z.object({ path: z.string() }), projectStateSchema),
    /** The open project, or `null`; what a window asks when it (re)connects. */
    current: method(z.object({}), projectStateSchema.nullable()),
    close: method(z.object({}), z.object({})),
    rename: method(z.object({ name: z.string().trim().min(1).max(200) }), projectStateSchema),
    addVolume: method(volumeImportSchema, z.object({ project: projectStateSchema, volumeId: z.uuid() })),
    updateVolume: method(
      z.object({ volumeId: z.uuid(), change: volumeImportSchema.partial() }),
      projectStateSchema,
    ),
    /** Takes a volume out of the list; its labels stay in the project and come back with the same source. */
    removeVolume: method(z.object({ volumeId: z.uuid() }), projectStateSchema),
    addMaterial: method(
      z.object({ name: z.string().trim().min(1).max(200), colour: materialSchema.shape.colour.optional() }),
      z.object({ project: projectStateSchema, index: z.number().int() }),
    ),
    updateMaterial: method(
      z.object({
        index: z.number().int().min(1),
        change: projectMaterialSchema
          .pick({ name: true, colour: true, visible: true, locked: true, removed: true, value: true })
          .partial(),
      }),
      projectStateSchema,
    ),
    /** Looks whether the source of a volume is there again and what it was. Throws `NotFound` for an id that the project does not have. */
    lookAgain: method(z.object({ volumeId: z.uuid() }), projectStateSchema),
    /** All indices in their new order. */
    orderMaterials: method(z.object({ indices: z.array(z.number().int()) }), projectStateSchema),
    /** A generated sample volume with ground truth, as a new project in the user's project folder; tells its progress. */
    createSample: method(z.object({ recipe: sampleRecipeSchema }), projectStateSchema),
  },
  events: {
    changed: projectStateSchema.nullable(),
    sampleProgress: z.object({ recipe: sampleRecipeSchema, progress: progressSchema }),
  },
})
