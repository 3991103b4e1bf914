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
  /** Bytes of labels uploaded by `updateLabels`. */
  uploadedBytes: number
  /** The last rectangle that `updateLabels` uploaded. */
  lastUploadRectangle: Rectangle | null
  /** Bytes of whole planes uploaded (grey and labels). */
  planeBytes: number
}

/** Colour around the data: `--vp-void` of the design, #0C0C0C. */
const voidColour = new Vector3(12 / 255, 12 / 255, 12 / 255)

/**
 * One plane of a volume in one canvas (WebGL 2). Draws only when something changed, at most once per frame; see README.md.
 * Foreign to any framework: the owner tells it what to show and calls `dispose`.
 */
export class PlaneView {
  readonly counters: PlaneViewCounters = {
    draws: 0,
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
  private readonly materials = new Map<GreySampler, RawShaderMaterial>()
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
  /** Time of the pointer event whose labels the next draw shows. */
  private pendingEvent: number | null = null
  private lost = false
  private disposed = false
  private onDrawnListener: (() => void) | null = null

  /** Throws when the browser cannot give a WebGL 2 context. */
  constructor(canvas: HTMLCanvasElement) {
    this.canvas = canvas
    this.renderer = new WebGLRenderer({
      canvas,
      antialias: false,
      alpha: false,
      depth: false,
      stencil: false,
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
    this.mesh = new Mesh(this.triangle, this.materialFor('unsigned'))
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
    this.requestDraw()
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
    const uploaded = this.uploadDirtyLabels()
    this.setUniforms(geometry, planeCamera, display)
    this.renderer.render(this.scene, this.camera)
    this.counters.draws++
    this.drawnThisFrame = true
    this.requestFrame()
    if (this.pendingEvent !== null) {
      recordDraw(this.pendingEvent, { uploadedBytes: uploaded, axis: geometry.axis })
      this.pendingEvent = null
    }
    this.onDrawnListener?.()
  }

  /** Called after each draw, in the same task: then the drawing buffer can still be read. */
  onDrawn(listener: (() => void) | null): void {
    this.onDrawnListener = listener
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
    this.onDrawnListener = null
    this.textures.dispose()
    this.triangle.dispose()
    for (const material of this.materials.values()) material.dispose()
    this.grey = null
    this.labels = null
    this.renderer.dispose()
    this.renderer.forceContextLoss()
  }

  private requestDraw(): void {
    this.needsDraw = true
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
    this.mesh.material = this.materialFor(sampler)
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
    uniforms.uHasLabels.value = this.labels !== null && display.overlay.visible
    const { style } = display.overlay
    uniforms.uOverlayStyle.value.set(style === 'outline' ? 0 : 1, style === 'fill' ? 0 : 1)
  }

  private materialFor(sampler: GreySampler): RawShaderMaterial {
    const known = this.materials.get(sampler)
    if (known !== undefined) return known
    const material = new RawShaderMaterial({
      glslVersion: GLSL3,
      vertexShader: planeVertexGlsl,
      fragmentShader: planeFragmentGlsl(sampler),
      uniforms: this.uniforms,
      depthTest: false,
      depthWrite: false,
    })
    this.materials.set(sampler, material)
    return material
  }

  private readonly onContextLost = (): void => {
    this.lost = true
  }

  /** The driver forgot everything: three.js builds programs and storage again, we upload what we still hold. */
  private readonly onContextRestored = (): void => {
    this.lost = false
    this.dirtyLabels = []
    this.counters.planeBytes += this.textures.setGrey(this.grey)
    this.counters.planeBytes += this.textures.setLabels(this.labels, this.geometry)
    this.requestDraw()
  }
}
