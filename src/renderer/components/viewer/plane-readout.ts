import type { Plane } from '../../../shared/annotation/edit.ts'
import { formatFixed, formatGrey, formatInteger, formatSignificant, unitSpace } from '../../format/numbers.ts'
import { isInsidePlane, type PlanePoint } from '../../viewer/camera.ts'
import { voxelAt, voxelEdgesUm, type PlaneGeometry } from '../../viewer/geometry.ts'
import type { VoxelSize } from '../../../shared/volume.ts'
import type { PlaneProbe } from './types.ts'

/** What a view knows of a voxel of its plane. */
interface ProbedView {
  greyAt(row: number, column: number): { value: number; level: number } | null
  labelAt(row: number, column: number): number | null
}

/** What lies at a plane position; `null` outside the plane. */
export function probeAt(
  point: PlanePoint,
  plane: Plane,
  geometry: PlaneGeometry,
  view: ProbedView | null,
): PlaneProbe | null {
  if (!isInsidePlane(point, geometry)) return null
  const row = Math.round(point.row)
  const column = Math.round(point.column)
  const grey = view?.greyAt(row, column) ?? null
  return {
    axis: plane.axis,
    voxel: voxelAt(plane, row, column),
    row: point.row,
    column: point.column,
    grey: grey === null || !Number.isFinite(grey.value) ? null : grey.value,
    level: grey?.level ?? 0,
    material: view?.labelAt(row, column) ?? null,
  }
}

/** Grey value of a probe: exact at full resolution, else `≈` and the mean. */
export function greyText(probe: PlaneProbe): string {
  if (probe.grey === null) return '–'
  return probe.level === 0
    ? formatGrey(probe.grey)
    : `≈${unitSpace}${formatGrey(Math.round(probe.grey * 100) / 100)}`
}

/** Where a voxel's centre lies, from the centre of the first voxel, along x, y, z in µm; `null` without a voxel size. */
export function worldText(probe: PlaneProbe, voxelSize: VoxelSize | null): string | null {
  const edges = voxelEdgesUm(voxelSize)
  if (edges === null) return null
  const digits = Math.max(0, Math.min(4, -Math.floor(Math.log10(Math.min(edges.z, edges.y, edges.x)))))
  const along = (axis: 'z' | 'y' | 'x'): string => formatFixed(probe.voxel[axis] * edges[axis], digits)
  return `${along('x')}, ${along('y')}, ${along('z')}${unitSpace}µm`
}

/** How large voxels are on screen: share, and how many of one lie in one of the other. `zoom`: screen pixels per voxel. */
export function zoomText(zoom: number): { percent: string; ratio: string } {
  const percent = zoom * 100
  return {
    percent: `${percent >= 10 ? formatInteger(percent) : formatSignificant(percent, 2)}${unitSpace}%`,
    ratio:
      zoom <= 1
        ? `1${unitSpace}px = ${formatSignificant(1 / zoom)}${unitSpace}vx`
        : `1${unitSpace}vx = ${formatSignificant(zoom)}${unitSpace}px`,
  }
}
