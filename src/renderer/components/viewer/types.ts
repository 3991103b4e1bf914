import type { PlaneAxis } from '../../../shared/annotation/edit.ts'
import type { Dtype, Shape3, VoxelSize } from '../../../shared/volume.ts'
import type { VoxelPosition } from '../../viewer/geometry.ts'
import type { PlaneCamera } from '../../viewer/camera.ts'
import type { ColourMapName, DisplayOptions } from '../../viewer/interfaces.ts'

/** What the viewer has to know of the volume that it shows. */
export interface ViewedVolume {
  /** Distinguishes volumes: another id shows another volume from the start. */
  id: string
  /** For the names of regions and for messages. */
  name: string
  /** (z, y, x) */
  shape: Shape3
  dtype: Dtype
  voxelSize: VoxelSize | null
}

/** Where one looks at a volume and how its grey values are shown: what is shared by workspaces and remembered. Plain data. */
export interface VolumeView {
  /** The crosshair; each plane shows the slice through it. */
  position: VoxelPosition
  /** Camera of each plane; `null` = the whole plane (large plane) or the same scale around the crosshair (small planes). */
  cameras: Record<PlaneAxis, PlaneCamera | null>
  /** Whether all planes share one scale in µm. */
  scaleLinked: boolean
  /** Grey values shown black and white; `null` until the histogram of the volume is known. */
  window: { low: number; high: number } | null
  colourMap: ColourMapName
}

/** `large`: one large plane (69 %) and the others beside it; `grid`: two by two; `single`: one plane. */
export type PlaneLayout = 'large' | 'grid' | 'single'

export type OverlayOptions = DisplayOptions['overlay']

/** What is under the pointer. */
export interface PlaneProbe {
  axis: PlaneAxis
  voxel: VoxelPosition
  /** Position in plane coordinates. */
  row: number
  column: number
  /** Grey value; the mean of `level`-fold voxels while only a coarser level is loaded; `null` when not loaded. */
  grey: number | null
  level: number
  /** Material index, 0 = unlabelled; `null` without labels. */
  material: number | null
}

/** What a mounted `PlaneViewport` offers to its owner. */
export interface PlaneViewportHandle {
  shows(axis: PlaneAxis): boolean
  /** Does what a key asks for; whether it was one of a plane's. */
  handleKey(event: KeyboardEvent): boolean
  focus(): void
}

/** What a mounted `LinkedPlanes` offers to its owner. */
export interface LinkedPlanesHandle {
  /**
   * For workspaces that take keys for the whole window: lets the large plane handle a key press. Returns whether it was one of a
   * plane's (a focused plane handles its own keys and stops them).
   */
  handleKey(event: KeyboardEvent): boolean
  /** Overlay off while held, for a key taken by the workspace. */
  holdOverlay(held: boolean): void
  toggleOverlayStyle(): void
  nextPlane(): void
  jumpLabelled(direction: -1 | 1): void
  /** The whole large plane. */
  fit(): void
  focus(): void
}
