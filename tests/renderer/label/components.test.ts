import { flushPromises, mount, type VueWrapper } from '@vue/test-utils'
import { createPinia, setActivePinia, type Pinia } from 'pinia'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { nextTick, ref, type Component } from 'vue'
import type { QueueState } from '../../../src/renderer/annotate/edit-queue.ts'
import { provideApi } from '../../../src/renderer/stores/api.ts'
import { useLabelsStore } from '../../../src/renderer/stores/labels.ts'
import { useMaterialsStore } from '../../../src/renderer/stores/materials.ts'
import { useProjectStore } from '../../../src/renderer/stores/project.ts'
import HistorySection from '../../../src/renderer/workspaces/label/HistorySection.vue'
import JournalNote from '../../../src/renderer/workspaces/label/JournalNote.vue'
import type { LabelActions } from '../../../src/renderer/workspaces/label/label-actions.ts'
import MaterialsSection from '../../../src/renderer/workspaces/label/MaterialsSection.vue'
import { createFakeApi, type FakeApi } from '../support/fake-api.ts'
import { createFakeServices, entryOf, projectOf } from '../support/fake-services.ts'

const volume = entryOf()
let fake: FakeApi
let pinia: Pinia
let wrapper: VueWrapper | null = null

function actionsOf(change: Partial<LabelActions> = {}): LabelActions {
  const naming = ref<LabelActions['naming']['value']>(null)
  return {
    naming,
    savingVersion: ref(false),
    importing: ref(false),
    exporting: ref(false),
    startNaming: (what) => (naming.value = what),
    endNaming: () => (naming.value = null),
    startSavingVersion: vi.fn(),
    setSavingVersion: vi.fn(),
    startImport: vi.fn(),
    setImporting: vi.fn(),
    startExport: vi.fn(),
    setExporting: vi.fn(),
    canUndo: () => true,
    canRedo: () => false,
    undo: vi.fn(),
    redo: vi.fn(),
    goToHistory: vi.fn(),
    interpolate: vi.fn(),
    copyFromPrevious: vi.fn(),
    clearSlice: vi.fn(),
    goToLabelled: vi.fn(),
    step: vi.fn(),
    nextPlane: vi.fn(),
    nextOverlayStyle: vi.fn(),
    saveVersion: () => Promise.resolve(),
    restoreVersion: vi.fn(),
    ...change,
  }
}

function show(component: Component, props: Record<string, unknown>): VueWrapper {
  wrapper = mount(component, { props, global: { plugins: [pinia] }, attachTo: document.body })
  return wrapper
}

beforeEach(async () => {
  const services = createFakeServices(
    { project: projectOf({ volumes: [volume] }), settings: {}, sources: new Map() },
    (project) => fake.emit('data', 'projects', 'changed', project),
  )
  fake = createFakeApi(services)
  pinia = createPinia()
  setActivePinia(pinia)
  provideApi(pinia, fake.api)
  const project = useProjectStore()
  project.start()
  await project.refresh()
  const counts = Array.from({ length: 256 }, () => 0)
  counts[1] = 412_806
  counts[2] = 386_120
  counts[3] = 96_442
  await useLabelsStore().opened({
    volumeId: volume.id,
    sequence: 0,
    editId: null,
    changed: null,
    changedVoxels: 0,
    counts,
    canUndo: false,
    canRedo: false,
    newest: null,
    historyLength: 10_000,
    labelledSlices: Uint32Array.of(308),
    sliceMaterials: Uint32Array.of(0b1000),
    versions: [],
    journal: { state: 'ok', message: null, lastWrittenAt: null },
    recovered: null,
  })
})

afterEach(() => {
  wrapper?.unmount()
  wrapper = null
})

describe('materials', () => {
  const props = () => ({ actions: actionsOf(), voxels: 64 * 80 * 48 * 1000, blocked: null })

  test('show what is labelled of each, thin spaces in thousands, and name the one with far fewer', () => {
    const section = show(MaterialsSection, props())
    expect(section.text()).toContain('412\u202F806')
    expect(section.text()).toContain('CBD has 4 × fewer labels than Pore')
  })

  test('go to the first slice of the one with fewer', async () => {
    const section = show(MaterialsSection, props())
    await section.get('button.link').trigger('click')
    expect(section.emitted('goToSlice')).toEqual([[308]])
  })

  test('a new one needs a name that is not there yet', async () => {
    const section = show(MaterialsSection, props())
    await section.get('[aria-label="Add a material"]').trigger('click')
    await flushPromises()
    const field = section.get('[aria-label="Name of the new material"]')
    await field.setValue('NMC')
    await field.trigger('keydown', { key: 'Enter' })
    expect(section.text()).toContain('NMC is there already')
    await field.setValue('Graphite')
    await field.trigger('keydown', { key: 'Enter' })
    await flushPromises()
    expect(useMaterialsStore().active?.name).toBe('Graphite')
  })

  test('choosing one leaves the eraser', async () => {
    const labels = useLabelsStore()
    labels.tool = 'eraser'
    const section = show(MaterialsSection, props())
    await section.findAll('button.name')[1]?.trigger('click')
    expect(labels.tool).toBe('brush')
    expect(useMaterialsStore().active?.name).toBe('NMC')
  })
})

describe('history', () => {
  test('10 000 steps are a handful of rows', async () => {
    const labels = useLabelsStore()
    labels.history = {
      entries: Array.from({ length: 10_000 }, (_, at) => ({
        sequence: 10_000 - at,
        editId: `edit-${at}`,
        kind: 'brush' as const,
        material: 3,
        slices: [308, 308] as [number, number],
        changedVoxels: 1204,
        at: '2026-11-22T09:00:00.000Z',
        undone: at === 0,
      })),
      more: true,
    }
    const goToHistory = vi.fn()
    const section = show(HistorySection, { actions: actionsOf({ goToHistory }), blocked: null })
    await nextTick()
    const rows = section.findAll('.rows li')
    expect(rows.length).toBeGreaterThan(3)
    expect(rows.length).toBeLessThan(60)
    expect(rows[1]?.text()).toContain('CBD z\u00A0308 · 1\u202F204\u00A0vx')
    expect(rows[0]?.text()).toContain('undone')
    expect(rows[1]?.get('button').attributes('aria-current')).toBe('step')
    await rows[1]?.get('button').trigger('click')
    expect(goToHistory).not.toHaveBeenCalled()
    await rows[3]?.get('button').trigger('click')
    expect(goToHistory).toHaveBeenCalledWith(9997)
  })
})

describe('the journal note', () => {
  const queueOf = (part: Partial<QueueState>): QueueState => ({
    waiting: 0,
    unwrittenEdits: 0,
    oldestQueuedAtMs: null,
    trouble: null,
    ...part,
  })

  test('is calm when all is well', () => {
    expect(show(JournalNote, { work: null }).text()).toBe(
      'Journalled. Each stroke is on disk before the next one starts. There is nothing to save.',
    )
  })

  test('says how many strokes wait when writing is slow', () => {
    useLabelsStore().queueChanged(
      queueOf({ waiting: 4, unwrittenEdits: 4, oldestQueuedAtMs: Date.now() - 5000 }),
    )
    expect(show(JournalNote, { work: null }).text()).toContain('Writing is slow: 4 strokes waiting.')
  })

  test('says at once that the disk is full, that nothing is lost, and how to go on', async () => {
    useLabelsStore().queueChanged(
      queueOf({
        waiting: 2,
        unwrittenEdits: 2,
        oldestQueuedAtMs: Date.now(),
        trouble: { kind: 'paused', tag: 'NoSpace', message: '/data/x/labels: the disk is full' },
      }),
    )
    const tryAgain = vi.fn()
    const note = show(JournalNote, { work: { session: { queue: { tryAgain } } } })
    const alert = note.get('[role=alert]')
    expect(alert.text()).toContain('/data/x/labels: the disk is full')
    expect(alert.text()).toContain('2 strokes waiting, kept and shown; nothing is lost.')
    await alert.get('button').trigger('click')
    expect(tryAgain).toHaveBeenCalledOnce()
    expect(note.text()).not.toContain('Give up')
  })

  test('only a refused stroke can be given up', async () => {
    useLabelsStore().queueChanged(
      queueOf({
        waiting: 1,
        unwrittenEdits: 1,
        oldestQueuedAtMs: Date.now(),
        trouble: { kind: 'refused', tag: 'BadInput', message: 'slice 900 does not exist' },
      }),
    )
    const discardFirst = vi.fn()
    const note = show(JournalNote, { work: { session: { queue: { discardFirst } } } })
    await note.findAll('button')[1]?.trigger('click')
    expect(discardFirst).toHaveBeenCalledOnce()
  })
})
