import {
  BufferAttribute,
  BufferGeometry,
  Camera,
  GLSL3,
  Mesh,
  RawShaderMaterial,
  Scene,
  Vector2,
  Vector3,
  WebGLRenderer,
} from 'three'
import type { Rectangle } from '../../shared/annotation/edit.ts'
import type { PlaneData } from '../../shared/contract/volumes.ts'
import type { PlaneCamera, ViewportSize } from './camera.ts'
import type { PlaneGeometry } from './geometry.ts'
import type { GreySampler } from './grey-format.ts'
import type { DisplayOptions, MaterialStyle } from './interfaces.ts'
import { PlaneTextures } from './plane-textures.ts'
import { windowUniforms } from './shaders/window-level.ts'
import { planeFragmentGlsl, planeVertexGlsl } from './shaders/plane.ts'
import { recordDraw } from './traces.ts'
import { addRectangle } from './tiling.ts'

/** What happened so far, for tests and for finding what is slow. */
export interface PlaneViewCounters {
  /** Draws submitted. */
  draws: number
  /** Screen pixels that they covered. */
  drawnPixels: number
  /** Bytes of labels uploaded by `updateLabels`. */
  uploadedBytes: number
  /** The last rectangle that `updateLabels` uploaded. */
  lastUploadRectangle: Rectangle | null
  /** Bytes of whole planes uploaded (grey and labels). */
  planeBytes: number
}

/** With more changed parts than these, one draw of everything is less work. */
const mostParts = 16

/** Colour around the data: `--vp-void` of the design, #0C0C0C. */
const voidColour = new Vector3(12 / 255, 12 / 255, 12 / 255)

/**
 * One plane of a volume in one canvas (WebGL 2). Draws only when something changed, at most once per frame; see README.md.
 * Foreign to any framework: the owner tells it what to show and calls `dispose`.
 */
export class PlaneView {
  readonly counters: PlaneViewCounters = {
    draws: 0,
    drawnPixels: 0,
    uploadedBytes: 0,
    lastUploadRectangle: null,
    planeBytes: 0,
  }

  private readonly canvas: HTMLCanvasElement
  private readonly renderer: WebGLRenderer
  private readonly textures: PlaneTextures
  private readonly scene = new Scene()
  private readonly camera = new Camera()
  private readonly triangle = new BufferGeometry()
  private readonly mesh: Mesh<BufferGeometry, RawShaderMaterial>
  private readonly materials = new Map<string, RawShaderMaterial>()
  private readonly uniforms

  private geometry: PlaneGeometry | null = null
  private planeCamera: PlaneCamera | null = null
  private size: ViewportSize = { width: 0, height: 0 }
  private devicePixelRatio = 1
  private display: DisplayOptions | null = null
  private styles: readonly MaterialStyle[] = []
  private grey: PlaneData | null = null
  private labels: Uint8Array | null = null

  private dirtyLabels: Rectangle[] = []
  private frame: number | null = null
  /** Whether a draw was submitted since the browser last asked for a frame: then the next one waits for it. */
  private drawnThisFrame = false
  private needsDraw = false
  /** Whether more than `dirtyLabels` looks different. */
  private wholeChanged = true
  /** Kind of grey texture for which the program with labels was made. */
  private preparedFor: GreySampler | null = null
  /** Time of the pointer event whose labels the next draw shows. */
  private pendingEvent: number | null = null
  private lost = false
  private disposed = false

  /** Throws when the browser cannot give a WebGL 2 context. */
  constructor(canvas: HTMLCanvasElement) {
    this.canvas = canvas
    this.renderer = new WebGLRenderer({
      canvas,
      antialias: false,
      alpha: false,
      depth: false,
      stencil: false,
      // What a draw leaves out stays from the one before.
      preserveDrawingBuffer: true,
    })
    this.renderer.autoClear = false
    this.textures = new PlaneTextures(this.renderer)
    this.uniforms = {
      ...this.textures.uniforms,
      uWindowBaseInteger: { value: 0 },
      uWindowBaseFloat: { value: 0 },
      uWindowRest: { value: 0 },
      uWindowScale: { value: 1 },
      uElementVoxels: { value: 1 },
      uOrigin: { value: new Vector2() },
      uStep: { value: new Vector2(1, 1) },
      uCanvasHeight: { value: 1 },
      uPlaneExtent: { value: new Vector2(1, 1) },
      uOverlayStyle: { value: new Vector2(1, 1) },
      uDevicePixelRatio: { value: 1 },
      uVoid: { value: voidColour },
    }
    this.triangle.setAttribute(
      'position',
      new BufferAttribute(new Float32Array([-1, -1, 0, 3, -1, 0, -1, 3, 0]), 3),
    )
    this.mesh = new Mesh(this.triangle, this.materialFor('unsigned', false))
    this.mesh.frustumCulled = false
    this.scene.add(this.mesh)
    canvas.addEventListener('webglcontextlost', this.onContextLost)
    canvas.addEventListener('webglcontextrestored', this.onContextRestored)
  }

  /** Another plane geometry: forgets grey and labels of the old one. */
  setGeometry(geometry: PlaneGeometry): void {
    const old = this.geometry
    this.geometry = geometry
    if (
      old !== null &&
      (old.axis !== geometry.axis || old.rows !== geometry.rows || old.columns !== geometry.columns)
    ) {
      this.showGrey(null)
      this.showLabels(null)
    }
    this.requestDraw()
  }

  setCamera(camera: PlaneCamera): void {
    this.planeCamera = camera
    this.requestDraw()
  }

  /** Size in CSS pixels and how many screen pixels each of them is. */
  setSize(size: ViewportSize, devicePixelRatio: number): void {
    const width = Math.max(1, Math.round(size.width * devicePixelRatio))
    const height = Math.max(1, Math.round(size.height * devicePixelRatio))
    if (this.canvas.width !== width || this.canvas.height !== height)
      // The owner's style sheet sets the size on the page; this sets the number of pixels.
      this.renderer.setDrawingBufferSize(width, height, 1)
    this.size = size
    this.devicePixelRatio = devicePixelRatio
    this.requestDraw()
  }

  setDisplay(display: DisplayOptions): void {
    this.display = display
    this.textures.setColourMap(display.colourMap)
    this.textures.setPalette(this.styles, display.overlay)
    this.requestDraw()
  }

  setMaterials(styles: readonly MaterialStyle[]): void {
    this.styles = styles
    if (this.display !== null) this.textures.setPalette(styles, this.display.overlay)
    this.requestDraw()
  }

  /** Grey values of any level; kept (not copied) until the next call. `null`: none. Throws when the driver cannot hold the plane. */
  showGrey(data: PlaneData | null): void {
    this.grey = data
    this.counters.planeBytes += this.textures.setGrey(data)
    this.requestDraw()
  }

  /** Labels of the whole plane, C order (row, column); kept (not copied), may change in place: then call `updateLabels`. */
  showLabels(labels: Uint8Array | null): void {
    this.labels = labels
    this.dirtyLabels = []
    this.counters.planeBytes += this.textures.setLabels(labels, this.geometry)
    this.requestDraw()
  }

  /** Labels changed inside a rectangle of the plane: exactly that is uploaded with the next draw. */
  updateLabels(rectangle: Rectangle): void {
    if (this.labels === null) return
    this.dirtyLabels = addRectangle(this.dirtyLabels, rectangle)
    this.needsDraw = true
    this.requestFrame()
  }

  /** Whether labels are waiting for a draw. */
  get hasDirtyLabels(): boolean {
    return this.dirtyLabels.length > 0
  }

  /**
   * Shows what a pointer event changed with as little delay as possible: at once when nothing was drawn in this frame yet, else in the
   * next one. The time from the event to the draw is recorded.
   */
  drawForEvent(timeStamp: number): void {
    if (!this.needsDraw) return
    this.pendingEvent ??= timeStamp
    if (!this.drawnThisFrame) this.draw()
  }

  /** Draws now if anything changed. */
  draw(): void {
    if (!this.needsDraw || this.lost || this.disposed) return
    const { geometry, planeCamera, display } = this
    if (geometry === null || planeCamera === null || display === null || this.size.width === 0) return
    this.needsDraw = false
    const changed = this.wholeChanged ? null : this.dirtyLabels
    this.wholeChanged = false
    const uploaded = this.uploadDirtyLabels()
    this.setUniforms(geometry, planeCamera, display)
    this.render(changed)
    this.counters.draws++
    this.drawnThisFrame = true
    this.requestFrame()
    if (this.pendingEvent !== null) {
      recordDraw(this.pendingEvent, { uploadedBytes: uploaded, axis: geometry.axis })
      this.pendingEvent = null
    }
    this.prepareForLabels()
  }

  /** Grey value at a voxel of the plane and the level it is the mean at; `null` where nothing is loaded. */
  greyAt(row: number, column: number): { value: number; level: number } | null {
    const { grey } = this
    if (grey === null) return null
    const [rows, columns] = grey.shape
    const y = Math.floor(row / 2 ** grey.level)
    const x = Math.floor(column / 2 ** grey.level)
    if (y < 0 || x < 0 || y >= rows || x >= columns) return null
    return { value: grey.data[y * columns + x], level: grey.level }
  }

  /** Material index at a voxel of the plane; `null` where no labels are loaded. */
  labelAt(row: number, column: number): number | null {
    if (this.labels === null || this.geometry === null) return null
    const { rows, columns } = this.geometry
    if (row < 0 || column < 0 || row >= rows || column >= columns) return null
    return this.labels[row * columns + column]
  }

  /** Textures and programs that live on the GPU, for leak tests. */
  get gpuObjects(): { textures: number; geometries: number; programs: number } {
    const { memory, programs } = this.renderer.info
    return { textures: memory.textures, geometries: memory.geometries, programs: programs?.length ?? 0 }
  }

  /** Frees everything, the context included. The canvas cannot be used again. */
  dispose(): void {
    if (this.disposed) return
    this.disposed = true
    if (this.frame !== null) cancelAnimationFrame(this.frame)
    this.canvas.removeEventListener('webglcontextlost', this.onContextLost)
    this.canvas.removeEventListener('webglcontextrestored', this.onContextRestored)
    this.textures.dispose()
    this.triangle.dispose()
    for (const material of this.materials.values()) material.dispose()
    this.grey = null
    this.labels = null
    this.renderer.dispose()
    this.renderer.forceContextLoss()
  }

  /** Draws the canvas, or only where the labels of some rectangles of the plane are seen. */
  private render(changed: readonly Rectangle[] | null): void {
    const { renderer, scene, camera } = this
    const parts = changed === null || changed.length > mostParts ? null : changed
    renderer.setScissorTest(parts !== null)
    if (parts === null) {
      renderer.render(scene, camera)
      this.counters.drawnPixels += this.canvas.width * this.canvas.height
    }
    for (const part of parts ?? []) {
      const seen = this.onCanvas(part)
      if (seen === null) continue
      const [width, height] = [seen.right - seen.left, seen.bottom - seen.top]
      // From the lower left corner, as WebGL counts.
      renderer.setScissor(seen.left, this.canvas.height - seen.bottom, width, height)
      renderer.render(scene, camera)
      this.counters.drawnPixels += width * height
    }
  }

  /** Screen pixels that look different when the labels of a rectangle of the plane change; `null` when none is on the canvas. */
  private onCanvas({ top, left, bottom, right }: Rectangle): Rectangle | null {
    const { uOrigin, uStep, uDevicePixelRatio } = this.uniforms
    const { width, height } = this.canvas
    // Outlines reach one CSS pixel beyond; one more for pixels that are covered in part.
    const margin = 1 + Math.max(1, Math.round(uDevicePixelRatio.value))
    const across = (column: number): number => (column - uOrigin.value.x) / uStep.value.x
    const down = (row: number): number => (row - uOrigin.value.y) / uStep.value.y
    const seen = {
      top: Math.max(0, Math.floor(down(top)) - margin),
      left: Math.max(0, Math.floor(across(left)) - margin),
      bottom: Math.min(height, Math.ceil(down(bottom)) + margin),
      right: Math.min(width, Math.ceil(across(right)) + margin),
    }
    return seen.top < seen.bottom && seen.left < seen.right ? seen : null
  }

  private requestDraw(): void {
    this.needsDraw = true
    this.wholeChanged = true
    this.requestFrame()
  }

  private requestFrame(): void {
    if (this.frame !== null || this.disposed) return
    this.frame = requestAnimationFrame(() => {
      this.frame = null
      this.drawnThisFrame = false
      this.draw()
    })
  }

  private uploadDirtyLabels(): number {
    let bytes = 0
    for (const rectangle of this.dirtyLabels) {
      bytes += this.textures.uploadLabels(rectangle)
      this.counters.lastUploadRectangle = rectangle
    }
    this.dirtyLabels = []
    this.counters.uploadedBytes += bytes
    return bytes
  }

  private setUniforms(geometry: PlaneGeometry, camera: PlaneCamera, display: DisplayOptions): void {
    const { uniforms, devicePixelRatio, canvas } = this
    const sampler = this.textures.greySampler
    const showsLabels = this.labels !== null && display.overlay.visible && this.textures.hasLabels
    this.mesh.material = this.materialFor(sampler, showsLabels)
    const limits = windowUniforms(display.window, sampler, this.textures.greyOffset)
    uniforms.uWindowBaseInteger.value = limits.baseInteger
    uniforms.uWindowBaseFloat.value = limits.baseFloat
    uniforms.uWindowRest.value = limits.rest
    uniforms.uWindowScale.value = limits.scale
    uniforms.uElementVoxels.value = 2 ** (this.grey?.level ?? 0)
    const stepX = 1 / (camera.zoom * geometry.columnEdge * devicePixelRatio)
    const stepY = 1 / (camera.zoom * geometry.rowEdge * devicePixelRatio)
    uniforms.uStep.value.set(stepX, stepY)
    // Voxel k covers [k, k + 1) here, so the plane position of a voxel's centre moves by a half.
    uniforms.uOrigin.value.set(
      camera.column + 0.5 - 0.5 * this.size.width * devicePixelRatio * stepX,
      camera.row + 0.5 - 0.5 * this.size.height * devicePixelRatio * stepY,
    )
    uniforms.uCanvasHeight.value = canvas.height
    uniforms.uPlaneExtent.value.set(geometry.columns, geometry.rows)
    uniforms.uDevicePixelRatio.value = devicePixelRatio
    const { style } = display.overlay
    uniforms.uOverlayStyle.value.set(style === 'outline' ? 0 : 1, style === 'fill' ? 0 : 1)
  }

  private materialFor(sampler: GreySampler, withLabels: boolean): RawShaderMaterial {
    const key = `${sampler} ${withLabels}`
    const known = this.materials.get(key)
    if (known !== undefined) return known
    const material = new RawShaderMaterial({
      glslVersion: GLSL3,
      vertexShader: planeVertexGlsl,
      fragmentShader: planeFragmentGlsl(sampler, withLabels),
      uniforms: this.uniforms,
      depthTest: false,
      depthWrite: false,
    })
    this.materials.set(key, material)
    return material
  }

  /** The first stroke on a slice without labels must not wait until the driver has made the program that draws them. */
  private prepareForLabels(): void {
    if (this.labels === null || this.preparedFor === this.textures.greySampler) return
    this.preparedFor = this.textures.greySampler
    this.mesh.material = this.materialFor(this.preparedFor, true)
    this.renderer.compile(this.scene, this.camera)
  }

  private readonly onContextLost = (): void => {
    this.lost = true
  }

  /** The driver forgot everything: three.js builds programs and storage again, we upload what we still hold. */
  private readonly onContextRestored = (): void => {
    this.lost = false
    this.preparedFor = null
    this.dirtyLabels = []
    this.counters.planeBytes += this.textures.setGrey(this.grey)
    this.counters.planeBytes += this.textures.setLabels(this.labels, this.geometry)
    this.requestDraw()
  }
}
