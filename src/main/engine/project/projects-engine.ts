import type { Emit, ServiceImplementation } from '../../../shared/contract/definition.ts'
import type { projectsService } from '../../../shared/contract/projects.ts'
import type { RawDescription, VolumeSummary } from '../../../shared/contract/volumes.ts'
import type { PathGuard } from '../settings/path-guard.ts'
import type { FolderMemory } from '../view/folder-memory.ts'
import type { ProjectHolder } from './project-holder.ts'

/** How much of a volume is labelled. */
export interface LabelTotals {
  labelledSlices: number
  labelledVoxels: number
  /** Of the journal and its snapshots on the disk. */
  bytes: number
}

/** What `createProjectService` (project-service.ts) needs from the process that it runs in. */
export interface ProjectServiceOptions {
  emit: Emit<typeof projectsService>
  /** Where this user's list of recent projects lies; made when missing. */
  stateFolder: string
  /** Where new projects go unless the user says otherwise; need not exist. */
  defaultFolder: string
  /** Metadata of a source; headers only. Throws `NotFound`, `BadInput`, `WrongUsage`. */
  inspect: (
    path: string,
    raw: RawDescription | null | undefined,
    options?: { signal?: AbortSignal },
  ) => Promise<VolumeSummary>
  /** What is known of folders of slices, for the pictures in the list of recent projects; default: one of its own. */
  memory?: FolderMemory
  /** Totals of the labels of a volume of the project that is open, as the labels service's `summary`. */
  labelSummary: (volumeId: string) => Promise<LabelTotals>
  /** Starts a job that imports a label stack: gives a sample its first labels. */
  startImport: (request: { volumeId: string; path: string; keepExisting: boolean }) => Promise<unknown>
  /** What the window may reach. */
  guard: PathGuard
}

/** The `projects` service and what other parts of the same process use of it. */
export interface ProjectService {
  readonly implementation: ServiceImplementation<typeof projectsService>
  readonly holder: ProjectHolder
  /** Announces the state anew: for label totals after an import. */
  refresh(): Promise<void>
  /** Closes the open project. */
  close(): Promise<void>
}
