import { overwritableLabels } from '../../../shared/annotation/paint.ts'
import { PhasemarkError } from '../../../shared/errors.ts'
import type { OpenProject } from '../project/project-holder.ts'
import type { LabelsService, LabelsServiceOptions } from './interfaces.ts'
import { listLabelFiles } from './journal-files.ts'
import { createLabelJobs } from './label-jobs.ts'
import { LabelStore, openLabelStoreForReading } from './label-store.ts'

type Summary = Awaited<ReturnType<LabelsService['summary']>>

/** The labels of the open project, one {@link LabelStore} per volume, opened when it is asked for. */
export function createLabelsService(options: LabelsServiceOptions): LabelsService {
  const { project, source, emit } = options
  const warn = options.warn ?? ((message: string) => process.emitWarning(message, 'LabelWarning'))
  const stores = new Map<string, Promise<LabelStore>>()
  const summaries = new Map<string, Summary>()
  let closing = new AbortController()

  async function openStore(current: OpenProject, volumeId: string): Promise<LabelStore> {
    const { shape } = current.volume(volumeId).summary
    return await LabelStore.open(current.labelFolder(volumeId), shape, {
      volumeId,
      readOnly: current.readOnly,
      allowed: () => overwritableLabels(current.materials),
      source: () => source(volumeId),
      onChange: (change) => emit('changed', change),
      onState: (state) => emit('journalChanged', state),
      warn,
    })
  }

  async function storeOf(volumeId: string): Promise<LabelStore> {
    const current = project.current()
    let opening = stores.get(volumeId)
    if (opening === undefined) {
      opening = openStore(current, volumeId)
      stores.set(volumeId, opening)
      opening.catch(() => stores.delete(volumeId))
    }
    return await opening
  }

  async function close(): Promise<void> {
    closing.abort()
    closing = new AbortController()
    const opened = [...stores.values()]
    stores.clear()
    summaries.clear()
    for (const opening of await Promise.allSettled(opened))
      if (opening.status === 'fulfilled') await opening.value.close()
  }
  project.onClosing(close)

  async function summary(volumeId: string): Promise<Summary> {
    const current = project.current()
    const folder = current.labelFolder(volumeId)
    const { bytes } = await listLabelFiles(folder)
    const opening = stores.get(volumeId)
    const known = summaries.get(volumeId)
    // A journal only grows: as long as it was then, it says what it said then.
    if (opening === undefined && known?.bytes === bytes) return known
    const labels =
      opening === undefined
        ? await openLabelStoreForReading(folder, current.volume(volumeId).summary.shape)
        : await opening
    const result = {
      labelledSlices: labels.labelledSlices.length,
      labelledVoxels: labels.counts.reduce((sum, count) => sum + count, 0),
      bytes,
    }
    summaries.set(volumeId, result)
    return result
  }

  const labelJobs = createLabelJobs({
    ...options,
    importLabels: options.importLabels ?? (() => Promise.reject(notOffered('import'))),
    exportLabels: options.exportLabels ?? (() => Promise.reject(notOffered('export'))),
    async targetOf(volumeId) {
      const { signal } = closing
      const current = project.current()
      return { store: await storeOf(volumeId), project: current, volumeId, closing: signal }
    },
  })

  return {
    summary,
    close,
    resumers: labelJobs.resumers,
    implementation: {
      open: async ({ volumeId }) => (await storeOf(volumeId)).state,
      readPlane: async ({ volumeId, axis, index, rectangle }) =>
        await (await storeOf(volumeId)).readPlane(axis, index, rectangle),
      apply: async ({ volumeId, editId, edit }) => await (await storeOf(volumeId)).apply(editId, edit),
      undo: async ({ volumeId }) => await (await storeOf(volumeId)).undo(),
      redo: async ({ volumeId }) => await (await storeOf(volumeId)).redo(),
      goTo: async ({ volumeId, sequence }) => await (await storeOf(volumeId)).goTo(sequence),
      history: async ({ volumeId, before, limit }) => (await storeOf(volumeId)).history(before, limit),
      labelledSlices: async ({ volumeId }) => (await storeOf(volumeId)).sliceMaterials(),
      saveVersion: async ({ volumeId, name }) => await (await storeOf(volumeId)).saveVersion(name),
      restoreVersion: async ({ volumeId, number }) => await (await storeOf(volumeId)).restoreVersion(number),
      startImport: async (request) => {
        if (options.importLabels === undefined) throw notOffered('import')
        return await labelJobs.startImport(request)
      },
      startExport: async (request) => {
        if (options.exportLabels === undefined) throw notOffered('export')
        return await labelJobs.startExport(request)
      },
    },
  }
}

function notOffered(what: string): PhasemarkError<'WrongUsage'> {
  return new PhasemarkError('WrongUsage', `this host does not offer the ${what} of labels`, {})
}
