import { z } from 'zod'
import { method, service } from './definition.ts'

export const folderEntrySchema = z.object({
  name: z.string(),
  path: z.string(),
  kind: z.enum(['folder', 'file', 'project']),
  sizeBytes: z.number().nullable(),
  modifiedAt: z.iso.datetime().nullable(),
})
export type FolderEntry = z.infer<typeof folderEntrySchema>

/** Looking around in the file system, within the roots that the host allows. */
export const filesService = service({
  methods: {
    roots: method(z.object({}), z.array(z.object({ name: z.string(), path: z.string() }))),
    /** Folders first, natural order. At most `limit` entries; `more` says that there are others. Throws `NotFound`, `NotWritable` (outside the roots). */
    list: method(
      z.object({ path: z.string(), limit: z.number().int().min(1).max(5000).default(2000) }),
      z.object({
        path: z.string(),
        parent: z.string().nullable(),
        entries: z.array(folderEntrySchema),
        more: z.boolean(),
      }),
    ),
  },
  events: {},
})

/** The machine, for the status bar. */
export const systemService = service({
  methods: {
    status: method(
      z.object({}),
      z.object({
        memoryUsedBytes: z.number(),
        memoryTotalBytes: z.number(),
        diskFreeBytes: z.number().nullable(),
        cpuName: z.string(),
        cpuCores: z.number().int(),
      }),
    ),
    /** Derived data (pyramids) of all volumes in the user's cache. */
    cache: method(
      z.object({}),
      z.object({ path: z.string(), usedBytes: z.number(), limitBytes: z.number() }),
    ),
    clearCache: method(z.object({}), z.object({ freedBytes: z.number() })),
  },
  events: {},
})

/** What the window remembers for its user, on this computer: theme, panel widths, last dialog values. */
export const settingsService = service({
  methods: {
    read: method(z.object({}), z.record(z.string(), z.json())),
    /** Sets one key; `null` forgets it. */
    write: method(z.object({ key: z.string().min(1).max(100), value: z.json() }), z.object({})),
  },
  events: {},
})
