import { z } from 'zod'
import { labelEditSchema, planeAxisSchema, rectangleSchema, voxelBoxSchema } from '../annotation/edit.ts'
import { uint8ArraySchema, uint32ArraySchema } from './arrays.ts'
import { method, service } from './definition.ts'
import { jobIdSchema } from './jobs.ts'

/** Position in the journal of one volume's labels; grows by one with everything written, undo included. */
const sequence = z.number().int().min(0)

/** One undo step, newest first in lists. */
export const historyEntrySchema = z.object({
  sequence,
  /** The client's id of the edit. */
  editId: z.string(),
  kind: z.enum([
    'brush',
    'eraser',
    'polygon',
    'fill',
    'interpolate',
    'copy-slice',
    'clear-slice',
    'import',
    'restore',
  ]),
  /** Material painted; 0 = erased, `null` = several. */
  material: z.number().int().nullable(),
  /** XY slices touched, [first, last]. */
  slices: z.tuple([z.number().int(), z.number().int()]),
  changedVoxels: z.number().int(),
  at: z.iso.datetime(),
  /** Whether it is in force (done) or taken back (undone, still to be redone). */
  undone: z.boolean(),
})
export type HistoryEntry = z.infer<typeof historyEntrySchema>

export const labelVersionSchema = z.object({
  /** 1, 2, …; never used twice. */
  number: z.number().int().min(1),
  name: z.string(),
  sequence,
  at: z.iso.datetime(),
  labelledVoxels: z.number().int(),
})
export type LabelVersion = z.infer<typeof labelVersionSchema>

/** What the window must know after anything happened to the labels of one volume. */
export const labelChangeSchema = z.object({
  volumeId: z.uuid(),
  sequence,
  /** Id of the edit that caused it; `null` for undo, redo, restore. */
  editId: z.string().nullable(),
  /** Smallest box of changed voxels; `null` when nothing changed. */
  changed: voxelBoxSchema.nullable(),
  changedVoxels: z.number().int(),
  /** Labelled voxels per material index, length 256, entry 0 unused. As float64 values: counts pass 2³². */
  counts: z.array(z.number()),
  canUndo: z.boolean(),
  canRedo: z.boolean(),
  /** Newest entry of the history, when there is one. */
  newest: historyEntrySchema.nullable(),
  /** Edits in force. */
  historyLength: z.number().int(),
})
export type LabelChange = z.infer<typeof labelChangeSchema>

export const journalStateSchema = z.object({
  state: z.enum(['ok', 'read-only', 'disk-full', 'not-writable', 'failed']),
  /** What happened, naming the path, and what to do; `null` when ok. */
  message: z.string().nullable(),
  lastWrittenAt: z.iso.datetime().nullable(),
})
export type JournalState = z.infer<typeof journalStateSchema>

export const labelStateSchema = labelChangeSchema.extend({
  /** XY slices with labels and, per slice, which materials as bits 1…31 of a mask (bit 0: a material above 31). */
  labelledSlices: uint32ArraySchema,
  sliceMaterials: uint32ArraySchema,
  versions: z.array(labelVersionSchema),
  journal: journalStateSchema,
  /** Set when the last use ended without closing: what was kept. */
  recovered: z
    .object({
      /** Edits since the last closing, all in force or undone as they were. */
      edits: z.number().int(),
      lostBytes: z.number().int(),
      /** For people: what was kept, what could not be used and where that lies now. */
      message: z.string(),
    })
    .nullable(),
})
export type LabelState = z.infer<typeof labelStateSchema>

const volume = { volumeId: z.uuid() }

/** Labels of the volumes of the open project. What a method answers is on disk already. */
export const labelsService = service({
  methods: {
    open: method(z.object(volume), labelStateSchema),
    /**
     * Labels of a plane (or of the rectangle in it) at full resolution, C order, 0 = unlabelled, else material index.
     * Planes as in `annotation/edit.ts`.
     */
    readPlane: method(
      z.object({
        ...volume,
        axis: planeAxisSchema,
        index: z.number().int().min(0),
        rectangle: rectangleSchema.nullable(),
      }),
      z.object({ rectangle: rectangleSchema, data: uint8ArraySchema, sequence }),
    ),
    /**
     * Carries out an edit and answers when it is safe on disk. An `editId` that was carried out before changes nothing and
     * answers as then, so that a client may send again after a broken connection. Locked and hidden materials stay as they are.
     * Throws `NoSpace` or `NotWritable` (nothing changed; send again later), `Locked` (project opened for reading), `BadInput`.
     */
    apply: method(z.object({ ...volume, editId: z.uuid(), edit: labelEditSchema }), labelChangeSchema),
    undo: method(z.object(volume), labelChangeSchema),
    redo: method(z.object(volume), labelChangeSchema),
    /** Undoes or redoes until exactly the edits up to the history entry `sequence` (0: none) are in force. */
    goTo: method(z.object({ ...volume, sequence }), labelChangeSchema),
    /** Entries older than `before` (`null`: from the newest), newest first. */
    history: method(
      z.object({ ...volume, before: sequence.nullable(), limit: z.number().int().min(1).max(500) }),
      z.object({ entries: z.array(historyEntrySchema), more: z.boolean() }),
    ),
    /** Labelled slices as in the state, after changes. */
    labelledSlices: method(
      z.object(volume),
      z.object({ slices: uint32ArraySchema, materials: uint32ArraySchema }),
    ),
    saveVersion: method(z.object({ ...volume, name: z.string().trim().min(1).max(200) }), labelVersionSchema),
    /** Makes the labels what they were in that version; itself an edit that can be undone. */
    restoreVersion: method(z.object({ ...volume, number: z.number().int().min(1) }), labelChangeSchema),
    /**
     * Label stack, label file or segmentation → labels. Unknown values become new materials. `unlabelled` as `--unlabelled`:
     * `undefined` = as the file says, else none.
     */
    startImport: method(
      z.object({
        ...volume,
        path: z.string(),
        unlabelled: z.number().int().nullable().optional(),
        /** Keeps what is labelled already where both have labels. */
        keepExisting: z.boolean(),
      }),
      z.object({ jobId: jobIdSchema }),
    ),
    /** Writes labelled slices as a TIFF stack with names, colours and the unlabelled value. Throws `OutputExists`. */
    startExport: method(z.object({ ...volume, path: z.string() }), z.object({ jobId: jobIdSchema })),
  },
  events: { changed: labelChangeSchema, journalChanged: journalStateSchema },
})
