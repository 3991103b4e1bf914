import type { LabelChange, LabelVersion, labelsService } from '../../../shared/contract/labels.ts'
import type { Emit, ServiceImplementation } from '../../../shared/contract/definition.ts'
import type { JobOptions } from '../job-options.ts'
import type { JobResumers, JobRunner } from '../jobs/job-runner.ts'
import type { OpenProject, ProjectHolder } from '../project/project-holder.ts'
import type { VolumeSource } from '../volume/volume-source.ts'

/** What others may use of the labels of a volume. Slices are XY, C order (y, x), 0 = unlabelled, else material index. */

/** Labels that are looked at. `openLabelStoreForReading(folder, shape)` gives one beside a process that is writing. */
export interface LabelReader {
  readonly shape: readonly [z: number, y: number, x: number]
  /** Position in the journal that is seen. */
  readonly sequence: number
  /** Labelled voxels per material index, length 256, entry 0 unused. */
  readonly counts: readonly number[]
  /** Slices with at least one label, ascending. */
  readonly labelledSlices: readonly number[]
  readonly versions: readonly LabelVersion[]
  /** Labelled voxels per material index in slice `z`, length 256, entry 0 unused. */
  countSlice(z: number): Readonly<Uint32Array>
  /** The array, of length shape[1] × shape[2], belongs to the caller. */
  readSlice(z: number): Promise<Uint8Array>
}

/** One slice of new labels, length shape[1] × shape[2]. Not kept. */
export interface LabelSlice {
  z: number
  labels: Uint8Array
}

export interface ReplaceSlicesOptions extends JobOptions {
  /**
   * `keep`: only unlabelled voxels change; `over`: new labels win where both have some, and unlabelled ones in the new slices
   * change nothing; `replace`: slices become exactly what is given, and protected materials are not heeded.
   */
  mode: 'keep' | 'over' | 'replace'
  /** Labels that may be painted over (`overwritableLabels`); for `over`. */
  allowed: Uint8Array
  /** Id of the edit; random when it is not given. */
  editId?: string
}

export interface ReplaceSlicesResult {
  change: LabelChange
  slices: number
  /** New labels that gave way: to existing ones (`keep`), or to protected materials (`over`). */
  keptVoxels: number
}

/** Labels that take whole slices as one undo step. */
export interface BulkLabels extends LabelReader {
  /**
   * Takes slices as they come, each z once, and keeps no more than one of them at its full size. Nothing changes until the last
   * one has come and is on disk; other edits wait meanwhile, reading goes on. The stream's own error, `Cancelled`, `NoSpace`,
   * `NotWritable` and `Locked` leave the labels as they were. `BadInput` for a slice outside the volume, of another size, or
   * that comes twice.
   */
  replaceSlices(
    kind: 'import' | 'restore',
    slices: AsyncIterable<LabelSlice>,
    options: ReplaceSlicesOptions,
  ): Promise<ReplaceSlicesResult>
}

export interface LabelsServiceOptions {
  project: ProjectHolder
  /** Grey values of a volume of the open project, for fill and for the grey range; shared, not closed here. */
  source: (volumeId: string) => Promise<VolumeSource>
  emit: Emit<typeof labelsService>
  jobs: JobRunner
  importLabels?: ImportLabels
  exportLabels?: ExportLabels
  /** How long an import or export that lost its process waits for its project to be opened again; default 10 minutes. */
  longestWaitMs?: number
  /** Things that cost nothing but time, such as a snapshot that cannot be read; default: a process warning. */
  warn?: (message: string) => void
}

/** Both answer with the sentence that ends the job. */
export type ImportLabels = (
  target: { store: BulkLabels; project: OpenProject; volumeId: string },
  request: {
    path: string
    unlabelled?: number | null | undefined
    keepExisting: boolean
    /** Id of the edit; random when it is not given. */
    editId?: string
  },
  options: Required<JobOptions>,
) => Promise<string>

export type ExportLabels = (
  target: { store: LabelReader; project: OpenProject; volumeId: string },
  request: {
    path: string
    /** Tells what an earlier process has left of this export from what others have put there. */
    exportId?: string
    /** An earlier process may have written a part of it, or all. Default: no. */
    isResumed?: boolean
  },
  options: Required<JobOptions>,
) => Promise<string>

export interface LabelsService {
  implementation: ServiceImplementation<typeof labelsService>
  /** Take up imports and exports that an earlier process has left. */
  resumers: JobResumers
  /** What a project's list says of a volume, whether its labels are open or not. */
  summary(volumeId: string): Promise<{ labelledSlices: number; labelledVoxels: number; bytes: number }>
  /** Ends the journals of all open volumes. */
  close(): Promise<void>
}
