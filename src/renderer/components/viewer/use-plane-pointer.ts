import { onBeforeUnmount, onMounted, ref, type Ref, type ShallowRef } from 'vue'
import type { Plane } from '../../../shared/annotation/edit.ts'
import {
  isInsidePlane,
  panBy,
  screenToPlane,
  zoomAt,
  type PlaneCamera,
  type PlanePoint,
  type ScreenPoint,
  type ViewportSize,
} from '../../viewer/camera.ts'
import type { PlaneGeometry } from '../../viewer/geometry.ts'
import type { PlanePointerEvent, PointerTool } from '../../viewer/interfaces.ts'
import type { PlaneView } from '../../viewer/plane-view.ts'
import { WheelSteps, wheelPixels, wheelZoom } from '../../viewer/wheel.ts'
import { dragLimits, type WindowLimits } from '../../viewer/window.ts'
import { coarseStep } from './plane-keys.ts'

export interface PlanePointerOptions {
  /** Where events are listened for; its top left corner is that of the canvas. */
  surface: Readonly<ShallowRef<HTMLElement | null>>
  view: () => PlaneView | null
  plane: () => Plane
  geometry: () => PlaneGeometry
  camera: () => PlaneCamera | null
  size: () => ViewportSize
  limits: () => WindowLimits
  tool: () => PointerTool | null
  onCamera: (camera: PlaneCamera) => void
  onFit: () => void
  onStep: (slices: number) => void
  onBrush: (steps: number) => void
  onCrosshair: (point: PlanePoint) => void
  onLimits: (limits: WindowLimits) => void
  /** Position of the pointer on the surface; `null` when it left. Called for every event, before the tool. */
  onHover: (point: ScreenPoint | null) => void
}

type Drag =
  | { kind: 'tool' }
  | { kind: 'crosshair' }
  | { kind: 'pan'; last: ScreenPoint }
  | { kind: 'window'; from: ScreenPoint; limits: WindowLimits }

/** Mouse, pen and touch on a plane as ui.md §5 says. Returns what the pointer is doing, for cursors. */
export function usePlanePointer(options: PlanePointerOptions): {
  panning: Readonly<Ref<boolean>>
  /** `Space` is held over the plane. */
  panReady: Readonly<Ref<boolean>>
} {
  const panning = ref(false)
  const panReady = ref(false)
  let drag: (Drag & { pointerId: number }) | null = null
  let corner: ScreenPoint = { x: 0, y: 0 }
  /** Raw and coalesced events tell the same positions twice: what is not newer was seen already. */
  let seen = -Infinity
  const steps = new WheelSteps()
  const brushSteps = new WheelSteps()

  function locate(): void {
    const box = options.surface.value?.getBoundingClientRect()
    if (box !== undefined) corner = { x: box.left, y: box.top }
  }

  function at(event: { clientX: number; clientY: number }): ScreenPoint {
    return { x: event.clientX - corner.x, y: event.clientY - corner.y }
  }

  function onPlane(point: ScreenPoint): PlanePoint | null {
    const camera = options.camera()
    return camera === null ? null : screenToPlane(point, camera, options.size(), options.geometry())
  }

  function tell(type: PlanePointerEvent['type'], event: PointerEvent, pieces: readonly PointerEvent[]): void {
    const tool = options.tool()
    const camera = options.camera()
    if (tool === null || camera === null) return
    const { rowEdge, columnEdge } = options.geometry()
    const points = new Float32Array(2 * pieces.length)
    let inside = false
    for (const [piece, { clientX, clientY }] of pieces.entries()) {
      const point = onPlane(at({ clientX, clientY }))
      if (point === null) return
      points[2 * piece] = point.row
      points[2 * piece + 1] = point.column
      inside = isInsidePlane(point, options.geometry())
    }
    tool.handle({
      type,
      plane: options.plane(),
      points,
      inside,
      pixelsPerVoxel: { row: camera.zoom * rowEdge, column: camera.zoom * columnEdge },
      shift: event.shiftKey,
      control: event.ctrlKey || event.metaKey,
      alt: event.altKey,
      timeStamp: event.timeStamp,
    })
    const view = options.view()
    if (view?.hasDirtyLabels === true) view.drawForEvent(event.timeStamp)
  }

  /** The positions of a move that were not told yet, oldest first. */
  function piecesOf(event: PointerEvent): PointerEvent[] {
    const coalesced = event.getCoalescedEvents()
    const fresh = (coalesced.length > 0 ? coalesced : [event]).filter((piece) => piece.timeStamp > seen)
    seen = fresh.at(-1)?.timeStamp ?? seen
    return fresh
  }

  function placeCrosshair(point: ScreenPoint): void {
    const plane = onPlane(point)
    const { rows, columns } = options.geometry()
    if (plane === null) return
    options.onCrosshair({
      row: Math.min(Math.max(Math.round(plane.row), 0), rows - 1),
      column: Math.min(Math.max(Math.round(plane.column), 0), columns - 1),
    })
  }

  function onDown(event: PointerEvent): void {
    const surface = options.surface.value
    if (surface === null || drag !== null) return
    locate()
    const point = at(event)
    const started = dragFor(event, point)
    if (started === null) return
    surface.focus({ preventScroll: true })
    surface.setPointerCapture(event.pointerId)
    drag = { ...started, pointerId: event.pointerId }
    panning.value = started.kind === 'pan'
    seen = event.timeStamp
    options.onHover(point)
    if (started.kind === 'tool') tell('down', event, [event])
    if (started.kind === 'crosshair') placeCrosshair(point)
    // Middle button: no automatic scrolling.
    if (event.button === 1) event.preventDefault()
  }

  function dragFor(event: PointerEvent, point: ScreenPoint): Drag | null {
    if (event.button === 1) return { kind: 'pan', last: point }
    if (event.button === 2) return { kind: 'window', from: point, limits: options.limits() }
    if (event.button !== 0) return null
    if (panReady.value) return { kind: 'pan', last: point }
    if (event.ctrlKey || event.metaKey || options.tool() === null) return { kind: 'crosshair' }
    return { kind: 'tool' }
  }

  function onMove(event: PointerEvent): void {
    if (drag !== null && event.pointerId !== drag.pointerId) return
    const point = at(event)
    options.onHover(point)
    if (drag === null || drag.kind === 'tool') {
      const pieces = piecesOf(event)
      if (pieces.length > 0) tell('move', event, pieces)
      return
    }
    if (drag.kind === 'crosshair') placeCrosshair(point)
    else if (drag.kind === 'window')
      options.onLimits(dragLimits(drag.limits, point.x - drag.from.x, point.y - drag.from.y))
    else {
      const camera = options.camera()
      if (camera === null) return
      options.onCamera(
        panBy(camera, point.x - drag.last.x, point.y - drag.last.y, options.size(), options.geometry()),
      )
      drag.last = point
    }
  }

  /** Positions as soon as the system tells them, between frames; only while a tool is at work. */
  function onRawMove(event: Event): void {
    if (drag?.kind === 'tool') onMove(event as PointerEvent)
  }

  function onUp(event: PointerEvent): void {
    if (event.pointerId !== drag?.pointerId) return
    const ended = drag
    drag = null
    panning.value = false
    if (ended.kind === 'tool') tell('up', event, [event])
  }

  function onCancel(event: PointerEvent): void {
    if (event.pointerId !== drag?.pointerId) return
    const ended = drag
    drag = null
    panning.value = false
    if (ended.kind === 'tool') tell('cancel', event, [event])
  }

  function onEnter(): void {
    locate()
  }

  function onLeave(event: PointerEvent): void {
    if (drag !== null) return
    options.onHover(null)
    panReady.value = false
    tell('leave', event, [event])
  }

  function onWheel(event: WheelEvent): void {
    event.preventDefault()
    const pixels = wheelPixels(event)
    if (event.ctrlKey || event.metaKey) {
      const camera = options.camera()
      if (camera === null) return
      locate()
      options.onCamera(zoomAt(camera, at(event), wheelZoom(pixels), options.size(), options.geometry()))
      return
    }
    const factor = event.shiftKey ? coarseStep : 1
    if (event.altKey) {
      const turned = brushSteps.add(pixels)
      if (turned !== 0) options.onBrush(-turned * factor)
      return
    }
    const turned = steps.add(pixels)
    if (turned !== 0) options.onStep(turned * factor)
  }

  function onDoubleClick(event: MouseEvent): void {
    // Two quick dabs with a brush are two dabs.
    if (event.button === 0 && !event.ctrlKey && (options.tool() === null || panReady.value)) options.onFit()
  }

  function onContextMenu(event: MouseEvent): void {
    event.preventDefault()
  }

  function onSpace(event: KeyboardEvent): void {
    const surface = options.surface.value
    if (event.key !== ' ' || surface === null) return
    if (event.type === 'keyup') {
      panReady.value = false
      return
    }
    const ours = document.activeElement === surface || document.activeElement === document.body
    if (!ours || !(surface.matches(':hover') || document.activeElement === surface)) return
    event.preventDefault()
    panReady.value = true
  }

  const listeners: [string, (event: never) => void][] = [
    ['pointerdown', onDown],
    ['pointermove', onMove],
    ['pointerrawupdate', onRawMove],
    ['pointerup', onUp],
    ['pointercancel', onCancel],
    ['lostpointercapture', onCancel],
    ['pointerenter', onEnter],
    ['pointerleave', onLeave],
    ['dblclick', onDoubleClick],
    ['contextmenu', onContextMenu],
  ]

  onMounted(() => {
    const surface = options.surface.value
    if (surface === null) return
    for (const [name, listener] of listeners) surface.addEventListener(name, listener as EventListener)
    surface.addEventListener('wheel', onWheel, { passive: false })
    window.addEventListener('keydown', onSpace)
    window.addEventListener('keyup', onSpace)
  })
  onBeforeUnmount(() => {
    const surface = options.surface.value
    for (const [name, listener] of listeners) surface?.removeEventListener(name, listener as EventListener)
    surface?.removeEventListener('wheel', onWheel)
    window.removeEventListener('keydown', onSpace)
    window.removeEventListener('keyup', onSpace)
  })

  return { panning, panReady }
}
