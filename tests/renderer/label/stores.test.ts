import { createPinia, setActivePinia } from 'pinia'
import { beforeEach, describe, expect, test, vi } from 'vitest'
import type { ProjectMaterial } from '../../../src/shared/contract/projects.ts'
import type { HistoryEntry, LabelChange, LabelState } from '../../../src/shared/contract/labels.ts'
import { provideApi } from '../../../src/renderer/stores/api.ts'
import { useLabelsStore } from '../../../src/renderer/stores/labels.ts'
import { afterChange, type HistoryList } from '../../../src/renderer/stores/label-history.ts'
import { useMaterialsStore } from '../../../src/renderer/stores/materials.ts'
import { useNoticesStore } from '../../../src/renderer/stores/notices.ts'
import { useProjectStore } from '../../../src/renderer/stores/project.ts'
import { createFakeApi, type FakeApi } from '../support/fake-api.ts'
import { createFakeServices, entryOf, projectOf } from '../support/fake-services.ts'
import {
  fewerLabels,
  firstSliceWith,
  labelShares,
  percentText,
} from '../../../src/renderer/workspaces/label/label-counts.ts'

function entry(sequence: number, change: Partial<HistoryEntry> = {}): HistoryEntry {
  return {
    sequence,
    editId: `edit-${sequence}`,
    kind: 'brush',
    material: 1,
    slices: [3, 3],
    changedVoxels: 10,
    at: '2026-11-22T09:00:00.000Z',
    undone: false,
    ...change,
  }
}

function change(sequence: number, part: Partial<LabelChange> = {}): LabelChange {
  return {
    volumeId: volume.id,
    sequence,
    editId: `edit-${sequence}`,
    changed: { start: [3, 0, 0], stop: [4, 5, 5] },
    changedVoxels: 10,
    counts: [0, 40, 10],
    canUndo: true,
    canRedo: false,
    newest: entry(sequence),
    historyLength: sequence,
    ...part,
  }
}

const volume = entryOf()
const list = (...entries: HistoryEntry[]): HistoryList => ({ entries, more: false })

describe('the history after a change', () => {
  test('a stroke goes to the front', () => {
    const { history, isComplete } = afterChange(list(entry(1)), change(2), null)
    expect(history.entries.map(({ sequence }) => sequence)).toEqual([2, 1])
    expect(isComplete).toBe(true)
  })

  test('undo and redo mark one step each, newest first and oldest first', () => {
    const undo = { editId: null, newest: entry(3) }
    const once = afterChange(list(entry(3), entry(2), entry(1)), change(4, undo), { kind: 'undo' }).history
    const twice = afterChange(once, change(5, undo), { kind: 'undo' }).history
    expect(twice.entries.map(({ undone }) => undone)).toEqual([true, true, false])
    const redone = afterChange(twice, change(6, undo), { kind: 'redo' })
    expect(redone.history.entries.map(({ undone }) => undone)).toEqual([true, false, false])
    expect(redone.isComplete).toBe(false)
  })

  test('going to a step undoes what is newer and redoes what is older', () => {
    const entries = [entry(3), entry(2, { undone: true }), entry(1, { undone: true })]
    const { history } = afterChange(list(...entries), change(4, { editId: null }), {
      kind: 'go-to',
      sequence: 2,
    })
    expect(history.entries.map(({ undone }) => undone)).toEqual([true, false, false])
  })

  test('a stroke after undo takes the place of what was undone; the list is read again', () => {
    const { history, isComplete } = afterChange(
      list(entry(3, { undone: true }), entry(2), entry(1)),
      change(5),
      null,
    )
    expect(history.entries.map(({ sequence }) => sequence)).toEqual([5, 2, 1])
    expect(isComplete).toBe(false)
  })

  test('after 10 000 strokes the list is no longer than what is kept', () => {
    let history = list()
    for (let sequence = 1; sequence <= 10_000; sequence++)
      history = afterChange(history, change(sequence), null).history
    expect(history.entries).toHaveLength(2000)
    expect(history.entries.at(0)?.sequence).toBe(10_000)
    expect(history.more).toBe(true)
  })
})

describe('counts for people', () => {
  const materials = projectOf().materials

  test('shares are of all labels', () => {
    // 30 + 10 of 40 labelled voxels; the third has none.
    expect(labelShares(materials, [0, 30, 10, 0]).map(({ share }) => share)).toEqual([0.75, 0.25])
  })

  test('a material with far fewer labels is named with the factor', () => {
    expect(fewerLabels(materials, [0, 400, 380, 100])).toMatchObject({
      material: { name: 'CBD' },
      most: { name: 'Pore' },
      times: 4,
    })
    expect(fewerLabels(materials, [0, 400, 380, 200])).toBeNull()
    expect(fewerLabels(materials, [0, 400])).toBeNull()
  })

  test('nearly all never looks like all', () => {
    expect(percentText(0.9995)).toBe('99.95\u00a0%')
    expect(percentText(0.9999999)).toBe('>\u00a099.99\u00a0%')
    expect(percentText(1)).toBe('100\u00a0%')
    expect(percentText(0.0000001)).toBe('<\u00a00.01\u00a0%')
  })
})

describe('stores over a data process', () => {
  let fake: FakeApi
  beforeEach(async () => {
    let state = projectOf({ volumes: [volume] })
    const services = createFakeServices({ project: state, settings: {}, sources: new Map() }, (project) =>
      fake.emit('data', 'projects', 'changed', project),
    )
    services.data.projects.updateMaterial = ({ index, change: part }) => {
      const materials = state.materials.map((material) =>
        material.index === index ? { ...material, ...(part as Partial<ProjectMaterial>) } : material,
      )
      state = { ...state, materials }
      fake.emit('data', 'projects', 'changed', state)
      return state
    }
    fake = createFakeApi(services)
    const pinia = createPinia()
    setActivePinia(pinia)
    provideApi(pinia, fake.api)
    const project = useProjectStore()
    project.start()
    await project.refresh()
  })

  function stateOf(part: Partial<LabelState> = {}): LabelState {
    return {
      ...change(1),
      labelledSlices: Uint32Array.of(3, 8, 9, 20),
      sliceMaterials: Uint32Array.of(0b010, 0b110, 0b010, 0b100),
      versions: [],
      journal: { state: 'ok', message: null, lastWrittenAt: null },
      recovered: null,
      ...part,
    }
  }

  test('the active material is the first until another is chosen, and again when that one is removed', async () => {
    const materials = useMaterialsStore()
    expect(materials.active?.name).toBe('Pore')
    materials.choose(3)
    expect(materials.active?.name).toBe('CBD')
    await materials.remove(3)
    expect(materials.active?.name).toBe('Pore')
    expect(materials.styles.find(({ index }) => index === 3)?.visible).toBe(false)
    const undo = useNoticesStore().notices.at(0)?.actions.at(0)
    await undo?.run()
    expect(materials.active?.name).toBe('CBD')
  })

  test('moving a material changes its place only', async () => {
    const materials = useMaterialsStore()
    await materials.move(3, -2)
    expect(fake.calls.at(-1)).toEqual({
      method: 'data.projects.orderMaterials',
      request: { indices: [3, 1, 2] },
    })
    // At the end of the list there is nowhere to go.
    fake.calls.length = 0
    await materials.move(materials.materials.at(-1)?.index ?? 0, 1)
    expect(fake.calls).toEqual([])
  })

  test('labelled slices are found in both directions, gaps on either side', async () => {
    const labels = useLabelsStore()
    await labels.opened(stateOf())
    expect([labels.labelledSliceFrom(8, 1), labels.labelledSliceFrom(8, -1)]).toEqual([9, 3])
    expect(labels.labelledSliceFrom(20, 1)).toBeNull()
    expect(labels.slicesToInterpolate(5)).toEqual({ from: 3, to: 8 })
    // Labelled itself: the gap that follows, at the end the one before.
    expect(labels.slicesToInterpolate(8)).toEqual({ from: 9, to: 20 })
    expect(labels.slicesToInterpolate(20)).toEqual({ from: 9, to: 20 })
    expect(labels.slicesToInterpolate(30)).toBeNull()
    expect(firstSliceWith(2, labels.facts)).toBe(8)
  })

  test('a stroke on a slice that has the material asks for no list again, many others ask once', async () => {
    vi.useFakeTimers()
    const labels = useLabelsStore()
    await labels.opened(stateOf())
    fake.calls.length = 0
    for (let sequence = 2; sequence < 50; sequence++) labels.changed(change(sequence), null)
    await vi.advanceTimersByTimeAsync(1000)
    expect(fake.calls).toEqual([])
    for (let sequence = 50; sequence < 100; sequence++)
      labels.changed(change(sequence, { changed: { start: [12, 0, 0], stop: [13, 5, 5] } }), null)
    await vi.advanceTimersByTimeAsync(1000)
    expect(fake.calls.map(({ method }) => method)).toEqual(['data.labels.labelledSlices'])
    vi.useRealTimers()
  })

  test('changes of another volume change nothing', async () => {
    const labels = useLabelsStore()
    await labels.opened(stateOf())
    labels.changed({ ...change(2), volumeId: '11111111-1111-4111-8111-111111111111', counts: [0, 999] }, null)
    expect(labels.labelledVoxels).toBe(50)
  })
})
