/// <reference types="vite/client" />
import '../../../src/renderer/styles/index.css'
import { createApp, h, ref, shallowRef } from 'vue'
import type { Plane, Rectangle } from '../../../src/shared/annotation/edit.ts'
import type { PlaneData } from '../../../src/shared/contract/volumes.ts'
import type { Shape3 } from '../../../src/shared/volume.ts'
import LinkedPlanes from '../../../src/renderer/components/viewer/LinkedPlanes.vue'
import type {
  OverlayOptions,
  PlaneLayout,
  PlaneProbe,
  VolumeView,
} from '../../../src/renderer/components/viewer/types.ts'
import { initialView } from '../../../src/renderer/stores/view.ts'
import { planeGeometry } from '../../../src/renderer/viewer/geometry.ts'
import { GreyPlanes } from '../../../src/renderer/viewer/grey-planes.ts'
import type {
  LabelPlaneSource,
  PlanePointerEvent,
  PointerTool,
} from '../../../src/renderer/viewer/interfaces.ts'

/** A volume that is computed where it is looked at: stripes along each axis, so that a wrong row or column shows. */
export interface LinkedPageOptions {
  shape: Shape3
  layout?: PlaneLayout
  /** Radius of the brush in voxels; none = inspecting. */
  brush?: number
}

export interface LinkedPage {
  view: () => VolumeView
  probe: () => PlaneProbe | null
  /** Everything the tool was told. */
  events: { type: string; plane: Plane; points: number[]; inside: boolean }[]
  brushSteps: number[]
  requests: { axis: string; index: number; level: number; quick: boolean }[]
  overlay: () => OverlayOptions
  /** Milliseconds since the last plane was read; 0 while one is being read or none was. */
  idleSince: () => number
  autoWindow: string[]
  setLayout(layout: PlaneLayout): void
  labels: (plane: Plane) => Uint8Array
}

declare global {
  interface Window {
    openLinked: (options: LinkedPageOptions) => void
    linked: LinkedPage
  }
}

const voxelSize = { z: 0.13, y: 0.065, x: 0.065, unit: 'um' } as const

function greyAt(z: number, y: number, x: number): number {
  const disc = Math.hypot((x % 240) - 120, (y % 240) - 120, 2 * ((z % 120) - 60)) < 90
  return (disc ? 42_000 : 12_000) + ((x * 7 + y * 13 + z * 29) % 2000)
}

window.openLinked = ({ shape, layout = 'large', brush }) => {
  const volume = { id: 'test', name: 'Test volume', shape, dtype: 'uint16', voxelSize } as const
  const requests: LinkedPage['requests'] = []
  let reading = 0
  let readAt: number | null = null
  const grey = new GreyPlanes({
    volumeId: 'test',
    shape,
    async readPlane({ axis, index, level, quick }, { signal }) {
      requests.push({ axis, index, level, quick })
      reading++
      await new Promise((resolve) => setTimeout(resolve, quick ? 1 : 5))
      reading--
      readAt = performance.now()
      signal.throwIfAborted()
      const { rows, columns } = planeGeometry(shape, null, axis)
      const step = 2 ** level
      const extent: [number, number] = [Math.ceil(rows / step), Math.ceil(columns / step)]
      const data = new Uint16Array(extent[0] * extent[1])
      for (let row = 0; row < extent[0]; row++)
        for (let column = 0; column < extent[1]; column++) {
          const r = row * step
          const c = column * step
          data[row * extent[1] + column] =
            axis === 'z' ? greyAt(index, r, c) : axis === 'y' ? greyAt(r, index, c) : greyAt(r, c, index)
        }
      const plane: PlaneData = { axis, index, level, shape: extent, dtype: 'uint16', data, coverage: 1 }
      return plane
    },
  })

  const planes = new Map<string, Uint8Array>()
  const labelsOf = (plane: Plane): Uint8Array => {
    const key = `${plane.axis}/${plane.index}`
    const { rows, columns } = planeGeometry(shape, null, plane.axis)
    const known = planes.get(key) ?? new Uint8Array(rows * columns)
    planes.set(key, known)
    return known
  }
  const changed = new Set<(plane: Plane, rectangle: Rectangle) => void>()
  const labels: LabelPlaneSource = {
    load: (plane) => Promise.resolve(labelsOf(plane)),
    onChanged(listener) {
      changed.add(listener)
      return () => changed.delete(listener)
    },
    onReset: () => () => undefined,
  }

  const events: LinkedPage['events'] = []
  let down = false
  const tool: PointerTool | null =
    brush === undefined
      ? null
      : {
          cursor: { radius: brush, shape: 'round' },
          sketch: null,
          onLookChanged: () => () => undefined,
          handle(event: PlanePointerEvent) {
            events.push({
              type: event.type,
              plane: event.plane,
              points: [...event.points],
              inside: event.inside,
            })
            if (event.type === 'down') down = true
            if (down) {
              const { rows, columns } = planeGeometry(shape, null, event.plane.axis)
              const data = labelsOf(event.plane)
              for (let at = 0; at < event.points.length; at += 2) {
                const row = Math.round(event.points[at] ?? 0)
                const column = Math.round(event.points[at + 1] ?? 0)
                const rectangle = {
                  top: Math.max(0, row - brush),
                  left: Math.max(0, column - brush),
                  bottom: Math.min(rows, row + brush + 1),
                  right: Math.min(columns, column + brush + 1),
                }
                for (let y = rectangle.top; y < rectangle.bottom; y++)
                  for (let x = rectangle.left; x < rectangle.right; x++)
                    if ((y - row) ** 2 + (x - column) ** 2 <= brush ** 2) data[y * columns + x] = 2
                for (const listener of changed) listener(event.plane, rectangle)
              }
            }
            if (event.type === 'up' || event.type === 'cancel') down = false
          },
        }

  const view = shallowRef<VolumeView>(initialView(shape))
  const overlay = ref<OverlayOptions>({ visible: true, opacity: 0.62, style: 'fill-and-outline' })
  const shownLayout = ref<PlaneLayout>(layout)
  const activeAxis = ref<'z' | 'y' | 'x'>('z')
  const probe = shallowRef<PlaneProbe | null>(null)
  const brushSteps: number[] = []
  const autoWindow: string[] = []
  const materials = [
    { index: 1, colour: '#56b4e9', name: 'Pore', visible: true },
    { index: 2, colour: '#e69f00', name: 'NMC', visible: true },
  ]
  window.linked = {
    view: () => view.value,
    probe: () => probe.value,
    events,
    brushSteps,
    requests,
    overlay: () => overlay.value,
    idleSince: () => (reading > 0 || readAt === null ? 0 : performance.now() - readAt),
    autoWindow,
    setLayout: (next) => (shownLayout.value = next),
    labels: labelsOf,
  }
  createApp({
    render: () =>
      h(LinkedPlanes, {
        volume,
        grey,
        labels,
        materials,
        tool,
        layout: shownLayout.value,
        labelledSlices: [3, 20, Math.floor(shape[0] / 2)],
        view: view.value,
        'onUpdate:view': (next: VolumeView) => (view.value = next),
        activeAxis: activeAxis.value,
        'onUpdate:activeAxis': (next: 'z' | 'y' | 'x') => (activeAxis.value = next),
        overlay: overlay.value,
        'onUpdate:overlay': (next: OverlayOptions) => (overlay.value = next),
        onProbe: (next: PlaneProbe | null) => (probe.value = next),
        onResizeBrush: (steps: number) => brushSteps.push(steps),
        onAutoWindow: (scope: string) => autoWindow.push(scope),
      }),
  }).mount('#app')
}
