import { z } from 'zod'
import { method, service } from './definition.ts'

/** What the shell around the window can do: Electron's main process or the web server. */
export const engineProcessSchema = z.enum(['data', 'compute'])
export type EngineProcess = z.infer<typeof engineProcessSchema>

export const processStatusSchema = z.object({
  name: engineProcessSchema,
  /** `failed`: it died so often in a short time that only a person starts it again. */
  state: z.enum(['starting', 'running', 'restarting', 'failed']),
  pid: z.number().int().nullable(),
  restarts: z.number().int(),
  /** Why it ended last: `exit code 9`, `killed by SIGKILL`. */
  lastEnd: z.string().nullable(),
})
export type ProcessStatus = z.infer<typeof processStatusSchema>

const chooseRequest = z.object({ title: z.string().max(200), startIn: z.string().optional() })
const chosen = z.object({ path: z.string().nullable() })

export const hostService = service({
  methods: {
    info: method(
      z.object({}),
      z.object({
        kind: z.enum(['electron', 'web']),
        version: z.string(),
        platform: z.string(),
        /** Whether `choose…` opens the system's own dialogs; otherwise the window shows its own over `files`. */
        nativeDialogs: z.boolean(),
        /** Whether the window draws its own minimise, maximise and close buttons. */
        windowButtons: z.boolean(),
        /** This page was loaded because the process of the one before it ended: one sentence for the user. */
        reloaded: z.string().optional(),
      }),
    ),
    chooseFolder: method(chooseRequest, chosen),
    chooseFile: method(chooseRequest, chosen),
    chooseSavePath: method(chooseRequest.extend({ suggestedName: z.string().max(255) }), chosen),
    showInFolder: method(z.object({ path: z.string() }), z.object({})),
    /** Opens a page in the system's browser; only pages that the product itself links to. Throws `WrongUsage`. */
    openExternal: method(z.object({ url: z.string() }), z.object({})),
    window: method(z.object({ action: z.enum(['minimise', 'toggle-maximise', 'close']) }), z.object({})),
    processes: method(z.object({}), z.array(processStatusSchema)),
    restartProcess: method(z.object({ name: engineProcessSchema }), z.object({})),
    /** Paths given on the command line or by the system since the last call, in order. */
    takeOpenRequests: method(z.object({}), z.array(z.string())),
  },
  events: {
    processChanged: processStatusSchema,
    /** Call `takeOpenRequests`. */
    openRequested: z.object({}),
  },
})
