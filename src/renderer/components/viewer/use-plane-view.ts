import { onBeforeUnmount, onMounted, ref, shallowRef, watch, type Ref, type ShallowRef } from 'vue'
import type { PlaneAxis } from '../../../shared/annotation/edit.ts'
import type { PlaneData } from '../../../shared/contract/volumes.ts'
import type { PlaneCamera, ViewportSize } from '../../viewer/camera.ts'
import type { PlaneGeometry } from '../../viewer/geometry.ts'
import type {
  DisplayOptions,
  GreyPlaneSource,
  LabelPlaneSource,
  MaterialStyle,
} from '../../viewer/interfaces.ts'
import { levelFor } from '../../viewer/level.ts'
import { PlaneLoader, type PlaneLoadState } from '../../viewer/plane-loader.ts'
import { PlaneView } from '../../viewer/plane-view.ts'

/** What a plane view needs, as it is now; read inside watchers. */
export interface PlaneViewOptions {
  canvas: Readonly<ShallowRef<HTMLCanvasElement | null>>
  axis: () => PlaneAxis
  index: () => number
  geometry: () => PlaneGeometry
  /** `null` until the owner knows the size. */
  camera: () => PlaneCamera | null
  display: () => DisplayOptions
  materials: () => readonly MaterialStyle[]
  grey: () => GreyPlaneSource
  labels: () => LabelPlaneSource | null
  onResize: (size: ViewportSize) => void
  onGrey: (data: PlaneData) => void
}

export interface PlaneViewBinding {
  /** `null` before mounting and where WebGL 2 is not to be had. */
  view: Readonly<ShallowRef<PlaneView | null>>
  size: Readonly<Ref<ViewportSize>>
  devicePixelRatio: Readonly<Ref<number>>
  state: Readonly<ShallowRef<PlaneLoadState | null>>
  retry: () => void
}

/** Keeps a `PlaneView` and its loader in step with what a component is given; frees both with it. */
export function usePlaneView(options: PlaneViewOptions): PlaneViewBinding {
  const view = shallowRef<PlaneView | null>(null)
  const size = ref<ViewportSize>({ width: 0, height: 0 })
  const devicePixelRatio = ref(window.devicePixelRatio)
  const state = shallowRef<PlaneLoadState | null>(null)
  let loader: PlaneLoader | null = null
  let observer: ResizeObserver | null = null

  function measure(): void {
    const canvas = options.canvas.value
    if (canvas === null) return
    devicePixelRatio.value = window.devicePixelRatio
    const { clientWidth: width, clientHeight: height } = canvas
    if (width === 0 || height === 0) return
    view.value?.setSize({ width, height }, devicePixelRatio.value)
    if (width === size.value.width && height === size.value.height) return
    size.value = { width, height }
    options.onResize(size.value)
  }

  function load(): void {
    const camera = options.camera()
    if (loader === null || camera === null) return
    loader.show(
      { axis: options.axis(), index: options.index() },
      levelFor(camera, options.geometry(), devicePixelRatio.value),
    )
  }

  onMounted(() => {
    const canvas = options.canvas.value
    if (canvas === null) return
    try {
      view.value = new PlaneView(canvas)
    } catch (error) {
      state.value = { kind: 'failed', error }
      return
    }
    const target = view.value
    loader = new PlaneLoader(
      {
        showGrey(data) {
          target.showGrey(data)
          if (data !== null) options.onGrey(data)
        },
        showLabels: (labels) => target.showLabels(labels),
        updateLabels: (rectangle) => target.updateLabels(rectangle),
      },
      (next) => (state.value = next),
    )
    target.setGeometry(options.geometry())
    target.setMaterials(options.materials())
    target.setDisplay(options.display())
    loader.setSources(options.grey(), options.labels())
    observer = new ResizeObserver(measure)
    observer.observe(canvas)
    window.addEventListener('resize', measure)
    measure()
    applyCamera()
  })

  onBeforeUnmount(() => {
    window.removeEventListener('resize', measure)
    observer?.disconnect()
    loader?.dispose()
    view.value?.dispose()
    loader = null
    view.value = null
  })

  function applyCamera(): void {
    const camera = options.camera()
    if (camera !== null) view.value?.setCamera(camera)
    load()
  }

  watch(options.geometry, (geometry) => {
    view.value?.setGeometry(geometry)
    load()
  })
  // The canvas is drawn in the next frame in any case; what leads there need not wait for the component to be patched.
  watch([options.camera, options.axis, options.index, devicePixelRatio], applyCamera, { flush: 'sync' })
  watch(options.display, (display) => view.value?.setDisplay(display), { flush: 'sync' })
  watch(options.materials, (materials) => view.value?.setMaterials(materials))
  watch([options.grey, options.labels], ([grey, labels]) => loader?.setSources(grey, labels))

  return { view, size, devicePixelRatio, state, retry: () => loader?.retry() }
}
