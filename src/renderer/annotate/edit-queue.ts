import type { LabelEdit } from '../../shared/annotation/edit.ts'
import type { LabelChange } from '../../shared/contract/labels.ts'
import { hasTag, isPhasemarkError, type ErrorTag } from '../../shared/errors.ts'

/** Something that changes labels. All of them go through one queue, so that an undo takes back what was seen before it. */
export type LabelOperation =
  | { kind: 'edit'; edit: LabelEdit }
  | { kind: 'undo' }
  | { kind: 'redo' }
  | { kind: 'go-to'; sequence: number }
  | { kind: 'restore-version'; number: number }

export interface QueueEntry {
  /** Chosen here; for edits the `editId` that makes sending again harmless. */
  readonly id: string
  readonly operation: LabelOperation
  readonly queuedAtMs: number
}

/** Why nothing is written at the moment. */
export interface QueueTrouble {
  /** `disconnected`: goes on by itself; `paused`: the journal cannot be written; `refused`: this operation is not accepted. */
  kind: 'disconnected' | 'paused' | 'refused'
  tag: ErrorTag
  message: string
}

export interface QueueState {
  /** Operations without an answer, the one on its way included. */
  waiting: number
  /** How many of them are edits, which would be lost with the window. */
  unwrittenEdits: number
  oldestQueuedAtMs: number | null
  trouble: QueueTrouble | null
}

export interface EditQueueOptions {
  /** Carries out one operation; answers when it is on disk. Rejects with a `PhasemarkError`. */
  send(entry: QueueEntry): Promise<LabelChange>
  /** The newest journal position that is known, read before each sending. */
  knownSequence(): number
  onAnswered(entry: QueueEntry, change: LabelChange): void
  /** A person decided to give this operation up. */
  onDiscarded(entry: QueueEntry): void
  onStateChanged(state: QueueState): void
  now(): number
  newId(): string
}

/**
 * Operations that wait for their answer. They are sent one after the other in the order in which they were made; one that fails stays
 * first until it succeeds or a person discards it. Nothing leaves the queue in any other way.
 *
 * States: idle (empty) → sending → idle; sending → disconnected → (`reconnected`) → sending; sending → paused or refused →
 * (`tryAgain`, `discardFirst`) → sending.
 */
export class EditQueue {
  readonly #options: EditQueueOptions
  #entries: QueueEntry[] = []
  #trouble: QueueTrouble | null = null
  #sending = false
  /** Journal position before the first entry was sent for the first time; `null` when it was not sent yet. */
  #sequenceBefore: number | null = null
  /** Journal position at the latest reconnection while something was on its way. */
  #reconnectedAt: number | null = null
  #idleListeners: (() => void)[] = []
  #closed = false

  constructor(options: EditQueueOptions) {
    this.#options = options
  }

  get state(): QueueState {
    return {
      waiting: this.#entries.length,
      unwrittenEdits: this.#entries.filter(({ operation }) => operation.kind === 'edit').length,
      oldestQueuedAtMs: this.#entries.at(0)?.queuedAtMs ?? null,
      trouble: this.#trouble,
    }
  }

  /** Puts an operation at the end and returns its entry; it is sent as soon as those before it were answered. */
  add(operation: LabelOperation, id = this.#options.newId()): QueueEntry {
    const entry = { id, operation, queuedAtMs: this.#options.now() }
    this.#entries.push(entry)
    this.#announce()
    this.#sendNext()
    return entry
  }

  /** Resolves when every operation was answered or discarded. */
  async whenEmpty(): Promise<void> {
    if (this.#entries.length === 0) return
    await new Promise<void>((resolve) => this.#idleListeners.push(resolve))
  }

  /**
   * The connection is back and the journal stands at `sequence`. Edits are sent again under their id. Other operations have no
   * id on the other side: one that was on its way was carried out exactly when the journal has grown.
   */
  reconnected(sequence: number): void {
    this.#reconnectedAt = sequence
    if (this.#sending || (this.#trouble !== null && this.#trouble.kind !== 'disconnected')) return
    this.#goOnAfter(sequence)
  }

  #goOnAfter(sequence: number): void {
    this.#trouble = null
    this.#reconnectedAt = null
    const first = this.#entries.at(0)
    const before = this.#sequenceBefore
    if (first !== undefined && before !== null && sequence > before && !isRepeatable(first.operation))
      this.#removeFirst()
    this.#announce()
    this.#sendNext()
  }

  /** The line is gone: keeps everything until `reconnected`. */
  disconnected(): void {
    if (this.#trouble?.kind === 'disconnected') return
    // A full disk stays one: the person who mends it says when to go on.
    this.#trouble ??= {
      kind: 'disconnected',
      tag: 'Disconnected',
      message: 'The process that writes labels has ended; it is being started again.',
    }
    this.#announce()
  }

  /** What the first entry asks for, when a change without an answer yet may come from it. */
  operationOnItsWay(editId: string | null): LabelOperation | null {
    const first = this.#entries.at(0)
    if (first === undefined || !this.#sending) return null
    const isItsEdit = first.operation.kind === 'edit' ? first.id === editId : editId === null
    return isItsEdit ? first.operation : null
  }

  /** Sends the first operation again after the reason for the refusal was dealt with. */
  tryAgain(): void {
    if (this.#trouble === null) return
    this.#trouble = null
    this.#announce()
    this.#sendNext()
  }

  /** Gives up the operation that was refused; only on a person's word. */
  discardFirst(): void {
    const first = this.#entries.at(0)
    if (first === undefined || this.#trouble === null || this.#sending) return
    this.#trouble = null
    this.#removeFirst()
    this.#options.onDiscarded(first)
    this.#announce()
    this.#sendNext()
  }

  /** Sends nothing more; for the end of a project, when the queue is empty. */
  close(): void {
    this.#closed = true
  }

  #removeFirst(): void {
    this.#entries.shift()
    this.#sequenceBefore = null
  }

  #sendNext(): void {
    const entry = this.#entries.at(0)
    if (this.#sending || this.#trouble !== null || this.#closed || entry === undefined) return
    this.#sending = true
    this.#reconnectedAt = null
    this.#sequenceBefore ??= this.#options.knownSequence()
    this.#options.send(entry).then(
      (change) => {
        this.#sending = false
        this.#removeFirst()
        this.#options.onAnswered(entry, change)
        this.#announce()
        this.#sendNext()
      },
      (error: unknown) => {
        this.#sending = false
        this.#trouble = troubleOf(error)
        // The line was restored before the broken call was heard of: nobody else will say so again.
        const restored = this.#reconnectedAt
        if (this.#trouble.kind === 'disconnected' && restored !== null) this.#goOnAfter(restored)
        else this.#announce()
      },
    )
  }

  #announce(): void {
    this.#options.onStateChanged(this.state)
    if (this.#entries.length > 0) return
    const listeners = this.#idleListeners
    this.#idleListeners = []
    for (const listener of listeners) listener()
  }
}

/** Whether sending it twice does no harm: edits have an id on the other side, a place in the history is a place. */
function isRepeatable(operation: LabelOperation): boolean {
  return operation.kind === 'edit' || operation.kind === 'go-to'
}

/** A full disk or a read-only folder can be mended; anything else is about this one operation. */
function troubleOf(error: unknown): QueueTrouble {
  const message = error instanceof Error ? error.message : String(error)
  if (hasTag(error, 'Disconnected')) return { kind: 'disconnected', tag: 'Disconnected', message }
  const tag = isPhasemarkError(error) ? error._tag : 'Internal'
  const mendable = tag === 'NoSpace' || tag === 'NotWritable' || tag === 'Locked'
  return { kind: mendable ? 'paused' : 'refused', tag, message }
}
