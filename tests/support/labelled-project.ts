import { mkdirSync } from 'node:fs'
import path from 'node:path'
import { overwritableLabels } from '../../src/shared/annotation/paint.ts'
import { LabelStore } from '../../src/main/engine/annotation/label-store.ts'
import { exportLabels } from '../../src/main/engine/project/label-export.ts'
import { importLabels } from '../../src/main/engine/project/label-import.ts'
import { ProjectSession } from '../../src/main/engine/project/project-session.ts'
import { addVolume } from '../../src/main/engine/project/project-volumes.ts'
import { inspectVolume } from '../../src/main/engine/view/inspect-volume.ts'
import { openVolume } from '../../src/main/engine/volume/open-volume.ts'

const job = { signal: new AbortController().signal, onProgress: () => undefined }

/** A project that is open, as the app has it: labels go through the journal. */
export interface LabelledProject {
  folder: string
  session: ProjectSession
  /** Adds a source; its labels are held open until `close`. */
  addVolume(images: string, name?: string): Promise<LabelledVolume>
  close(): Promise<void>
}

export interface LabelledVolume {
  id: string
  store: LabelStore
  /** Imports label files as the window does. */
  importLabels(labels: string, unlabelled?: number | null): Promise<string>
  /** Exports as the window does. */
  exportLabels(out: string): Promise<string>
}

/** Makes the project `folder` (`….phasemark`) and keeps it open. */
export async function createLabelledProject(folder: string): Promise<LabelledProject> {
  mkdirSync(path.dirname(folder), { recursive: true })
  const session = await ProjectSession.create(folder, path.basename(folder, '.phasemark'))
  const stores: LabelStore[] = []
  return {
    folder,
    session,
    async addVolume(images, name = path.basename(path.dirname(images))) {
      const summary = await inspectVolume(images, null)
      const wanted = { name, path: images, raw: null, voxelSize: summary.voxelSize, voxelSizeEntered: [] }
      let id = ''
      await session.update(async (project) => {
        const added = await addVolume(folder, project, { ...wanted, role: 'seen' }, summary)
        id = added.volumeId
        return added.project
      })
      const store = await LabelStore.open(session.labelFolder(id), summary.shape, {
        volumeId: id,
        readOnly: session.readOnly,
        allowed: () => overwritableLabels(session.materials),
        source: () => openVolume(images),
      })
      stores.push(store)
      const target = { store, project: session, volumeId: id }
      return {
        id,
        store,
        importLabels: (labels, unlabelled) =>
          importLabels(target, { path: labels, unlabelled, keepExisting: false }, job),
        exportLabels: (out) => exportLabels(target, { path: out }, job),
      }
    },
    async close() {
      for (const store of stores.splice(0)) await store.close()
      await session.close()
    },
  }
}
