import { mount, type VueWrapper } from '@vue/test-utils'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { nextTick } from 'vue'
import type { GreyHistogram, PlaneData } from '../../../src/shared/contract/volumes.ts'
import { badInput } from '../../../src/shared/errors.ts'
import LinkedPlanes from '../../../src/renderer/components/viewer/LinkedPlanes.vue'
import PlaneViewport from '../../../src/renderer/components/viewer/PlaneViewport.vue'
import WindowPanel from '../../../src/renderer/components/viewer/WindowPanel.vue'
import type { ViewedVolume, VolumeView } from '../../../src/renderer/components/viewer/types.ts'
import { initialView } from '../../../src/renderer/stores/view.ts'
import type { DisplayOptions, GreyPlaneSource } from '../../../src/renderer/viewer/interfaces.ts'

/** The canvas is tested on real WebGL 2 in tests/gl; here it only counts what it is told. */
const views = vi.hoisted(() => ({
  made: [] as { disposed: boolean; display: unknown; camera: unknown }[],
  refuse: false,
}))
vi.mock('../../../src/renderer/viewer/plane-view.ts', () => ({
  PlaneView: class {
    disposed = false
    display: unknown = null
    camera: unknown = null
    hasDirtyLabels = false
    constructor() {
      if (views.refuse) throw new Error('WebGL 2 is not available')
      views.made.push(this)
    }
    setGeometry(): void {}
    setSize(): void {}
    setMaterials(): void {}
    showGrey(): void {}
    showLabels(): void {}
    updateLabels(): void {}
    setDisplay(display: unknown): void {
      this.display = display
    }
    setCamera(camera: unknown): void {
      this.camera = camera
    }
    greyAt(): { value: number; level: number } {
      return { value: 22_460, level: 0 }
    }
    labelAt(): number {
      return 3
    }
    dispose(): void {
      this.disposed = true
    }
  },
}))

const volume: ViewedVolume = {
  id: 'v',
  name: 'NMC811',
  shape: [768, 1536, 1200],
  dtype: 'uint16',
  voxelSize: { z: 65, y: 65, x: 65, unit: 'nm' },
}
const display: DisplayOptions = {
  window: { low: 0, high: 65_535 },
  colourMap: 'grey',
  overlay: { visible: true, opacity: 0.62, style: 'fill-and-outline' },
}

function greySource(load?: GreyPlaneSource['load']): GreyPlaneSource {
  return { load: load ?? (() => new Promise(() => undefined)), onBetter: () => () => undefined }
}

beforeEach(() => {
  views.made.length = 0
  views.refuse = false
  vi.spyOn(HTMLElement.prototype, 'clientWidth', 'get').mockReturnValue(600)
  vi.spyOn(HTMLElement.prototype, 'clientHeight', 'get').mockReturnValue(400)
})
afterEach(() => vi.restoreAllMocks())

const flush = async (): Promise<void> => {
  await new Promise((resolve) => setTimeout(resolve, 40))
  await nextTick()
}

describe('PlaneViewport', () => {
  const open = (props: Record<string, unknown> = {}): VueWrapper =>
    mount(PlaneViewport, {
      attachTo: document.body,
      props: {
        volume,
        axis: 'z',
        index: 308,
        camera: { zoom: 0.5, row: 767.5, column: 599.5 },
        display,
        grey: greySource(),
        ...props,
      },
    })

  it('says which plane, which slice, how large, and draws a bar of the right length', async () => {
    const wrapper = open()
    await nextTick()
    expect(wrapper.find('.vpc.tl').text().replace(/\s+/g, '')).toBe('XYz308/767')
    expect(wrapper.find('.vpc.tr').text()).toContain('50\u00a0%')
    expect(wrapper.find('.vpc.tr').text()).toContain('1\u00a0px = 2.00\u00a0vx')
    // 0.5 px per 0.065 µm = 7.69 px per µm; at most 160 px: 20 µm = 153.8 px.
    const bar = wrapper.find<HTMLElement>('.scalebar')
    expect(bar.text()).toBe('20\u00a0µm')
    expect(Number.parseFloat(bar.element.style.width)).toBeCloseTo(153.8, 1)
    expect(wrapper.attributes('aria-label')).toBe('XY plane of NMC811, z 308 of 767')
    wrapper.unmount()
    expect(views.made.every(({ disposed }) => disposed)).toBe(true)
  })

  it('shows no bar without a voxel size, and only name, slice and bar when small', async () => {
    const unknown = open({ volume: { ...volume, voxelSize: null } })
    expect(unknown.find('.scalebar').exists()).toBe(false)
    unknown.unmount()
    const small = open({ compact: true })
    await nextTick()
    expect(small.find('.vpc.tr').exists()).toBe(false)
    expect(small.find('[role=slider]').exists()).toBe(false)
    expect(small.find('.scalebar').exists()).toBe(true)
    small.unmount()
  })

  it('goes through slices with keys, within the volume', async () => {
    const wrapper = open({ index: 766 })
    await wrapper.trigger('keydown', { key: 'ArrowDown' })
    await wrapper.trigger('keydown', { key: 'ArrowDown', shiftKey: true })
    await wrapper.trigger('keydown', { key: 'ArrowUp', shiftKey: true })
    expect(wrapper.emitted('update:index')).toEqual([[767], [767], [756]])
    await wrapper.setProps({ still: true })
    await wrapper.trigger('keydown', { key: 'ArrowUp' })
    expect(wrapper.emitted('update:index')).toHaveLength(3)
    wrapper.unmount()
  })

  it('holds the overlay off from key down to key up, and lets go when the focus leaves', async () => {
    const wrapper = open()
    await wrapper.trigger('keydown', { key: 'o' })
    await wrapper.trigger('keydown', { key: 'o', repeat: true })
    await wrapper.trigger('keyup', { key: 'o' })
    await wrapper.trigger('keydown', { key: 'o' })
    await wrapper.trigger('blur')
    expect(wrapper.emitted('holdOverlay')).toEqual([[true], [false], [true], [false]])
    wrapper.unmount()
  })

  it('leaves keys alone that are not its own', async () => {
    const wrapper = open()
    const seen = vi.fn()
    document.body.addEventListener('keydown', seen)
    await wrapper.trigger('keydown', { key: 'b' })
    await wrapper.trigger('keydown', { key: 'a' })
    await wrapper.trigger('keydown', { key: 'a', ctrlKey: true })
    document.body.removeEventListener('keydown', seen)
    expect(wrapper.emitted('autoWindow')).toEqual([['volume']])
    expect(
      seen.mock.calls.map(([event]) => [(event as KeyboardEvent).key, (event as KeyboardEvent).ctrlKey]),
    ).toEqual([
      ['b', false],
      ['a', true],
    ])
    wrapper.unmount()
  })

  it('names the file when a slice cannot be read, and tries again', async () => {
    const load = vi
      .fn<GreyPlaneSource['load']>()
      .mockRejectedValue(badInput('slice_0308.tif', 'a whole strip', 'half'))
    const wrapper = open({ grey: greySource(load) })
    await flush()
    expect(wrapper.find('[role=alert]').text()).toContain('slice_0308.tif')
    await wrapper.find('[role=alert] button').trigger('click')
    expect(load).toHaveBeenCalledTimes(2)
    wrapper.unmount()
  })

  it('says so where there is no WebGL 2', async () => {
    views.refuse = true
    const wrapper = open()
    await nextTick()
    expect(wrapper.find('[role=alert]').text()).toContain('WebGL 2')
    wrapper.unmount()
  })
})

describe('LinkedPlanes', () => {
  function open(view: VolumeView, props: Record<string, unknown> = {}): VueWrapper {
    const wrapper: VueWrapper = mount(LinkedPlanes, {
      attachTo: document.body,
      props: {
        volume,
        grey: greySource(),
        labelledSlices: [10, 308, 500],
        view,
        'onUpdate:view': (next: VolumeView) => wrapper.setProps({ view: next }),
        'onUpdate:activeAxis': (next: string) => wrapper.setProps({ activeAxis: next }),
        'onUpdate:overlay': (next: unknown) => wrapper.setProps({ overlay: next }),
        ...props,
      },
    })
    return wrapper
  }
  const names = (wrapper: VueWrapper): string[] => wrapper.findAll('.vpc.tl b').map((name) => name.text())

  it('shows one large plane and two small ones, four cells or one', async () => {
    const wrapper = open(initialView(volume.shape))
    expect(names(wrapper)).toEqual(['XY', 'XZ', 'YZ'])
    expect(wrapper.findAll('[role=slider]')).toHaveLength(1)
    await wrapper.setProps({ layout: 'grid' })
    expect(names(wrapper)).toEqual(['XY', 'XZ', 'YZ'])
    expect(wrapper.find('[aria-label="Under the pointer"]').exists()).toBe(true)
    await wrapper.setProps({ layout: 'single' })
    expect(names(wrapper)).toEqual(['XY'])
    wrapper.unmount()
    expect(views.made.every(({ disposed }) => disposed)).toBe(true)
  })

  it('draws all planes at one scale', async () => {
    const wrapper = open(initialView(volume.shape))
    await nextTick()
    const zooms = views.made.map(({ camera }) => (camera as { zoom: number }).zoom)
    // 1200 × 1536 voxels in 600 × 400 px: 98 % of 400 / 1536.
    expect(zooms).toEqual([0.98 * (400 / 1536), 0.98 * (400 / 1536), 0.98 * (400 / 1536)])
    wrapper.unmount()
  })

  it('jumps between labelled slices and goes to the next plane', async () => {
    const wrapper = open(initialView(volume.shape))
    const large = (): ReturnType<typeof wrapper.find> => wrapper.find('.plane-viewport.active')
    expect(wrapper.find('.vpc.tl').text()).toContain('384')
    await large().trigger('keydown', { key: 'PageUp' })
    expect(wrapper.find('.vpc.tl').text()).toContain('308')
    await large().trigger('keydown', { key: 'PageDown' })
    expect(wrapper.find('.vpc.tl').text()).toContain('500')
    await large().trigger('keydown', { key: 'x' })
    expect(names(wrapper)).toEqual(['XZ', 'XY', 'YZ'])
    wrapper.unmount()
  })

  it('takes limits from the first plane until those of the volume are known', async () => {
    const plane: PlaneData = {
      axis: 'z',
      index: 384,
      level: 2,
      shape: [1, 2000],
      dtype: 'uint16',
      data: Uint16Array.from({ length: 2000 }, (_, at) => 1000 + at),
      coverage: 1,
    }
    const wrapper = open(initialView(volume.shape), {
      grey: greySource((_plane, _level, show) => {
        show(plane)
        return Promise.resolve()
      }),
    })
    await flush()
    const shown = (): DisplayOptions['window'] => (views.made[0].display as DisplayOptions).window
    expect(shown().low).toBeCloseTo(1001, -1)
    expect(shown().high).toBeCloseTo(2998, -1)
    await wrapper.setProps({ view: { ...initialView(volume.shape), window: { low: 5, high: 6 } } })
    expect(shown()).toEqual({ low: 5, high: 6 })
    wrapper.unmount()
  })

  it('offers its keys to a workspace that takes them for the whole window', async () => {
    const wrapper = open(initialView(volume.shape))
    const handle = wrapper.vm as unknown as {
      handleKey: (event: KeyboardEvent) => boolean
      holdOverlay: (held: boolean) => void
    }
    expect(handle.handleKey(new KeyboardEvent('keydown', { key: 'ArrowDown' }))).toBe(true)
    expect(handle.handleKey(new KeyboardEvent('keydown', { key: 'b' }))).toBe(false)
    await nextTick()
    expect(wrapper.find('.vpc.tl').text()).toContain('385')
    handle.holdOverlay(true)
    await nextTick()
    expect((views.made[0].display as DisplayOptions).overlay.visible).toBe(false)
    wrapper.unmount()
  })
})

describe('WindowPanel', () => {
  const histogram: GreyHistogram = {
    counts: new Uint32Array(256).fill(1),
    low: 0,
    high: 1000,
    min: 0,
    max: 1000,
    mean: 500,
    autoLow: 10,
    autoHigh: 990,
    saturated: 0,
    sampledSlices: 12,
    sliceMeans: new Float64Array(12),
    slicePositions: new Uint32Array(12),
  }
  const open = (props: Record<string, unknown> = {}): VueWrapper =>
    mount(WindowPanel, {
      attachTo: document.body,
      props: { histogram, dtype: 'uint16', limits: { low: 100, high: 900 }, colourMap: 'grey', ...props },
    })

  it('moves limits with keys, and neither passes the other', async () => {
    const wrapper = open()
    const [low] = wrapper.findAll('.limit')
    await low.trigger('keydown', { key: 'ArrowRight' })
    await low.trigger('keydown', { key: 'ArrowLeft', shiftKey: true })
    expect(wrapper.emitted('update:limits')).toEqual([[{ low: 101, high: 900 }], [{ low: 91, high: 900 }]])
    await wrapper.setProps({ limits: { low: 899, high: 900 } })
    await low.trigger('keydown', { key: 'ArrowRight', shiftKey: true })
    expect(wrapper.emitted('update:limits')!.at(-1)).toEqual([{ low: 899, high: 900 }])
    wrapper.unmount()
  })

  it('asks for automatic limits by button and by double click', async () => {
    const wrapper = open()
    await wrapper.find('.acts button').trigger('click')
    await wrapper.find('.limits-chart').trigger('dblclick')
    expect(wrapper.emitted('autoWindow')).toEqual([['volume'], ['volume']])
    wrapper.unmount()
  })

  it('says that grey values are being counted', () => {
    const wrapper = open({ histogram: null, limits: null })
    expect(wrapper.text()).toContain('Counting grey values')
    wrapper.unmount()
  })
})
