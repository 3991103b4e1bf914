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

/** One plane on its way into the view. */
interface Load {
  readonly plane: Plane
  level: number
  /** Best grey values so far. */
  grey: PlaneData | null
  /** Labels of the plane once they are here. */
  labels: Uint8Array | null
  /** Whether labels are still to come. */
  labelsPending: boolean
  /** Why the labels are not there; grey values that came do not make up for it. */
  labelError: { error: unknown } | null
  greyAbort: AbortController
  labelAbort: AbortController
}

/**
 * Brings the grey values and labels of the plane asked for into a view. The old picture stays until the new one has its first grey values,
 * so that labels are never seen over another slice's grey; what is not wanted any more is aborted. Whoever scrubs faster than planes
 * come sees every plane that makes it: the oldest request without a picture goes on beside the newest, and is shown if it comes first.
 */
export class PlaneLoader {
  private readonly target: PlaneTarget
  private readonly stateListener: (state: PlaneLoadState) => void
  private greySource: GreyPlaneSource | null = null
  private labelSource: LabelPlaneSource | null = null
  private forget: (() => void)[] = []

  /** The plane asked for last. */
  private wanted: Load | null = null
  /** One asked for before it that goes on as long as neither has a picture. */
  private earlier: Load | null = null
  /** Whose picture is in the view. */
  private onShow: Load | null = null
  private labelsShown = false
  private patience: ReturnType<typeof setTimeout> | null = null
  private lastState: PlaneLoadState['kind'] | null = null

  constructor(target: PlaneTarget, onState: (state: PlaneLoadState) => void) {
    this.target = target
    this.stateListener = onState
  }

  /** Takes planes from other sources from now on. */
  setSources(grey: GreyPlaneSource, labels: LabelPlaneSource | null): void {
    if (grey === this.greySource && labels === this.labelSource) return
    for (const stop of this.forget) stop()
    this.forget = []
    const greyChanged = grey !== this.greySource
    this.greySource = grey
    this.labelSource = labels
    this.forget.push(
      grey.onBetter((axis) => {
        const { wanted } = this
        if (axis !== wanted?.plane.axis) return
        if (wanted.grey === null || !isGoodEnough(wanted.grey, wanted.level)) this.loadGrey(wanted)
      }),
    )
    if (labels !== null)
      this.forget.push(
        labels.onChanged((plane, rectangle) => this.labelsChanged(plane, rectangle)),
        labels.onReset(() => {
          if (this.wanted !== null) this.loadLabels(this.wanted)
        }),
      )
    this.dropEarlier()
    if (this.wanted === null) return
    if (greyChanged) {
      this.wanted.grey = null
      this.onShow = null
      this.loadGrey(this.wanted)
    }
    this.loadLabels(this.wanted)
  }

  /** Shows a plane at a level; asking again for the same changes nothing. */
  show(plane: Plane, level: number): void {
    const { wanted } = this
    if (wanted !== null && isSamePlane(wanted.plane, plane)) {
      if (level === wanted.level) return
      wanted.level = level
      // A finer plane that is here already will do for a coarser level too.
      if (wanted.grey === null || !isGoodEnough(wanted.grey, level)) this.loadGrey(wanted)
      return
    }
    if (wanted !== null) this.leave(wanted, plane)
    const next: Load = {
      plane,
      level,
      grey: null,
      labels: null,
      labelsPending: false,
      labelError: null,
      greyAbort: new AbortController(),
      labelAbort: new AbortController(),
    }
    this.wanted = next
    // What was said of another slice does not hold for this one.
    if (this.lastState === 'failed') this.tell({ kind: 'loading', level: null, wanted: level })
    this.loadGrey(next)
    this.loadLabels(next)
  }

  /** Tries again what failed. */
  retry(): void {
    if (this.wanted === null) return
    this.loadGrey(this.wanted)
    this.loadLabels(this.wanted)
  }

  dispose(): void {
    for (const stop of this.forget) stop()
    this.forget = []
    this.dropEarlier()
    if (this.wanted !== null) abort(this.wanted)
    this.setPatience(null)
    this.greySource = null
    this.labelSource = null
  }

  /** Another plane is asked for than `load`, which goes on if it is the oldest without a picture. */
  private leave(load: Load, next: Plane): void {
    const goesOn = load.grey === null && this.earlier === null && load.plane.axis === next.axis
    if (goesOn) this.earlier = load
    else abort(load)
    if (load.plane.axis !== next.axis) this.dropEarlier()
  }

  private dropEarlier(): void {
    if (this.earlier !== null) abort(this.earlier)
    this.earlier = null
  }

  private tell(state: PlaneLoadState): void {
    this.lastState = state.kind
    this.stateListener(state)
  }

  private loadGrey(load: Load): void {
    load.greyAbort.abort()
    const { greySource } = this
    if (greySource === null) return
    const controller = new AbortController()
    load.greyAbort = controller
    this.setPatience(load)
    greySource
      .load(load.plane, load.level, (data) => this.greyArrived(load, data, controller.signal), controller)
      .then(
        () => {
          if (controller.signal.aborted || load !== this.wanted) return
          this.setPatience(null)
          this.tell(
            load.labelError === null
              ? { kind: 'ready', level: load.grey?.level ?? load.level }
              : { kind: 'failed', error: load.labelError.error },
          )
        },
        (error: unknown) => {
          if (controller.signal.aborted) return
          if (load === this.wanted) this.failed(load, error)
          // Nobody looks at that slice any more; when somebody does, its request says why.
          else if (load === this.earlier) this.dropEarlier()
        },
      )
  }

  private greyArrived(load: Load, data: PlaneData, signal: AbortSignal): void {
    if (signal.aborted || (load !== this.wanted && load !== this.earlier)) return
    load.grey = data
    if (load === this.earlier) {
      this.showEarlier(load)
      return
    }
    const isFirst = this.onShow !== load
    this.dropEarlier()
    this.onShow = load
    this.target.showGrey(data)
    if (isFirst) this.putLabels(load)
    if (this.lastState === 'loading') this.tell({ kind: 'loading', level: data.level, wanted: load.level })
  }

  /** Shows a plane on the way to the one that is wanted, complete with its labels, and is done with it. */
  private showEarlier(load: Load): void {
    if (load.grey === null || load.labelsPending) return
    this.earlier = null
    this.onShow = load
    this.target.showGrey(load.grey)
    this.putLabels(load)
    abort(load)
  }

  private loadLabels(load: Load): void {
    load.labelAbort.abort()
    const { labelSource } = this
    load.labels = null
    load.labelsPending = labelSource !== null
    load.labelError = null
    if (load === this.onShow) this.labelsShown = false
    if (labelSource === null) {
      if (load === this.onShow) this.target.showLabels(null)
      return
    }
    const controller = new AbortController()
    load.labelAbort = controller
    labelSource.load(load.plane, controller).then(
      (labels) => {
        if (controller.signal.aborted) return
        load.labels = labels
        load.labelsPending = false
        if (load === this.onShow) this.putLabels(load)
        else if (load === this.earlier) this.showEarlier(load)
      },
      (error: unknown) => {
        if (controller.signal.aborted) return
        load.labelsPending = false
        load.labelError = { error }
        if (load === this.wanted) this.failed(load, error)
        else if (load === this.earlier) this.dropEarlier()
      },
    )
  }

  private putLabels(load: Load): void {
    this.target.showLabels(load.labels)
    this.labelsShown = load.labels !== null
  }

  private labelsChanged(plane: Plane, rectangle: Rectangle): void {
    // Before they are shown, the whole plane goes up anyway.
    if (this.labelsShown && this.onShow !== null && isSamePlane(plane, this.onShow.plane))
      this.target.updateLabels(rectangle)
  }

  private failed(load: Load, error: unknown): void {
    this.setPatience(null)
    // A picture of another slice under this slice's name would be a lie.
    if (load.grey === null) this.showNothing()
    this.tell({ kind: 'failed', error })
  }

  private showNothing(): void {
    this.dropEarlier()
    this.onShow = null
    this.target.showGrey(null)
    this.target.showLabels(null)
    this.labelsShown = false
  }

  /** @param load whose picture is waited for; `null`: nothing is */
  private setPatience(load: Load | null): void {
    if (this.patience !== null) clearTimeout(this.patience)
    this.patience = null
    if (load === null || load !== this.wanted) return
    this.patience = setTimeout(() => {
      this.patience = null
      if (load.grey === null) this.showNothing()
      this.tell({ kind: 'loading', level: load.grey?.level ?? null, wanted: load.level })
    }, patienceMs)
  }
}

function abort(load: Load): void {
  load.greyAbort.abort()
  load.labelAbort.abort()
}

function isSamePlane(a: Plane, b: Plane): boolean {
  return a.axis === b.axis && a.index === b.index
}
