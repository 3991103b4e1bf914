import {
  computed,
  onScopeDispose,
  ref,
  shallowRef,
  watch,
  type ComputedRef,
  type Ref,
  type ShallowRef,
} from 'vue'
import type { GreyHistogram } from '../../../shared/contract/volumes.ts'
import type { VolumeEntry } from '../../../shared/contract/projects.ts'
import { hasTag } from '../../../shared/errors.ts'
import { unlabelledIndex } from '../../../shared/materials.ts'
import type { ViewedVolume, VolumeView } from '../../components/viewer/types.ts'
import { useApi } from '../../stores/api.ts'
import { useConnectionStore } from '../../stores/connection.ts'
import { useJournalStore } from '../../stores/journal.ts'
import { useLabelsStore } from '../../stores/labels.ts'
import { useMaterialsStore } from '../../stores/materials.ts'
import { useNoticesStore } from '../../stores/notices.ts'
import { useProjectStore } from '../../stores/project.ts'
import { initialView, useViewStore } from '../../stores/view.ts'
import { useLabelSessions, type LabelWork } from './label-sessions.ts'
import { createLabelTools, type LabelTools } from './label-tools.ts'

export interface LabelWorkView {
  volume: ComputedRef<VolumeEntry | null>
  viewed: ComputedRef<ViewedVolume | null>
  view: Ref<VolumeView>
  work: ShallowRef<LabelWork | null>
  tools: ShallowRef<LabelTools | null>
  histogram: ShallowRef<GreyHistogram | null>
  /** Why the volume cannot be shown; `null` when it can. */
  sourceProblem: ShallowRef<unknown>
  /** Why nothing can be painted now, whatever the material; `null` when something can. */
  pausedReason: ComputedRef<string | null>
  reopen: () => Promise<void>
  autoWindow: (scope: 'volume' | 'slice') => Promise<void>
  goToSlice: (z: number) => void
}

/** Opens the chosen volume and its labels for the workspace, and ties tools, view and stores together. */
export function useLabelWork(): LabelWorkView {
  const api = useApi()
  const connection = useConnectionStore()
  const journal = useJournalStore()
  const labels = useLabelsStore()
  const materials = useMaterialsStore()
  const notices = useNoticesStore()
  const project = useProjectStore()
  const views = useViewStore()
  const sessions = useLabelSessions()

  const volume = computed(() => project.volume)
  const work = shallowRef<LabelWork | null>(null)
  const tools = shallowRef<LabelTools | null>(null)
  const histogram = shallowRef<GreyHistogram | null>(null)
  const sourceProblem = shallowRef<unknown>(null)
  const opened = ref(0)

  const viewed = computed<ViewedVolume | null>(() => {
    if (volume.value === null) return null
    const { id, name, summary, voxelSize } = volume.value
    return { id, name, shape: summary.shape, dtype: summary.dtype, voxelSize }
  })
  const view = computed<VolumeView>({
    get: () =>
      viewed.value === null ? initialView([1, 1, 1]) : views.viewOf(viewed.value.id, viewed.value.shape),
    set: (next) => {
      if (viewed.value !== null) views.setView(viewed.value.id, next)
    },
  })
  const greyWindow = computed(() => view.value.window ?? { low: 0, high: 1 })

  const pausedReason = computed<string | null>(() => {
    if (project.readOnly !== null) return `This project can only be looked at. ${project.readOnly}`
    const trouble = labels.queue.trouble
    if (trouble !== null && trouble.kind !== 'disconnected') return `Painting is paused. ${trouble.message}`
    const state = journal.state
    if (state !== null && state.state !== 'ok') return `Painting is paused. ${state.message ?? ''}`.trim()
    return null
  })

  /** Why `material` cannot be painted. */
  function refusal(material: number): string | null {
    if (pausedReason.value !== null) return pausedReason.value
    if (material === unlabelledIndex) return null
    const found = materials.find(material)
    if (found === undefined || found.removed)
      return 'Name a material first: there is nothing to paint with yet.'
    if (!found.visible) return `${found.name} is hidden. Show it to paint with it.`
    if (found.locked) return `${found.name} is locked. Unlock it to paint with it.`
    return null
  }

  async function open(next: VolumeEntry): Promise<void> {
    const attempt = ++opened.value
    const isCurrent = (): boolean => attempt === opened.value
    sourceProblem.value = null
    histogram.value = null
    const made = sessions.of(next)
    sessions.show(made)
    work.value = null
    try {
      await api.data.volumes.open({ volumeId: next.id })
    } catch (error) {
      // It is opened again when the data process is back.
      if (isCurrent() && !hasTag(error, 'Disconnected')) sourceProblem.value = error
      return
    }
    if (!isCurrent()) return
    work.value = made
    tools.value = createLabelTools(made, {
      settings: () => labels.tools,
      material: () => materials.active?.index ?? -1,
      window: () => greyWindow.value,
      refusal,
      refused: (reason) => {
        const isPaused = labels.queue.trouble !== null
        notices.add({
          tone: 'warn',
          title: 'Nothing was painted',
          text: reason,
          key: 'paint-refused',
          actions: isPaused ? [{ label: 'Try again', run: () => made.session.queue.tryAgain() }] : [],
        })
      },
    })
    await Promise.all([made.session.open().catch(labels.failed), readHistogram(next.id, isCurrent)])
  }

  /** After the data process was started again. What is on show stays. */
  async function openAgain(entry: VolumeEntry): Promise<void> {
    if (work.value?.volumeId !== entry.id) {
      await open(entry)
      return
    }
    try {
      await api.data.volumes.open({ volumeId: entry.id })
      work.value.source().pyramidChanged()
    } catch (error) {
      if (!hasTag(error, 'Disconnected')) sourceProblem.value = error
    }
  }

  async function readHistogram(volumeId: string, isCurrent: () => boolean): Promise<void> {
    try {
      const read = await api.data.volumes.histogram({ volumeId })
      if (!isCurrent()) return
      histogram.value = read
      if (view.value.window === null)
        view.value = { ...view.value, window: { low: read.autoLow, high: read.autoHigh } }
    } catch (error) {
      if (isCurrent() && !hasTag(error, 'Disconnected'))
        notices.addError('The histogram could not be made', error, { key: 'histogram' })
    }
  }

  async function reopen(): Promise<void> {
    const { value: entry } = volume
    if (entry === null) return
    try {
      if (entry.source.state !== 'ok') await project.lookAgain(entry.id)
    } catch (error) {
      sourceProblem.value = error
      return
    }
    const { value: now } = volume
    if (now !== null) await open(now)
  }

  async function autoWindow(scope: 'volume' | 'slice'): Promise<void> {
    if (viewed.value === null) return
    if (scope === 'volume') {
      if (histogram.value !== null)
        view.value = {
          ...view.value,
          window: { low: histogram.value.autoLow, high: histogram.value.autoHigh },
        }
      return
    }
    const { low, high } = await api.data.volumes.sliceLimits({
      volumeId: viewed.value.id,
      z: view.value.position.z,
    })
    view.value = { ...view.value, window: { low, high } }
  }

  function goToSlice(z: number): void {
    if (viewed.value === null) return
    const last = viewed.value.shape[0] - 1
    view.value = { ...view.value, position: { ...view.value.position, z: Math.min(last, Math.max(0, z)) } }
  }

  watch(
    () => volume.value?.id ?? null,
    (id) => {
      if (id === null || volume.value === null) {
        opened.value++
        work.value = null
        tools.value = null
        labels.begin()
      } else void open(volume.value)
    },
    { immediate: true },
  )
  watch(
    () => [labels.tools, materials.active?.index],
    () => tools.value?.lookChanged(),
  )
  // A project that was open for looking was opened anew, for writing: its labels are too.
  watch(
    () => project.readOnly,
    (now, before) => {
      if (now === null && before !== null) void reopen()
    },
  )
  // Labels mend themselves when the line is back; the volume has to be opened in the new process, which has the project open.
  watch(
    () => connection.connected.data,
    (isConnected) => {
      if (isConnected && volume.value !== null) void openAgain(volume.value)
    },
  )
  onScopeDispose(() => {
    opened.value++
  })

  return {
    volume,
    viewed,
    view,
    work,
    tools,
    histogram,
    sourceProblem,
    pausedReason,
    reopen,
    autoWindow,
    goToSlice,
  }
}
