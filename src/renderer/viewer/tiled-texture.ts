import {
  Box2,
  DataArrayTexture,
  DataTexture,
  NearestFilter,
  NoColorSpace,
  Vector2,
  Vector3,
  type WebGLRenderer,
} from 'three'
import type { Rectangle } from '../../shared/annotation/edit.ts'
import type { TypedArray } from '../../shared/volume.ts'
import type { TextureFormat } from './grey-format.ts'
import { piecesOf, type TileLayout } from './tiling.ts'

/**
 * A plane in a texture array. Uploads read straight from the plane's own array, row length and offset given to the driver: no
 * copies are cut out in between, and a rectangle costs its own bytes only.
 */
export class TiledTexture {
  readonly texture: DataArrayTexture
  readonly layout: TileLayout
  readonly format: TextureFormat
  private readonly renderer: WebGLRenderer

  constructor(renderer: WebGLRenderer, layout: TileLayout, format: TextureFormat) {
    this.renderer = renderer
    this.layout = layout
    this.format = format
    this.texture = new DataArrayTexture(
      null,
      layout.tileColumns,
      layout.tileRows,
      layout.down * layout.across,
    )
    this.texture.format = format.format
    this.texture.type = format.type
    this.texture.internalFormat = format.internalFormat
    this.texture.minFilter = NearestFilter
    this.texture.magFilter = NearestFilter
    this.texture.colorSpace = NoColorSpace
    this.texture.unpackAlignment = 1
    // Only storage is allocated; elements come through `upload`.
    this.texture.source.dataReady = false
    this.texture.needsUpdate = true
  }

  /**
   * Uploads a rectangle (clipped to the plane) of `elements`, the whole plane in C order (row, column). Returns the bytes uploaded.
   */
  upload(elements: TypedArray, rectangle: Rectangle): number {
    const { rows, columns } = this.layout
    if (elements.length !== rows * columns)
      throw new Error(
        `drawing a plane: expected ${rows} × ${columns} = ${rows * columns} elements, found ${elements.length}`,
      )
    // A texture that is only read from memory: three.js never sends it to the GPU itself.
    const source = new DataTexture(elements, columns, rows, this.format.format, this.format.type)
    let bytes = 0
    for (const piece of piecesOf(this.layout, rectangle)) {
      const { top, left, bottom, right } = piece.source
      this.renderer.copyTextureToTexture(
        source,
        this.texture,
        new Box2(new Vector2(left, top), new Vector2(right, bottom)),
        new Vector3(piece.column, piece.row, piece.layer),
      )
      bytes += (bottom - top) * (right - left) * this.format.bytesPerElement
    }
    source.dispose()
    return bytes
  }

  dispose(): void {
    this.texture.dispose()
  }
}

/** The rectangle that covers a whole plane. */
export function wholePlane(layout: { rows: number; columns: number }): Rectangle {
  return { top: 0, left: 0, bottom: layout.rows, right: layout.columns }
}
