import { ref, type Ref, type ShallowRef } from 'vue'
import type { PlaneCamera, ScreenPoint } from '../../viewer/camera.ts'
import type { PlaneGeometry } from '../../viewer/geometry.ts'
import type { PointerTool } from '../../viewer/interfaces.ts'

/** Below this width a ring would hide what it marks: the plain cross stays. */
const smallestRing = 6

/** The ring of the brush: moved with the pointer directly, so that no component is rendered for a movement. */
export function useCursorRing(options: {
  ring: Readonly<ShallowRef<HTMLElement | null>>
  tool: () => PointerTool | null
  camera: () => PlaneCamera | null
  geometry: () => PlaneGeometry
}): { place: (point: ScreenPoint | null) => void; shown: Readonly<Ref<boolean>> } {
  const shown = ref(false)

  function place(point: ScreenPoint | null): void {
    const element = options.ring.value
    if (element === null) return
    const cursor = options.tool()?.cursor ?? null
    const camera = options.camera()
    const { rowEdge, columnEdge } = options.geometry()
    // A voxel is painted when its centre is within the radius, so the painted area reaches half a voxel further.
    const diameter = cursor === null || camera === null ? 0 : (2 * cursor.radius + 1) * camera.zoom
    const visible =
      point !== null && cursor !== null && diameter * Math.min(rowEdge, columnEdge) >= smallestRing
    shown.value = visible
    element.style.display = visible ? 'block' : 'none'
    if (!visible) return
    const width = diameter * columnEdge
    const height = diameter * rowEdge
    element.style.width = `${width}px`
    element.style.height = `${height}px`
    element.style.borderRadius = cursor.shape === 'round' ? '50%' : '0'
    element.style.transform = `translate(${point.x - width / 2}px, ${point.y - height / 2}px)`
  }

  return { place, shown }
}
