import { getActivePinia, type Pinia } from 'pinia'
import type { VolumeEntry } from '../../../shared/contract/projects.ts'
import { overwritableLabels } from '../../../shared/annotation/paint.ts'
import type { Api } from '../../api/api.ts'
import type { QueueEntry } from '../../annotate/edit-queue.ts'
import { createDrawAhead } from '../../annotate/draw-ahead.ts'
import { GreyUnderBrush } from '../../annotate/grey-under-brush.ts'
import { LabelSession, type LabelsPort } from '../../annotate/label-session.ts'
import { useApi } from '../../stores/api.ts'
import { useConnectionStore } from '../../stores/connection.ts'
import { useLabelsStore } from '../../stores/labels.ts'
import { useMaterialsStore } from '../../stores/materials.ts'
import { useNoticesStore } from '../../stores/notices.ts'
import { useProjectStore } from '../../stores/project.ts'
import { GreyPlanes } from '../../viewer/grey-planes.ts'

/** What works on the labels of one volume. */
export interface LabelWork {
  readonly volumeId: string
  readonly volumeName: string
  readonly session: LabelSession
  /** Grey planes to look at; made when first asked for. */
  source(): GreyPlanes
  /** Frees the grey planes: another volume is looked at. */
  freeSource(): void
  readonly grey: GreyUnderBrush
}

/** The works of the open project. They outlive the workspace: strokes are still being written when somebody goes elsewhere. */
export interface LabelSessions {
  /** The work on a volume, made at its first call. */
  of(volume: VolumeEntry): LabelWork
  /** The one whose facts the store shows. */
  show(work: LabelWork): void
  /** Edits of all volumes that are not written yet. */
  unwrittenEdits(): number
}

const made = new WeakMap<Pinia, LabelSessions>()

/** The works on labels of the running application. */
export function useLabelSessions(): LabelSessions {
  const pinia = getActivePinia()
  if (pinia === undefined) throw new Error('useLabelSessions() was called outside of the application')
  const sessions = made.get(pinia) ?? createLabelSessions()
  made.set(pinia, sessions)
  return sessions
}

function createLabelSessions(): LabelSessions {
  const api = useApi()
  const project = useProjectStore()
  const materials = useMaterialsStore()
  const labels = useLabelsStore()
  const notices = useNoticesStore()
  const connection = useConnectionStore()
  const works = new Map<string, LabelWork>()
  let projectPath: string | null = null
  let shown: LabelWork | null = null
  let allowed = { of: materials.all, labels: overwritableLabels(materials.all) }

  function allowedLabels(): Uint8Array {
    if (allowed.of !== materials.all)
      allowed = { of: materials.all, labels: overwritableLabels(materials.all) }
    return allowed.labels
  }

  function make(volume: VolumeEntry): LabelWork {
    let planes: GreyPlanes | null = null
    const source = (): GreyPlanes => {
      planes ??= new GreyPlanes({
        volumeId: volume.id,
        shape: volume.summary.shape,
        readPlane: (request, options) => api.data.volumes.readPlane(request, options),
      })
      return planes
    }
    const freeSource = (): void => {
      planes?.dispose()
      planes = null
    }
    const grey = new GreyUnderBrush(source)
    const isShown = (): boolean => shown?.session === session
    const session: LabelSession = new LabelSession({
      shape: volume.summary.shape,
      port: labelsPort(api, volume.id),
      draw: createDrawAhead({
        shape: volume.summary.shape,
        allowed: allowedLabels,
        greyOf: (plane) => grey.fullPlane(plane),
      }),
      newId: () => crypto.randomUUID(),
      now: () => Date.now(),
      wait: (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds)),
      onOpened: (state) => {
        if (isShown()) labels.opened(state).catch(labels.failed)
      },
      onChange: (change, operation) => {
        if (isShown()) labels.changed(change, operation)
      },
      onQueue: (state) => {
        if (isShown()) labels.queueChanged(state)
        else if (state.trouble !== null && state.trouble.kind !== 'disconnected')
          notices.add({
            tone: 'err',
            title: `Labels of ${volume.name} are not written`,
            text: `${state.trouble.message} ${waitingText(state.waiting)} kept; open the volume in Label to go on.`,
            key: `labels-${volume.id}`,
          })
      },
      onReadingFailed: (error) => {
        if (isShown()) labels.failed(error)
      },
    })
    return { volumeId: volume.id, volumeName: volume.name, session, source, freeSource, grey }
  }

  function forgetOtherProjects(): void {
    const path = project.project?.path ?? null
    if (path === projectPath) return
    projectPath = path
    for (const work of works.values()) {
      const { waiting } = work.session.queue.state
      if (waiting > 0)
        notices.add({
          tone: 'err',
          title: `${waitingText(waiting)} of ${work.volumeName} not written`,
          text: 'The project was closed before the journal could take them.',
        })
      work.session.close()
      work.freeSource()
    }
    works.clear()
    shown = null
  }

  api.onConnection((process, state) => {
    if (process !== 'data' || state === 'connected') return
    for (const { session } of works.values()) session.lineLost()
  })
  connection.onConnected((process) => {
    if (process !== 'data') return
    for (const { session } of works.values()) session.lineRestored().catch(labels.failed)
  })
  api.data.volumes.on('pyramidChanged', ({ volumeId }) => {
    if (shown?.volumeId === volumeId) shown.source().pyramidChanged()
  })
  project.$subscribe(forgetOtherProjects, { flush: 'sync' })
  window.addEventListener('beforeunload', (event) => {
    if (unwrittenEdits() > 0) event.preventDefault()
  })

  function unwrittenEdits(): number {
    let edits = 0
    for (const { session } of works.values()) edits += session.queue.state.unwrittenEdits
    return edits
  }

  return {
    of(volume) {
      forgetOtherProjects()
      const work = works.get(volume.id) ?? make(volume)
      works.set(volume.id, work)
      return work
    },
    show(work) {
      if (shown !== null && shown !== work) shown.freeSource()
      shown = work
      labels.begin()
      labels.queueChanged(work.session.queue.state)
    },
    unwrittenEdits,
  }
}

/** `4 strokes` */
export function waitingText(count: number): string {
  return count === 1 ? '1 stroke' : `${count} strokes`
}

function labelsPort(api: Api, volumeId: string): LabelsPort {
  const { labels } = api.data
  return {
    open: () => labels.open({ volumeId }),
    readPlane: (plane, rectangle, options) =>
      labels.readPlane({ volumeId, axis: plane.axis, index: plane.index, rectangle }, options),
    send: ({ id, operation }: QueueEntry) => {
      switch (operation.kind) {
        case 'edit':
          return labels.apply({ volumeId, editId: id, edit: operation.edit })
        case 'undo':
          return labels.undo({ volumeId })
        case 'redo':
          return labels.redo({ volumeId })
        case 'go-to':
          return labels.goTo({ volumeId, sequence: operation.sequence })
        case 'restore-version':
          return labels.restoreVersion({ volumeId, number: operation.number })
      }
    },
    onChanged: (listener) =>
      labels.on('changed', (change) => {
        if (change.volumeId === volumeId) listener(change)
      }),
  }
}
