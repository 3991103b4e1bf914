import { ref, type Ref } from 'vue'
import type { PlaneAxis } from '../../../shared/annotation/edit.ts'
import { extentAlong } from '../../viewer/geometry.ts'
import { useApi } from '../../stores/api.ts'
import { useLabelsStore } from '../../stores/labels.ts'
import { useNoticesStore } from '../../stores/notices.ts'
import { useViewStore } from '../../stores/view.ts'
import type { LabelWorkView } from './use-label-work.ts'

/** Which name is being typed: of a material (its index) or of one to be added. */
export type Naming = number | 'new' | null

/** What buttons and commands of the workspace do, and which of its small dialogs are open. */
export interface LabelActions {
  naming: Ref<Naming>
  savingVersion: Ref<boolean>
  importing: Ref<boolean>
  exporting: Ref<boolean>
  startNaming(what: number | 'new'): void
  endNaming(): void
  startSavingVersion(): void
  setSavingVersion(open: boolean): void
  startImport(): void
  setImporting(open: boolean): void
  startExport(): void
  setExporting(open: boolean): void
  canUndo(): boolean
  canRedo(): boolean
  undo(): void
  redo(): void
  goToHistory(sequence: number): void
  /** `null`: all materials that both slices have. */
  interpolate(material: number | null): void
  copyFromPrevious(): void
  clearSlice(): void
  goToLabelled(direction: -1 | 1): void
  step(slices: number): void
  nextPlane(): void
  nextOverlayStyle(): void
  saveVersion(name: string): Promise<void>
  restoreVersion(number: number): void
}

const axes: readonly PlaneAxis[] = ['z', 'y', 'x']
const overlayStyles = ['fill-and-outline', 'fill', 'outline'] as const

export function useLabelActions(work: LabelWorkView): LabelActions {
  const api = useApi()
  const labels = useLabelsStore()
  const notices = useNoticesStore()
  const views = useViewStore()
  const naming = ref<Naming>(null)
  const savingVersion = ref(false)
  const importing = ref(false)
  const exporting = ref(false)

  const session = (): NonNullable<typeof work.work.value>['session'] | null =>
    work.work.value?.session ?? null
  const z = (): number => work.view.value.position.z

  function refuse(reason: string): void {
    notices.add({ tone: 'warn', title: 'Nothing was changed', text: reason, key: 'label-action' })
  }

  /** Runs `act` unless labels cannot be written now; then says why. */
  function writing(act: (open: NonNullable<ReturnType<typeof session>>) => void): void {
    const open = session()
    if (open === null) return
    if (work.pausedReason.value === null) act(open)
    else refuse(work.pausedReason.value)
  }

  /** Undo also takes back what is still waiting to be written. */
  const canUndo = (): boolean => labels.facts?.canUndo === true || labels.queue.waiting > 0

  return {
    naming,
    savingVersion,
    importing,
    exporting,
    startNaming(what) {
      naming.value = what
    },
    endNaming() {
      naming.value = null
    },
    startSavingVersion() {
      savingVersion.value = true
    },
    setSavingVersion(open) {
      savingVersion.value = open
    },
    startImport() {
      importing.value = true
    },
    setImporting(open) {
      importing.value = open
    },
    startExport() {
      exporting.value = true
    },
    setExporting(open) {
      exporting.value = open
    },
    canUndo,
    canRedo: () => labels.facts?.canRedo === true,
    undo() {
      writing((open) => {
        if (canUndo()) open.do({ kind: 'undo' })
      })
    },
    redo() {
      writing((open) => {
        if (labels.facts?.canRedo === true) open.do({ kind: 'redo' })
      })
    },
    goToHistory(sequence) {
      writing((open) => {
        open.do({ kind: 'go-to', sequence })
      })
    },
    interpolate(material) {
      const slices = labels.slicesToInterpolate(z())
      if (slices === null) {
        refuse('Interpolation needs a labelled slice on both sides of this one.')
        return
      }
      writing((open) => {
        open.submit({ kind: 'interpolate', ...slices, material })
      })
    },
    copyFromPrevious() {
      const to = z()
      if (to > 0)
        writing((open) => {
          open.submit({ kind: 'copy-slice', from: to - 1, to })
        })
    },
    clearSlice() {
      writing((open) => {
        open.submit({ kind: 'clear-slice', z: z() })
      })
    },
    goToLabelled(direction) {
      const slice = labels.labelledSliceFrom(z(), direction)
      if (slice !== null) work.goToSlice(slice)
    },
    step(slices) {
      const shape = work.viewed.value?.shape
      if (shape === undefined) return
      const axis = views.activeAxis
      const { position } = work.view.value
      const index = Math.min(extentAlong(shape, axis) - 1, Math.max(0, position[axis] + slices))
      work.view.value = { ...work.view.value, position: { ...position, [axis]: index } }
    },
    nextPlane() {
      views.activeAxis = axes.at((axes.indexOf(views.activeAxis) + 1) % axes.length) ?? 'z'
    },
    nextOverlayStyle() {
      const next = overlayStyles.at((overlayStyles.indexOf(views.overlay.style) + 1) % overlayStyles.length)
      if (next !== undefined) views.overlay = { ...views.overlay, style: next }
    },
    async saveVersion(name) {
      const open = session()
      const volumeId = labels.facts?.volumeId
      if (open === null || volumeId === undefined) return
      // The version is to hold what the person sees, so what waits is written first.
      await open.queue.whenEmpty()
      labels.versionSaved(await api.data.labels.saveVersion({ volumeId, name }))
    },
    restoreVersion(number) {
      const version = labels.facts?.versions.find((candidate) => candidate.number === number)
      writing((open) => {
        open.do({ kind: 'restore-version', number })
        void open.queue.whenEmpty().then(() => {
          notices.add({
            tone: 'ok',
            title: `Version ${version?.name ?? number} restored`,
            text: 'What was there before is in the history and can be brought back.',
            key: 'version-restored',
            actions: [
              {
                label: 'Undo',
                run: () => {
                  open.do({ kind: 'undo' })
                },
              },
            ],
          })
        })
      })
    },
  }
}
