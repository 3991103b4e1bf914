import type { LabelChange, LabelState } from '../../../../src/shared/contract/labels.ts'
import { PhasemarkError } from '../../../../src/shared/errors.ts'
import type { QueueEntry } from '../../../../src/renderer/annotate/edit-queue.ts'
import type { LabelsPort } from '../../../../src/renderer/annotate/label-session.ts'
import type { VolumeShape } from '../../../../src/renderer/annotate/plane-geometry.ts'
import { isDrawable, ModelLabels } from './model.ts'

interface Call {
  carryOut: () => unknown
  resolve: (value: unknown) => void
  reject: (error: unknown) => void
  signal: AbortSignal | null
}

/**
 * A data process that answers when the test says so. Requests are carried out in the order in which they were sent; answers and
 * events come back in any order. The line can break: what was not carried out is lost, and so are answers on their way.
 */
export class SimulatedLabels {
  readonly model: ModelLabels
  sequence = 0
  isFull = false
  /** How often each edit was carried out. */
  readonly carriedOut = new Map<string, number>()
  readonly #answers = new Map<string, LabelChange>()
  #done: Uint8Array[] = []
  #undone: Uint8Array[] = []
  #inbox: Call[] = []
  #outbox: (() => void)[] = []
  #breakers: (() => void)[] = []
  readonly #listeners = new Set<(change: LabelChange) => void>()

  constructor(shape: VolumeShape) {
    this.model = new ModelLabels(shape)
  }

  readonly port: LabelsPort = {
    open: () => this.#call(() => this.#state(), null),
    readPlane: (plane, rectangle, { signal }) =>
      this.#call(() => ({ ...this.model.read(plane, rectangle), sequence: this.sequence }), signal),
    send: (entry) => this.#call(() => this.#carryOut(entry), null),
    onChanged: (listener) => {
      this.#listeners.add(listener)
      return () => this.#listeners.delete(listener)
    },
  }

  get isQuiet(): boolean {
    return this.#inbox.length === 0 && this.#outbox.length === 0
  }

  /** Carries out the oldest request. */
  work(): void {
    const call = this.#inbox.shift()
    if (call === undefined || call.signal?.aborted) return
    let deliver: () => void
    try {
      const answer = call.carryOut()
      deliver = () => call.resolve(answer)
    } catch (error) {
      deliver = () => call.reject(error)
    }
    const lost = (): void => call.reject(broken())
    this.#breakers.push(lost)
    this.#outbox.push(() => {
      this.#breakers = this.#breakers.filter((breaker) => breaker !== lost)
      deliver()
    })
  }

  /** Brings one of the answers and events on their way. */
  deliver(choice: number): void {
    for (const bring of this.#outbox.splice(Math.floor(choice * this.#outbox.length), 1)) bring()
  }

  breakLine(): void {
    const calls = this.#inbox
    const breakers = this.#breakers
    this.#inbox = []
    this.#outbox = []
    this.#breakers = []
    for (const call of calls) call.reject(broken())
    for (const lost of breakers) lost()
  }

  /** Another program paints: nobody in this window has asked for it. */
  changeFromElsewhere(change: (model: ModelLabels) => void): void {
    const before = this.model.voxels.slice()
    this.#done.push(before)
    change(this.model)
    this.#emit(this.#change(before, null))
  }

  #call<Answer>(carryOut: () => unknown, signal: AbortSignal | null): Promise<Answer> {
    return new Promise((resolve, reject) => {
      this.#inbox.push({ carryOut, resolve: (value) => resolve(value as Answer), reject, signal })
    })
  }

  #carryOut({ id, operation }: QueueEntry): LabelChange {
    const earlier = this.#answers.get(id)
    if (earlier !== undefined) return earlier
    if (this.isFull) throw new PhasemarkError('NoSpace', 'the disk is full', { path: 'labels' })
    const before = this.model.voxels.slice()
    switch (operation.kind) {
      case 'edit': {
        if (!isDrawable(operation.edit)) throw new Error('the model knows no such edit')
        this.model.apply(operation.edit)
        this.#done.push(before)
        this.#undone = []
        this.carriedOut.set(id, (this.carriedOut.get(id) ?? 0) + 1)
        break
      }
      case 'undo': {
        const earlierVoxels = this.#done.pop()
        if (earlierVoxels === undefined) break
        this.#undone.push(before)
        this.model.voxels = earlierVoxels
        break
      }
      case 'redo': {
        const later = this.#undone.pop()
        if (later === undefined) break
        this.#done.push(before)
        this.model.voxels = later
        break
      }
      case 'go-to':
      case 'restore-version':
        throw new Error('the model knows no such operation')
    }
    const change = this.#change(before, operation.kind === 'edit' ? id : null)
    if (operation.kind === 'edit') this.#answers.set(id, change)
    this.#emit(change)
    return change
  }

  #emit(change: LabelChange): void {
    this.#outbox.push(() => {
      for (const listener of this.#listeners) listener(change)
    })
  }

  #change(before: Uint8Array, editId: string | null): LabelChange {
    this.sequence++
    return {
      volumeId: 'volume',
      sequence: this.sequence,
      editId,
      changed: this.model.changedSince(before),
      changedVoxels: 0,
      counts: [],
      canUndo: this.#done.length > 0,
      canRedo: this.#undone.length > 0,
      newest: null,
      historyLength: this.#done.length,
    }
  }

  #state(): LabelState {
    const change = this.#change(this.model.voxels, null)
    this.sequence--
    return {
      ...change,
      sequence: this.sequence,
      labelledSlices: new Uint32Array(),
      sliceMaterials: new Uint32Array(),
      versions: [],
      journal: { state: 'ok', message: null, lastWrittenAt: null },
      recovered: null,
    }
  }
}

function broken(): PhasemarkError {
  return new PhasemarkError('Disconnected', 'the data process ended', { process: 'data' })
}

/** Lets everything that waits for a promise go on. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 12; turn++) await Promise.resolve()
}
