import { randomUUID } from 'node:crypto'
import { z } from 'zod'
import { badInput, throwIfCancelled } from '../../../shared/errors.ts'
import type { JobOptions } from '../job-options.ts'
import type { JobResumer, JobResumers, JobWork, ResumedWork } from '../jobs/job-runner.ts'
import type { OpenProject } from '../project/project-holder.ts'
import { countOf } from '../project/wording.ts'
import { isOpenNow, untilReopened } from '../project/reopened-project.ts'
import type { LabelsService, LabelsServiceOptions } from './interfaces.ts'
import type { LabelStore } from './label-store.ts'
import { loadLabelsBesideWriter } from './load-labels.ts'

/** What a new process has to know of an import or export. */
const recordedSchema = z.object({
  /** Folder of the project, and its name for people. */
  project: z.string(),
  volumeId: z.string(),
  path: z.string(),
})
const recordedImportSchema = recordedSchema.extend({
  /** Edits of all its attempts begin with it. */
  importId: z.uuid(),
  unlabelled: z.number().nullable().optional(),
  keepExisting: z.boolean(),
})
type RecordedImport = z.infer<typeof recordedImportSchema>
const recordedExportSchema = recordedSchema.extend({ exportId: z.uuid() })
type RecordedExport = z.infer<typeof recordedExportSchema>

/** The labels that a job works on. */
interface JobTarget {
  store: LabelStore
  project: OpenProject
  volumeId: string
  /** Fires when the project closes. */
  closing: AbortSignal
}

export interface LabelJobs extends Pick<LabelsService, 'resumers'> {
  startImport(
    request: Pick<RecordedImport, 'volumeId' | 'path' | 'unlabelled' | 'keepExisting'>,
  ): Promise<{ jobId: string }>
  startExport(request: Pick<RecordedExport, 'volumeId' | 'path'>): Promise<{ jobId: string }>
}

/**
 * Imports and exports of labels as jobs. They end with their project. When their process ends they wait in the next one until their
 * project is open again, and begin anew; what was complete by then is found to be.
 */
export function createLabelJobs(
  options: Pick<LabelsServiceOptions, 'project' | 'jobs' | 'longestWaitMs'> & {
    importLabels: NonNullable<LabelsServiceOptions['importLabels']>
    exportLabels: NonNullable<LabelsServiceOptions['exportLabels']>
    /** Opens the labels of a volume of the open project. */
    targetOf: (volumeId: string) => Promise<JobTarget>
  },
): LabelJobs {
  const { project, jobs, targetOf, importLabels, exportLabels } = options

  async function importInto(
    target: JobTarget,
    record: RecordedImport,
    job: Required<JobOptions>,
  ): Promise<string> {
    const { path, unlabelled, keepExisting, importId } = record
    // Anew for each attempt: parts that a killed one has left in the journal must not be taken for this one's.
    const editId = `${importId}.${randomUUID()}`
    return await importLabels(target, { path, unlabelled, keepExisting, editId }, job)
  }

  async function importAgain(
    target: JobTarget,
    record: RecordedImport,
    job: Required<JobOptions>,
  ): Promise<string> {
    target.store.requireWritable()
    const folder = target.project.labelFolder(record.volumeId)
    const { history } = await loadLabelsBesideWriter(folder, target.store.shape)
    const done = history.toState().answered.find(({ editId }) => editId.startsWith(`${record.importId}.`))
    if (done === undefined) return await importInto(target, record, job)
    return `Imported; ${countOf(done.changedVoxels, 'voxel')} changed. It was complete when its process ended`
  }

  /** Work that opens its labels itself, once the project is there again. */
  function resumed<Record extends z.infer<typeof recordedSchema>>(
    record: Record,
    run: (target: JobTarget, record: Record, job: Required<JobOptions>) => Promise<string>,
  ): ResumedWork {
    return {
      wait: {
        reason: `waiting for its project to be opened again: ${record.project}`,
        until: (signal) => untilReopened(project, record.project, { signal, limitMs: options.longestWaitMs }),
      },
      run: async (job) => {
        // Closed again while other jobs were under way: a job ends with its project.
        throwIfCancelled({ aborted: !(await isOpenNow(project, record.project)) })
        const target = await targetOf(record.volumeId)
        return await endingWith(target, (ending) => run(target, record, ending))(job)
      },
    }
  }

  return {
    async startImport(request) {
      const target = await targetOf(request.volumeId)
      target.store.requireWritable()
      const record = { ...request, project: target.project.folder, importId: randomUUID() }
      const jobId = jobs.start(
        { kind: 'label-import', title: `Importing labels into ${nameOf(target)}`, resume: record },
        endingWith(target, (job) => importInto(target, record, job)),
      )
      return { jobId }
    },
    async startExport({ volumeId, path }) {
      const target = await targetOf(volumeId)
      const record = { volumeId, path, project: target.project.folder, exportId: randomUUID() }
      const jobId = jobs.start(
        { kind: 'label-export', title: `Exporting labels of ${nameOf(target)}`, resume: record },
        endingWith(target, (job) => exportLabels(target, { path, exportId: record.exportId }, job)),
      )
      return { jobId }
    },
    resumers: {
      'label-import': resumerOf(recordedImportSchema, (record) => resumed(record, importAgain)),
      'label-export': resumerOf(recordedExportSchema, (record) =>
        resumed(record, (target, { path, exportId }, job) =>
          exportLabels(target, { path, exportId, isResumed: true }, job),
        ),
      ),
    } satisfies JobResumers,
  }
}

/** Work that is cancelled when the project of its labels closes. */
function endingWith({ closing }: JobTarget, work: JobWork): JobWork {
  return ({ signal, onProgress }) => work({ signal: AbortSignal.any([signal, closing]), onProgress })
}

function nameOf({ project, volumeId }: JobTarget): string {
  return project.volume(volumeId).name
}

function resumerOf<Schema extends z.ZodType>(
  schema: Schema,
  resume: (record: z.infer<Schema>) => ResumedWork,
): JobResumer {
  return (recorded) => {
    const parsed = schema.safeParse(recorded)
    if (parsed.success) return resume(parsed.data)
    throw badInput('the record of running jobs', 'what this version records of a job', 'something else', {
      cause: parsed.error,
    })
  }
}
