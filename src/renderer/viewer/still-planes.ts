import type { Plane } from '../../shared/annotation/edit.ts'
import type { PlaneData } from '../../shared/contract/volumes.ts'
import { badInput } from '../../shared/errors.ts'
import { axesOfPlane } from './geometry.ts'
import type { GreyPlaneSource } from './interfaces.ts'

/** Planes that are at hand already, one per axis, such as those of a preview before import. */
export class StillPlanes implements GreyPlaneSource {
  private readonly planes: readonly PlaneData[]
  private readonly path: string

  /** `path`: the source, for messages. */
  constructor(planes: readonly PlaneData[], path: string) {
    this.planes = planes
    this.path = path
  }

  load(plane: Plane, _level: number, show: (data: PlaneData) => void): Promise<void> {
    const found = this.planes.find(({ axis, index }) => axis === plane.axis && index === plane.index)
    if (found === undefined)
      return Promise.reject(
        badInput(
          this.path,
          `a preview of ${axesOfPlane[plane.axis].name} ${plane.axis} ${plane.index}`,
          `previews of ${this.planes.map(({ axis, index }) => `${axis} ${index}`).join(', ')}`,
        ),
      )
    show(found)
    return Promise.resolve()
  }

  onBetter(): () => void {
    return () => undefined
  }
}
