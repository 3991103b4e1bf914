import {
  DataTexture,
  NearestFilter,
  NoColorSpace,
  RGBAFormat,
  UnsignedByteType,
  Vector2,
  Vector3,
  type WebGLRenderer,
} from 'three'
import type { Rectangle } from '../../shared/annotation/edit.ts'
import type { PlaneData } from '../../shared/contract/volumes.ts'
import { colourMapEntries, colourMapTable } from './colour-maps.ts'
import {
  greyFormats,
  labelFormat,
  textureValues,
  type GreySampler,
  type TextureFormat,
} from './grey-format.ts'
import type { ColourMapName, DisplayOptions, MaterialStyle } from './interfaces.ts'
import { paletteEntries, paletteTable } from './palette.ts'
import { TiledTexture, wholePlane } from './tiled-texture.ts'
import { sameLayout, tileLayout, type TextureLimits, type TileLayout } from './tiling.ts'

/** All textures of one plane view and the uniforms that name them. Textures are used again while size and type stay. */
export class PlaneTextures {
  readonly uniforms
  private readonly renderer: WebGLRenderer
  private readonly limits: TextureLimits
  private readonly colourMap = tableTexture(colourMapEntries, 1)
  private readonly palette = tableTexture(paletteEntries, 2)
  private colourMapName: ColourMapName | null = null
  private grey: TiledTexture
  private labels: TiledTexture
  private labelElements: Uint8Array | null = null
  private labelled = false
  private offset = 0

  constructor(renderer: WebGLRenderer) {
    this.renderer = renderer
    const gl = renderer.getContext() as WebGL2RenderingContext
    this.limits = {
      maxTextureSize: renderer.capabilities.maxTextureSize,
      maxArrayLayers: Number(gl.getParameter(gl.MAX_ARRAY_TEXTURE_LAYERS)),
    }
    // A sampler must always have a texture of its own kind, also while there is nothing to show.
    this.grey = this.emptyTexture()
    this.labels = this.emptyTexture()
    this.uniforms = {
      uGrey: { value: this.grey.texture },
      uGreyTiles: { value: new Vector3(1, 1, 1) },
      uGreyExtent: { value: new Vector2(1, 1) },
      uHasGrey: { value: false },
      uLabels: { value: this.labels.texture },
      uLabelTiles: { value: new Vector3(1, 1, 1) },
      uColourMap: { value: this.colourMap },
      uPalette: { value: this.palette },
    }
  }

  /** Which shader the grey texture needs. */
  get greySampler(): GreySampler {
    return this.grey.format.sampler
  }

  /** Grey value = element of the texture + this. */
  get greyOffset(): number {
    return this.offset
  }

  setColourMap(name: ColourMapName): void {
    if (name === this.colourMapName) return
    this.colourMapName = name
    fillTable(this.colourMap, colourMapTable(name))
  }

  setPalette(styles: readonly MaterialStyle[], overlay: DisplayOptions['overlay']): void {
    fillTable(this.palette, paletteTable(styles, overlay))
  }

  /** Uploads a grey plane; returns the bytes. */
  setGrey(data: PlaneData | null): number {
    this.uniforms.uHasGrey.value = data !== null
    if (data === null) return 0
    const format = greyFormats[data.dtype]
    const layout = this.layoutFor(data.shape[0], data.shape[1])
    this.grey = this.reuse(this.grey, layout, format)
    this.uniforms.uGrey.value = this.grey.texture
    this.uniforms.uGreyTiles.value.set(layout.tileColumns, layout.tileRows, layout.across)
    this.uniforms.uGreyExtent.value.set(layout.columns, layout.rows)
    const { elements, offset } = textureValues(data.data, data.dtype)
    this.offset = offset
    return this.grey.upload(elements, wholePlane(layout))
  }

  /** Uploads a label plane of the geometry's extents; returns the bytes. */
  setLabels(labels: Uint8Array | null, geometry: { rows: number; columns: number } | null): number {
    this.labelElements = geometry === null ? null : labels
    this.labelled = labels !== null && !isBlank(labels)
    if (labels === null || geometry === null) return 0
    const layout = this.layoutFor(geometry.rows, geometry.columns)
    this.labels = this.reuse(this.labels, layout, labelFormat)
    this.uniforms.uLabels.value = this.labels.texture
    this.uniforms.uLabelTiles.value.set(layout.tileColumns, layout.tileRows, layout.across)
    return this.labels.upload(labels, wholePlane(layout))
  }

  /** Uploads a rectangle of the labels again; returns the bytes. */
  uploadLabels(rectangle: Rectangle): number {
    if (this.labelElements === null) return 0
    this.labelled = true
    return this.labels.upload(this.labelElements, rectangle)
  }

  /** Whether there may be labels to draw. */
  get hasLabels(): boolean {
    return this.labelled
  }

  dispose(): void {
    this.grey.dispose()
    this.labels.dispose()
    this.colourMap.dispose()
    this.palette.dispose()
    this.labelElements = null
  }

  private emptyTexture(): TiledTexture {
    return new TiledTexture(this.renderer, this.layoutFor(1, 1), labelFormat)
  }

  private layoutFor(rows: number, columns: number): TileLayout {
    const layout = tileLayout(rows, columns, this.limits)
    if (layout === null)
      throw new Error(
        `drawing a plane: this graphics driver holds at most ${this.limits.maxArrayLayers} tiles of ` +
          `${this.limits.maxTextureSize}², found ${rows} × ${columns} voxels`,
      )
    return layout
  }

  private reuse(old: TiledTexture, layout: TileLayout, format: TextureFormat): TiledTexture {
    if (sameLayout(old.layout, layout) && old.format.internalFormat === format.internalFormat) return old
    const texture = new TiledTexture(this.renderer, layout, format)
    old.dispose()
    return texture
  }
}

/** A small RGBA table that the shader reads by index. */
function tableTexture(width: number, height: number): DataTexture {
  const texture = new DataTexture(
    new Uint8Array(4 * width * height),
    width,
    height,
    RGBAFormat,
    UnsignedByteType,
  )
  texture.minFilter = NearestFilter
  texture.magFilter = NearestFilter
  // Colours are sRGB already and go to the screen as they are.
  texture.colorSpace = NoColorSpace
  texture.needsUpdate = true
  return texture
}

function fillTable(texture: DataTexture, table: Uint8Array): void {
  const { data } = texture.image as { data: Uint8Array }
  data.set(table)
  texture.needsUpdate = true
}

/** Whether nothing is labelled. Looks at eight labels at once: planes have millions. */
function isBlank(labels: Uint8Array): boolean {
  const start = Math.ceil(labels.byteOffset / 8) * 8
  const words = Math.max(0, Math.floor((labels.byteOffset + labels.length - start) / 8))
  const before = Math.min(start - labels.byteOffset, labels.length)
  return (
    labels.subarray(0, before).every((label) => label === 0) &&
    labels.subarray(before + 8 * words).every((label) => label === 0) &&
    new Float64Array(labels.buffer, words === 0 ? 0 : start, words).every((word) => Object.is(word, 0))
  )
}
