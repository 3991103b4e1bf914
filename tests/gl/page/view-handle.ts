import { createTypedArray, type Dtype, type VoxelSize } from '../../../src/shared/volume.ts'
import type { Rectangle } from '../../../src/shared/annotation/edit.ts'
import { fitCamera, type PlaneCamera } from '../../../src/renderer/viewer/camera.ts'
import { planeGeometry } from '../../../src/renderer/viewer/geometry.ts'
import type { DisplayOptions, MaterialStyle } from '../../../src/renderer/viewer/interfaces.ts'
import { PlaneView } from '../../../src/renderer/viewer/plane-view.ts'

/** A view of one XY plane, described in JSON. */
export interface ViewRequest {
  rows: number
  columns: number
  dtype: Dtype
  level?: number
  /** Values in C order, or a formula of (row, column) for large planes: value = row × rowStep + column × columnStep mod `modulo`. */
  values: number[] | { rowStep: number; columnStep: number; modulo: number }
  /** Positions in C order that become NaN and infinity in turn (JSON has neither). */
  notFinite?: number[]
  voxelSize?: VoxelSize
  canvas: { width: number; height: number; devicePixelRatio?: number }
  camera?: PlaneCamera
  display?: Partial<DisplayOptions>
  materials?: MaterialStyle[]
  /** Rectangles of material indices. */
  labels?: { rectangle: Rectangle; material: number }[]
}

export interface ViewHandle {
  /** RGBA of the canvas, rows from the top, drawn anew. */
  pixels(): number[]
  /** RGBA of one screen pixel (from the left, from the top). */
  pixel(x: number, y: number): number[]
  /** As `pixels`, but nothing is drawn that was not waiting to be drawn. */
  pixelsAsTheyAre(): number[]
  paint(rectangle: Rectangle, material: number, announce?: Rectangle): void
  counters(): PlaneView['counters']
  setCamera(camera: PlaneCamera): void
  setDisplay(display: Partial<DisplayOptions>): void
  view: PlaneView
  canvas: HTMLCanvasElement
  close(): { textures: number; geometries: number; programs: number }
}

const defaultDisplay: DisplayOptions = {
  window: { low: 0, high: 255 },
  colourMap: 'grey',
  overlay: { visible: true, opacity: 1, style: 'fill' },
}

function fill(labels: Uint8Array, columns: number, rectangle: Rectangle, material: number): void {
  for (let row = rectangle.top; row < rectangle.bottom; row++)
    labels.fill(material, row * columns + rectangle.left, row * columns + rectangle.right)
}

export function openView(request: ViewRequest): ViewHandle {
  const canvas = document.createElement('canvas')
  const { width, height, devicePixelRatio = 1 } = request.canvas
  canvas.style.width = `${width}px`
  canvas.style.height = `${height}px`
  document.body.append(canvas)
  const view = new PlaneView(canvas)
  const geometry = planeGeometry([1, request.rows, request.columns], request.voxelSize ?? null, 'z')
  const level = request.level ?? 0
  const shape: [number, number] = [
    Math.ceil(request.rows / 2 ** level),
    Math.ceil(request.columns / 2 ** level),
  ]
  const data = createTypedArray(request.dtype, shape[0] * shape[1])
  if (Array.isArray(request.values)) data.set(request.values)
  else {
    const { rowStep, columnStep, modulo } = request.values
    for (let row = 0; row < shape[0]; row++)
      for (let column = 0; column < shape[1]; column++)
        data[row * shape[1] + column] = (row * rowStep + column * columnStep) % modulo
  }
  for (const [turn, at] of (request.notFinite ?? []).entries())
    data[at] = turn % 2 === 0 ? Number.NaN : Infinity
  const labels = new Uint8Array(request.rows * request.columns)
  for (const { rectangle, material } of request.labels ?? [])
    fill(labels, request.columns, rectangle, material)

  let display: DisplayOptions = { ...defaultDisplay, ...request.display }
  view.setGeometry(geometry)
  view.setSize({ width, height }, devicePixelRatio)
  view.setCamera(request.camera ?? fitCamera({ width, height }, geometry))
  view.setMaterials(request.materials ?? [])
  view.setDisplay(display)
  view.showGrey({ axis: 'z', index: 0, level, shape, dtype: request.dtype, data, coverage: 1 })
  view.showLabels(labels)

  const readNow = (x: number, y: number, columns: number, rows: number): number[] => {
    const gl = canvas.getContext('webgl2')!
    const bytes = new Uint8Array(4 * columns * rows)
    gl.readPixels(x, canvas.height - y - rows, columns, rows, gl.RGBA, gl.UNSIGNED_BYTE, bytes)
    const line = 4 * columns
    return Array.from({ length: rows }, (_, row) => [
      ...bytes.subarray((rows - 1 - row) * line, (rows - row) * line),
    ]).flat()
  }
  const read: typeof readNow = (...place) => {
    view.setDisplay(display)
    view.draw()
    return readNow(...place)
  }

  return {
    view,
    canvas,
    pixels: () => read(0, 0, canvas.width, canvas.height),
    pixel: (x, y) => read(x, y, 1, 1),
    pixelsAsTheyAre() {
      view.draw()
      return readNow(0, 0, canvas.width, canvas.height)
    },
    paint(rectangle, material, announce = rectangle) {
      fill(labels, request.columns, rectangle, material)
      view.updateLabels(announce)
    },
    counters: () => ({ ...view.counters }),
    setCamera: (camera) => view.setCamera(camera),
    setDisplay(change) {
      display = { ...display, ...change }
      view.setDisplay(display)
    },
    close() {
      view.dispose()
      canvas.remove()
      return view.gpuObjects
    },
  }
}
