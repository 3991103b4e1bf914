import type { LabelEdit, Plane, Rectangle } from '../../shared/annotation/edit.ts'
import type { LabelChange, LabelState } from '../../shared/contract/labels.ts'
import { hasTag } from '../../shared/errors.ts'
import { EditQueue, type LabelOperation, type QueueEntry, type QueueState } from './edit-queue.ts'
import { LabelPlanes, type DrawAhead, type PlaneReading } from './label-planes.ts'
import type { DrawableEdit, VolumeShape } from './plane-geometry.ts'

/** The labels of one volume in the data process. All methods reject with a `PhasemarkError`. */
export interface LabelsPort {
  open(): Promise<LabelState>
  readPlane(
    plane: Plane,
    rectangle: Rectangle | null,
    options: { signal: AbortSignal },
  ): Promise<PlaneReading>
  /** Carries out an operation; edits under the entry's id. Answers when it is on disk. */
  send(entry: QueueEntry): Promise<LabelChange>
  /** Everything that happens to these labels, whoever did it. */
  onChanged(listener: (change: LabelChange) => void): () => void
}

export interface LabelSessionListeners {
  /** Labels were opened, first or again after a lost connection. */
  onOpened(state: LabelState): void
  /** Called once for each change, in order. `operation`: what this window had asked for, if it was this window. */
  onChange(change: LabelChange, operation: LabelOperation | null): void
  onQueue(state: QueueState): void
  /** Labels could not be read for drawing; `readAgain` tries anew. */
  onReadingFailed(error: unknown): void
}

export interface LabelSessionOptions extends LabelSessionListeners {
  shape: VolumeShape
  port: LabelsPort
  draw: DrawAhead
  newId(): string
  now(): number
  wait(milliseconds: number): Promise<void>
}

/** How often and how many times opening is tried after the line came back: the project has to be opened there first. */
const reopenEveryMs = 250
const reopenAttempts = 80
/** Changes arrive as answer and as event; so many of the newest are remembered to handle each once. */
const rememberedChanges = 256

/**
 * The labels of one volume as this window works on them: planes to draw, a queue of what is not written yet, and every change told
 * once. It lives as long as the project is open, not as long as a workspace is looked at: strokes are still being written when
 * somebody goes elsewhere.
 *
 * States: opening → open → (line lost) → reopening → open …; `close` ends it.
 */
export class LabelSession {
  readonly planes: LabelPlanes
  readonly queue: EditQueue
  readonly #options: LabelSessionOptions
  /** Newest journal position heard of. */
  #sequence = 0
  readonly #handled = new Set<number>()
  readonly #forgetEvents: () => void
  #closed = false
  #reopening: Promise<void> | null = null

  constructor(options: LabelSessionOptions) {
    this.#options = options
    this.planes = new LabelPlanes({
      shape: options.shape,
      readPlane: (plane, rectangle, readOptions) => options.port.readPlane(plane, rectangle, readOptions),
      draw: options.draw,
      onReadingFailed: (_plane, error) => {
        // A lost line is mended by `lineRestored`, which reads everything again.
        if (!hasTag(error, 'Disconnected')) options.onReadingFailed(error)
      },
    })
    this.queue = new EditQueue({
      send: (entry) => options.port.send(entry),
      knownSequence: () => this.#sequence,
      onAnswered: (entry, change) => {
        this.#handle(change, entry)
      },
      onDiscarded: (entry) => {
        this.planes.withdraw(entry.id)
      },
      onStateChanged: (state) => {
        options.onQueue(state)
      },
      now: () => options.now(),
      newId: () => options.newId(),
    })
    this.#forgetEvents = options.port.onChanged((change) => {
      this.#handle(change, null)
    })
  }

  /** Opens the labels. Rejects when they cannot be opened. */
  async open(): Promise<void> {
    const state = await this.#options.port.open()
    if (this.#closed) return
    this.#sequence = state.sequence
    this.#options.onOpened(state)
    this.queue.reconnected(state.sequence)
  }

  /** The connection to the data process is gone: nothing is sent until `lineRestored`. */
  lineLost(): void {
    this.queue.disconnected()
  }

  /** The data process is back: opens the labels there, sends what waits, reads what is on show. Rejects when that fails for good. */
  lineRestored(): Promise<void> {
    this.#reopening ??= this.#reopen().finally(() => {
      this.#reopening = null
    })
    return this.#reopening
  }

  /** Material index of a stroke etc. goes through here; shows parts of a stroke before it is complete. */
  drawAhead(id: string, part: DrawableEdit): void {
    this.planes.drawAhead(id, part)
  }

  /** Queues an edit; `id` is the stroke's when parts of it are drawn already. */
  submit(edit: LabelEdit, id?: string): void {
    this.queue.add({ kind: 'edit', edit }, id)
  }

  do(operation: LabelOperation): void {
    this.queue.add(operation)
  }

  close(): void {
    this.#closed = true
    this.#forgetEvents()
    this.queue.close()
    this.planes.close()
  }

  async #reopen(): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      try {
        await this.open()
        break
      } catch (error) {
        if (this.#closed) return
        if (attempt >= reopenAttempts) throw error
        await this.#options.wait(reopenEveryMs)
      }
    }
    if (!this.#closed) this.planes.readAgain()
  }

  /** An answer and an event tell of the same change; whichever comes first counts. */
  #handle(change: LabelChange, entry: QueueEntry | null): void {
    if (this.#handled.has(change.sequence)) return
    this.#handled.add(change.sequence)
    this.planes.changed(change.sequence, change.changed, entry?.id ?? change.editId)
    if (this.#handled.size > rememberedChanges) {
      for (const oldest of this.#handled) {
        this.#handled.delete(oldest)
        break
      }
    }
    const operation = entry?.operation ?? this.queue.operationOnItsWay(change.editId)
    // The answer to an edit sent twice is as old as the edit; what it counts is not how things are now.
    if (change.sequence < this.#sequence) return
    this.#sequence = change.sequence
    this.#options.onChange(change, operation)
  }
}
