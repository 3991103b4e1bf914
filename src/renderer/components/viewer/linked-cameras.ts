import type { PlaneAxis } from '../../../shared/annotation/edit.ts'
import {
  cameraAround,
  clampCamera,
  fitCamera,
  fitZoom,
  planeToScreen,
  revealPoint,
  zoomAt,
  type PlaneCamera,
  type ViewportSize,
} from '../../viewer/camera.ts'
import { planeAxes, planeGeometry, pointInPlane } from '../../viewer/geometry.ts'
import type { ViewedVolume, VolumeView } from './types.ts'

/** How the cameras of the three planes hang together, as pure functions. */
export interface LinkedScene {
  volume: ViewedVolume
  view: VolumeView
  activeAxis: PlaneAxis
  /** Canvases on show; planes without one are not drawn. */
  sizes: Partial<Record<PlaneAxis, ViewportSize>>
}

/** Cameras as they are drawn; `null` for planes without a canvas. */
export type ResolvedCameras = Record<PlaneAxis, PlaneCamera | null>

/**
 * What each plane shows: its own camera; else the whole plane (the large one, or all of them when scales are not linked); else the scale
 * of the large plane around the crosshair.
 */
export function resolveCameras(scene: LinkedScene): ResolvedCameras {
  const large = resolveOne(scene, scene.activeAxis, null)
  const resolved: ResolvedCameras = { z: null, y: null, x: null }
  for (const axis of planeAxes)
    resolved[axis] = axis === scene.activeAxis ? large : resolveOne(scene, axis, large)
  return resolved
}

function resolveOne(scene: LinkedScene, axis: PlaneAxis, large: PlaneCamera | null): PlaneCamera | null {
  const { volume, view, sizes } = scene
  const size = sizes[axis]
  if (size === undefined) return null
  const geometry = planeGeometry(volume.shape, volume.voxelSize, axis)
  const own = view.cameras[axis]
  if (own !== null) return clampCamera(own, size, geometry)
  if (axis === scene.activeAxis || !view.scaleLinked || large === null) return fitCamera(size, geometry)
  return cameraAround(large.zoom, pointInPlane(view.position, axis), size, geometry)
}

/** Cameras to remember after the user panned or zoomed one plane. A new scale goes to all planes, around the crosshair of each. */
export function moveCamera(scene: LinkedScene, axis: PlaneAxis, camera: PlaneCamera): VolumeView['cameras'] {
  const { volume, view, sizes } = scene
  const resolved = resolveCameras(scene)
  const cameras = { ...view.cameras, [axis]: camera }
  const before = resolved[axis]
  if (!view.scaleLinked || before === null || before.zoom === camera.zoom) return cameras
  for (const other of planeAxes) {
    const current = resolved[other]
    const size = sizes[other]
    // A small plane without a camera of its own follows the large one anyway.
    if (other === axis || current === null || size === undefined) continue
    if (view.cameras[other] === null && other !== scene.activeAxis) continue
    const geometry = planeGeometry(volume.shape, volume.voxelSize, other)
    const around = planeToScreen(pointInPlane(view.position, other), current, size, geometry)
    cameras[other] = zoomAt(current, around, camera.zoom / current.zoom, size, geometry)
  }
  return cameras
}

/** Cameras after the user asked one plane to show the whole of itself. */
export function fitPlane(scene: LinkedScene, axis: PlaneAxis): VolumeView['cameras'] {
  if (axis === scene.activeAxis && scene.view.scaleLinked) return { z: null, y: null, x: null }
  const size = scene.sizes[axis]
  if (size === undefined || !scene.view.scaleLinked) return { ...scene.view.cameras, [axis]: null }
  const geometry = planeGeometry(scene.volume.shape, scene.volume.voxelSize, axis)
  return moveCamera(scene, axis, { ...fitCamera(size, geometry), zoom: fitZoom(size, geometry) })
}

/** Cameras after the crosshair went elsewhere: a plane that would lose it moves as little as needed. */
export function followCrosshair(scene: LinkedScene): VolumeView['cameras'] {
  const { volume, view, sizes } = scene
  const cameras = { ...view.cameras }
  for (const axis of planeAxes) {
    const own = cameras[axis]
    const size = sizes[axis]
    if (own === null || size === undefined) continue
    const geometry = planeGeometry(volume.shape, volume.voxelSize, axis)
    cameras[axis] = revealPoint(own, pointInPlane(view.position, axis), size, geometry)
  }
  return cameras
}

/** Whether two sets of cameras are the same ones. */
export function sameCameras(a: VolumeView['cameras'], b: VolumeView['cameras']): boolean {
  return planeAxes.every((axis) => a[axis] === b[axis])
}
