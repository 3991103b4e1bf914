import type { PlanePointerEvent, PointerTool } from '../../viewer/interfaces.ts'
import type { EditSink } from './edit-sink.ts'

export interface FillToolOptions {
  /** Read at each click. */
  settings(): { tolerance: number; material: number }
  sink: EditSink
}

/** Fills the connected voxels around the one clicked whose grey value is like its own. */
export class FillTool implements PointerTool {
  readonly #options: FillToolOptions

  constructor(options: FillToolOptions) {
    this.#options = options
  }

  readonly cursor = null
  readonly sketch = null

  onLookChanged(): () => void {
    return () => undefined
  }

  handle(event: PlanePointerEvent): void {
    if (event.type !== 'down' || !event.inside) return
    const { tolerance, material } = this.#options.settings()
    const reason = this.#options.sink.refusal(material)
    if (reason !== null) {
      this.#options.sink.refused(reason)
      return
    }
    const row = event.points.at(-2)
    const column = event.points.at(-1)
    if (row === undefined || column === undefined) return
    this.#options.sink.submit({
      kind: 'fill',
      plane: { axis: event.plane.axis, index: event.plane.index },
      seed: [Math.max(0, Math.round(row)), Math.max(0, Math.round(column))],
      tolerance,
      material,
    })
  }
}
