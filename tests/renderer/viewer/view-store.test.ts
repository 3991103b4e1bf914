import { createPinia, setActivePinia } from 'pinia'
import { beforeEach, describe, expect, it } from 'vitest'
import {
  fitPlane,
  followCrosshair,
  moveCamera,
  resolveCameras,
} from '../../../src/renderer/components/viewer/linked-cameras.ts'
import { nextLabelled, planeKeyAction } from '../../../src/renderer/components/viewer/plane-keys.ts'
import { probeAt, worldText, zoomText } from '../../../src/renderer/components/viewer/plane-readout.ts'
import { initialView, useViewStore } from '../../../src/renderer/stores/view.ts'
import { planeGeometry } from '../../../src/renderer/viewer/geometry.ts'

const shape = [100, 200, 400] as const
const voxelSize = { z: 1, y: 1, x: 1, unit: 'um' } as const

describe('view store', () => {
  beforeEach(() => setActivePinia(createPinia()))

  it('starts in the middle with everything in sight', () => {
    expect(useViewStore().viewOf('a', shape)).toEqual({
      position: { z: 50, y: 100, x: 200 },
      cameras: { z: null, y: null, x: null },
      scaleLinked: true,
      window: null,
      colourMap: 'grey',
    })
  })

  it('remembers what is JSON and takes it over again', () => {
    const store = useViewStore()
    store.setView('a', { ...initialView(shape), position: { z: 3, y: 4, x: 5 }, window: { low: 1, high: 2 } })
    store.layout = 'grid'
    store.overlay = { visible: false, opacity: 0.3, style: 'outline' }
    const stored: unknown = JSON.parse(JSON.stringify(store.remembered()))
    setActivePinia(createPinia())
    const next = useViewStore()
    expect(next.restore(stored)).toBe(true)
    expect(next.viewOf('a', shape).position).toEqual({ z: 3, y: 4, x: 5 })
    expect(next.layout).toBe('grid')
    // Hidden labels after a restart would look like lost ones.
    expect(next.overlay).toEqual({ visible: true, opacity: 0.3, style: 'outline' })
  })

  it('refuses what it cannot read, as a whole', () => {
    const store = useViewStore()
    expect(store.restore({ version: 1, layout: 'circle' })).toBe(false)
    expect(store.restore(null)).toBe(false)
    expect(store.layout).toBe('large')
  })

  it('keeps positions inside a volume that has become smaller', () => {
    const store = useViewStore()
    store.setView('a', { ...initialView(shape), position: { z: 99, y: 199, x: 399 } })
    expect(store.viewOf('a', [10, 20, 30]).position).toEqual({ z: 9, y: 19, x: 29 })
  })

  it('forgets the volume not changed for longest', () => {
    const store = useViewStore()
    for (let at = 0; at < 250; at++) store.setView(String(at), { ...initialView(shape), colourMap: 'ice' })
    store.setView('60', initialView(shape))
    const kept = store.remembered().volumes.map(([id]) => id)
    expect(kept).toHaveLength(200)
    expect(kept.at(-1)).toBe('60')
    expect(kept).not.toContain('49')
  })
})

describe('linked cameras', () => {
  const size = { width: 400, height: 200 }
  const volume = { id: 'v', name: 'v', shape, dtype: 'uint8', voxelSize } as const
  const scene = {
    volume,
    view: initialView(shape),
    activeAxis: 'z',
    sizes: { z: size, y: { width: 100, height: 100 }, x: { width: 100, height: 100 } },
  } as const

  it('shows small planes at the scale of the large one, around the crosshair', () => {
    const cameras = resolveCameras(scene)
    expect(cameras.z).toEqual({ zoom: 0.98, row: 99.5, column: 199.5 })
    // 100 px show 102 voxels: z fits, x is centred on the crosshair.
    expect(cameras.y).toEqual({ zoom: 0.98, row: 49.5, column: 200 })
  })

  it('fits each plane by itself when scales are not linked', () => {
    const cameras = resolveCameras({ ...scene, view: { ...scene.view, scaleLinked: false } })
    expect(cameras.y!.zoom).toBeCloseTo(0.98 * 0.25)
  })

  it('gives a new scale to the large plane when a small one is zoomed', () => {
    const cameras = moveCamera(scene, 'y', { zoom: 2, row: 50, column: 200 })
    expect(cameras.y).toEqual({ zoom: 2, row: 50, column: 200 })
    expect(cameras.z!.zoom).toBeCloseTo(2)
    expect(cameras.x).toBeNull()
  })

  it('leaves the others alone when one is only panned', () => {
    const cameras = moveCamera(scene, 'z', { zoom: 0.98, row: 30, column: 40 })
    expect(cameras).toEqual({ z: { zoom: 0.98, row: 30, column: 40 }, y: null, x: null })
  })

  it('fits all through the large plane, one through a small one', () => {
    expect(fitPlane(scene, 'z')).toEqual({ z: null, y: null, x: null })
    expect(fitPlane(scene, 'y').y!.zoom).toBeCloseTo(0.245)
  })

  it('brings the crosshair back into planes that were panned away', () => {
    const away = { zoom: 4, row: 20, column: 20 }
    const view = { ...scene.view, cameras: { z: away, y: null, x: null } }
    const cameras = followCrosshair({ ...scene, view })
    // Crosshair (100, 200): it has to come to 24 px from the edges, which are 25 rows and 50 columns away.
    expect(cameras.z).toEqual({ zoom: 4, row: 100 - (100 - 24) / 4, column: 200 - (200 - 24) / 4 })
  })
})

describe('keys and readouts', () => {
  const press = (
    key: string,
    modifiers: Partial<Record<'shiftKey' | 'ctrlKey' | 'altKey' | 'metaKey', boolean>> = {},
  ): ReturnType<typeof planeKeyAction> =>
    planeKeyAction({ key, shiftKey: false, ctrlKey: false, altKey: false, metaKey: false, ...modifiers })

  it('knows the keys of a plane', () => {
    expect(press('ArrowUp')).toEqual({ kind: 'step', slices: -1 })
    expect(press('ArrowDown', { shiftKey: true })).toEqual({ kind: 'step', slices: 10 })
    expect(press('A', { shiftKey: true })).toEqual({ kind: 'auto-window', scope: 'slice' })
    expect(press('ArrowLeft', { altKey: true })).toEqual({ kind: 'pan', dx: 64, dy: 0 })
    expect(press('a', { ctrlKey: true })).toBeNull()
    expect(press('b')).toBeNull()
  })

  it('finds the nearest labelled slice in any order', () => {
    expect(nextLabelled([30, 3, 20], 20, 1)).toBe(30)
    expect(nextLabelled([30, 3, 20], 20, -1)).toBe(3)
    expect(nextLabelled([30, 3, 20], 30, 1)).toBeNull()
  })

  it('reads the voxel whose square holds the pointer', () => {
    const geometry = planeGeometry(shape, voxelSize, 'y')
    const view = { greyAt: () => ({ value: 7, level: 1 }), labelAt: () => 2 }
    const probe = probeAt({ row: 10.4, column: 19.6 }, { axis: 'y', index: 5 }, geometry, view)!
    expect(probe).toMatchObject({ voxel: { z: 10, y: 5, x: 20 }, grey: 7, level: 1, material: 2 })
    expect(worldText(probe, { z: 130, y: 65, x: 65, unit: 'nm' })).toBe('1.30, 0.33, 1.30\u00a0µm')
    expect(worldText(probe, null)).toBeNull()
    expect(probeAt({ row: -0.6, column: 0 }, { axis: 'y', index: 5 }, geometry, view)).toBeNull()
  })

  it('says the zoom both ways', () => {
    expect(zoomText(0.613)).toEqual({ percent: '61\u00a0%', ratio: '1\u00a0px = 1.63\u00a0vx' })
    expect(zoomText(4)).toEqual({ percent: '400\u00a0%', ratio: '1\u00a0vx = 4.00\u00a0px' })
  })
})
