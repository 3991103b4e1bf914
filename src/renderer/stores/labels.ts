import { defineStore } from 'pinia'
import { computed, ref, shallowRef } from 'vue'
import { z } from 'zod'
import type { LabelChange, LabelState, LabelVersion } from '../../shared/contract/labels.ts'
import type { LabelOperation, QueueState } from '../annotate/edit-queue.ts'
import { hasTag } from '../../shared/errors.ts'
import { useApi } from './api.ts'
import { useJournalStore } from './journal.ts'
import { afterChange, type HistoryList } from './label-history.ts'
import { useSettingsStore } from './settings.ts'

export const labelTools = ['inspect', 'brush', 'eraser', 'polygon', 'fill', 'threshold'] as const
export type LabelTool = (typeof labelTools)[number]

/** Widest brush in voxels: twice the largest radius that an edit may have, and the voxel in the middle. */
export const maxBrushSize = 1001

export const toolSettingsSchema = z.object({
  /** Width of brush and eraser in voxels. */
  size: z.number().int().min(1).max(maxBrushSize),
  shape: z.enum(['round', 'square']),
  volumetric: z.boolean(),
  /** Whether painting acts between two grey values only. */
  greyLimited: z.boolean(),
  /** `null`: not chosen yet; then the limits of the display. */
  greyLow: z.number().nullable(),
  greyHigh: z.number().nullable(),
  /** Threshold brush: how far grey values may be from the one under the pointer; `null`: 5 % of the display. */
  thresholdReach: z.number().min(0).nullable(),
  /** Fill: the same, from the voxel clicked. */
  fillTolerance: z.number().min(0).nullable(),
})
export type ToolSettings = z.infer<typeof toolSettingsSchema>

const initialTools: ToolSettings = {
  size: 14,
  shape: 'round',
  volumetric: false,
  greyLimited: false,
  greyLow: null,
  greyHigh: null,
  thresholdReach: null,
  fillTolerance: null,
}

/** Entries of the history that are asked for at once. */
const historyPage = 200
/** Changes that redraw a list of the data process are gathered for so long. */
const gatherMs = 300

/** What is known of the labels of the volume on show. */
export interface LabelFacts {
  volumeId: string
  /** Labelled voxels by material index. */
  counts: readonly number[]
  canUndo: boolean
  canRedo: boolean
  /** Edits in force. */
  historyLength: number
  /** XY slices that have labels, ascending, and the materials in each (bits as in the contract). */
  labelledSlices: readonly number[]
  sliceMaterials: readonly number[]
  versions: readonly LabelVersion[]
}

/** Labels of the volume that is worked on: counts, slices, history, versions, what waits to be written, and how tools are set. */
export const useLabelsStore = defineStore('labels', () => {
  const api = useApi()
  const journal = useJournalStore()
  const settings = useSettingsStore()
  const tool = ref<LabelTool>('brush')
  /** `null` until labels were opened. */
  const facts = shallowRef<LabelFacts | null>(null)
  const history = shallowRef<HistoryList>({ entries: [], more: false })
  const loadingHistory = ref(false)
  const queue = shallowRef<QueueState>({
    waiting: 0,
    unwrittenEdits: 0,
    oldestQueuedAtMs: null,
    trouble: null,
  })
  /** Why labels could not be opened or read; `null` when all is well. */
  const problem = shallowRef<unknown>(null)
  let gathered: { slices: boolean; history: boolean } | null = null

  const tools = computed(() => settings.read('labelTools', toolSettingsSchema, initialTools))
  const labelledVoxels = computed(() => (facts.value?.counts ?? []).reduce((sum, count) => sum + count, 0))

  function setTools(part: Partial<ToolSettings>): void {
    settings.write('labelTools', { ...tools.value, ...part })
  }

  /** Labels, or lists of them, could not be read. A lost line is no failure: everything is read again when it is back. */
  function failed(error: unknown): void {
    if (!hasTag(error, 'Disconnected') && !hasTag(error, 'Cancelled')) problem.value = error
  }

  /** Another volume: nothing is known of it until it was opened. */
  function begin(): void {
    facts.value = null
    history.value = { entries: [], more: false }
    problem.value = null
    queue.value = { waiting: 0, unwrittenEdits: 0, oldestQueuedAtMs: null, trouble: null }
  }

  async function opened(state: LabelState): Promise<void> {
    problem.value = null
    facts.value = {
      volumeId: state.volumeId,
      counts: state.counts,
      canUndo: state.canUndo,
      canRedo: state.canRedo,
      historyLength: state.historyLength,
      labelledSlices: [...state.labelledSlices],
      sliceMaterials: [...state.sliceMaterials],
      versions: state.versions,
    }
    journal.take(state.journal)
    await readHistory(state.volumeId)
  }

  /** Takes over what a change says; lists that it does not tell in full are read again, several changes at once. */
  function changed(change: LabelChange, operation: LabelOperation | null): void {
    const before = facts.value
    if (before?.volumeId !== change.volumeId) return
    const { counts, canUndo, canRedo, historyLength } = change
    facts.value = { ...before, counts, canUndo, canRedo, historyLength }
    const list = afterChange(history.value, change, operation)
    history.value = list.history
    gather({ slices: !slicesKnown(before, change), history: !list.isComplete })
  }

  /** Whether the labelled slices stay as they are: the material painted is on all slices of the change already. */
  function slicesKnown({ labelledSlices, sliceMaterials }: LabelFacts, change: LabelChange): boolean {
    const { newest, changed: box } = change
    if (box === null) return true
    const material = newest?.material ?? 0
    if (change.editId === null || newest?.editId !== change.editId || material === 0) return false
    if (newest.kind !== 'brush' || box.stop[0] - box.start[0] > 1) return false
    const at = labelledSlices.indexOf(box.start[0])
    return at >= 0 && ((sliceMaterials[at] ?? 0) & (material <= 31 ? 1 << material : 1)) !== 0
  }

  function gather(part: { slices: boolean; history: boolean }): void {
    if (!part.slices && !part.history) return
    if (gathered !== null) {
      gathered.slices ||= part.slices
      gathered.history ||= part.history
      return
    }
    gathered = part
    setTimeout(() => {
      const wanted = gathered
      const volumeId = facts.value?.volumeId
      gathered = null
      if (wanted === null || volumeId === undefined) return
      if (wanted.slices) readSlices(volumeId).catch(failed)
      if (wanted.history) readHistory(volumeId).catch(failed)
    }, gatherMs)
  }

  async function readSlices(volumeId: string): Promise<void> {
    const { slices, materials } = await api.data.labels.labelledSlices({ volumeId })
    if (facts.value?.volumeId !== volumeId) return
    facts.value = { ...facts.value, labelledSlices: [...slices], sliceMaterials: [...materials] }
  }

  /** Reads the newest entries, as many as are in the list but at least a page. */
  async function readHistory(volumeId: string): Promise<void> {
    const limit = Math.min(500, Math.max(historyPage, history.value.entries.length))
    const page = await api.data.labels.history({ volumeId, before: null, limit })
    if (facts.value?.volumeId === volumeId) history.value = page
  }

  /** Adds older entries at the end of the list. */
  async function readOlderHistory(): Promise<void> {
    const volumeId = facts.value?.volumeId
    const last = history.value.entries.at(-1)
    if (volumeId === undefined || last === undefined || !history.value.more || loadingHistory.value) return
    loadingHistory.value = true
    try {
      const page = await api.data.labels.history({ volumeId, before: last.sequence, limit: historyPage })
      // The list may have been read anew meanwhile.
      if (history.value.entries.at(-1)?.sequence === last.sequence)
        history.value = { entries: [...history.value.entries, ...page.entries], more: page.more }
    } finally {
      loadingHistory.value = false
    }
  }

  function queueChanged(state: QueueState): void {
    queue.value = state
  }

  function versionSaved(version: LabelVersion): void {
    if (facts.value === null) return
    facts.value = { ...facts.value, versions: [...facts.value.versions, version] }
  }

  /** The labelled slice before (−1) or after (1) `z`; `null` when there is none. */
  function labelledSliceFrom(z: number, direction: -1 | 1): number | null {
    const slices = facts.value?.labelledSlices ?? []
    return (direction > 0 ? slices.find((slice) => slice > z) : slices.findLast((slice) => slice < z)) ?? null
  }

  /**
   * The labelled slices that interpolation at `z` would join: those on either side of it; when `z` is labelled itself, around the
   * next gap, or the one before when there is none after. `null` without a gap.
   */
  function slicesToInterpolate(z: number): { from: number; to: number } | null {
    const slices = facts.value?.labelledSlices ?? []
    const gaps = slices
      .slice(1)
      .map((to, at) => ({ from: slices.at(at) ?? to, to }))
      .filter(({ from, to }) => to - from > 1)
    return (
      gaps.find(({ from, to }) => from < z && z < to) ??
      (slices.includes(z)
        ? (gaps.find(({ from }) => from >= z) ?? gaps.findLast(({ to }) => to <= z) ?? null)
        : null)
    )
  }

  return {
    tool,
    tools,
    setTools,
    facts,
    history,
    loadingHistory,
    queue,
    problem,
    labelledVoxels,
    failed,
    begin,
    opened,
    changed,
    queueChanged,
    versionSaved,
    readHistory,
    readOlderHistory,
    labelledSliceFrom,
    slicesToInterpolate,
  }
})
