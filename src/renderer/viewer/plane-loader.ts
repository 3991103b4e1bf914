import type { Plane, Rectangle } from '../../shared/annotation/edit.ts'
import type { PlaneData } from '../../shared/contract/volumes.ts'
import type { GreyPlaneSource, LabelPlaneSource } from './interfaces.ts'
import { isGoodEnough } from './plane-cache.ts'

/** After this time without a picture the old slice goes and the chip says what is being loaded; under it nothing is said (ui.md §7). */
export const patienceMs = 400

/** What the loader fills; `PlaneView` is one. */
export interface PlaneTarget {
  showGrey(data: PlaneData | null): void
  showLabels(labels: Uint8Array | null): void
  updateLabels(rectangle: Rectangle): void
}

/** `loading`: for more than `patienceMs`; `level` is what is shown meanwhile (`null`: nothing). */
export type PlaneLoadState =
  | { kind: 'ready'; level: number }
  | { kind: 'loading'; level: number | null; wanted: number }
  | { kind: 'failed'; error: unknown }

/**
 * Brings the grey values and labels of the plane asked for into a view: the old picture stays until the new one has its first grey values,
 * so that labels are never seen over another slice's grey; what is not wanted any more is aborted.
 */
export class PlaneLoader {
  private readonly target: PlaneTarget
  private readonly stateListener: (state: PlaneLoadState) => void
  private grey: GreyPlaneSource | null = null
  private labels: LabelPlaneSource | null = null
  private forget: (() => void)[] = []

  private plane: Plane | null = null
  private level = 0
  private shown: PlaneData | null = null
  /** Labels of `plane` once they are here. */
  private labelPlane: Uint8Array | null = null
  private labelsShown = false
  /** Why the labels are not there; grey values that came do not make up for it. */
  private labelError: { error: unknown } | null = null
  private greyAbort: AbortController | null = null
  private labelAbort: AbortController | null = null
  private patience: ReturnType<typeof setTimeout> | null = null
  private lastState: PlaneLoadState['kind'] | null = null

  constructor(target: PlaneTarget, onState: (state: PlaneLoadState) => void) {
    this.target = target
    this.stateListener = onState
  }

  /** Takes planes from other sources from now on. */
  setSources(grey: GreyPlaneSource, labels: LabelPlaneSource | null): void {
    if (grey === this.grey && labels === this.labels) return
    for (const stop of this.forget) stop()
    this.forget = []
    const greyChanged = grey !== this.grey
    this.grey = grey
    this.labels = labels
    this.forget.push(
      grey.onBetter((axis) => {
        if (axis === this.plane?.axis && (this.shown === null || !isGoodEnough(this.shown, this.level)))
          this.loadGrey()
      }),
    )
    if (labels !== null)
      this.forget.push(
        labels.onChanged((plane, rectangle) => this.labelsChanged(plane, rectangle)),
        labels.onReset(() => this.loadLabels()),
      )
    if (this.plane === null) return
    if (greyChanged) {
      this.shown = null
      this.loadGrey()
    }
    this.loadLabels()
  }

  /** Shows a plane at a level; asking again for the same changes nothing. */
  show(plane: Plane, level: number): void {
    const samePlane = plane.axis === this.plane?.axis && plane.index === this.plane.index
    if (samePlane && level === this.level) return
    this.plane = plane
    this.level = level
    if (samePlane) {
      // A finer plane that is here already will do for a coarser level too.
      if (this.shown === null || !isGoodEnough(this.shown, level)) this.loadGrey()
      return
    }
    this.shown = null
    // What was said of another slice does not hold for this one.
    if (this.lastState === 'failed') this.tell({ kind: 'loading', level: null, wanted: level })
    this.loadGrey()
    this.loadLabels()
  }

  /** Tries again what failed. */
  retry(): void {
    this.loadGrey()
    this.loadLabels()
  }

  dispose(): void {
    for (const stop of this.forget) stop()
    this.forget = []
    this.greyAbort?.abort()
    this.labelAbort?.abort()
    this.setPatience(false)
    this.grey = null
    this.labels = null
  }

  private tell(state: PlaneLoadState): void {
    this.lastState = state.kind
    this.stateListener(state)
  }

  private loadGrey(): void {
    this.greyAbort?.abort()
    const { grey, plane } = this
    if (grey === null || plane === null) return
    const controller = new AbortController()
    this.greyAbort = controller
    this.setPatience(true)
    grey
      .load(plane, this.level, (data) => this.greyArrived(data, controller.signal), controller)
      .then(
        () => {
          if (controller.signal.aborted) return
          this.setPatience(false)
          this.tell(
            this.labelError === null
              ? { kind: 'ready', level: this.shown?.level ?? this.level }
              : { kind: 'failed', error: this.labelError.error },
          )
        },
        (error: unknown) => {
          if (!controller.signal.aborted) this.failed(error)
        },
      )
  }

  private greyArrived(data: PlaneData, signal: AbortSignal): void {
    if (signal.aborted) return
    const first = this.shown === null
    this.shown = data
    this.target.showGrey(data)
    if (first) this.putLabels()
    if (this.lastState === 'loading') this.tell({ kind: 'loading', level: data.level, wanted: this.level })
  }

  private loadLabels(): void {
    this.labelAbort?.abort()
    const { labels, plane } = this
    this.labelPlane = null
    this.labelsShown = false
    this.labelError = null
    if (plane === null) return
    if (labels === null) {
      this.target.showLabels(null)
      return
    }
    const controller = new AbortController()
    this.labelAbort = controller
    labels.load(plane, controller).then(
      (data) => {
        if (controller.signal.aborted) return
        this.labelPlane = data
        if (this.shown !== null) this.putLabels()
      },
      (error: unknown) => {
        if (controller.signal.aborted) return
        this.labelError = { error }
        this.failed(error)
      },
    )
  }

  private putLabels(): void {
    this.target.showLabels(this.labelPlane)
    this.labelsShown = this.labelPlane !== null
  }

  private labelsChanged(plane: Plane, rectangle: Rectangle): void {
    // Before they are shown, the whole plane goes up anyway.
    if (!this.labelsShown || plane.axis !== this.plane?.axis || plane.index !== this.plane.index) return
    this.target.updateLabels(rectangle)
  }

  private failed(error: unknown): void {
    this.setPatience(false)
    // A picture of another slice under this slice's name would be a lie.
    if (this.shown === null) {
      this.target.showGrey(null)
      this.target.showLabels(null)
      this.labelsShown = false
    }
    this.tell({ kind: 'failed', error })
  }

  private setPatience(waiting: boolean): void {
    if (this.patience !== null) clearTimeout(this.patience)
    this.patience = null
    if (!waiting) return
    this.patience = setTimeout(() => {
      this.patience = null
      if (this.shown === null) {
        this.target.showGrey(null)
        this.target.showLabels(null)
        this.labelsShown = false
      }
      this.tell({ kind: 'loading', level: this.shown?.level ?? null, wanted: this.level })
    }, patienceMs)
  }
}
