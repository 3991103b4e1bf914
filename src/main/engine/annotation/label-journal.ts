import path from 'node:path'
import type { JournalState, LabelState } from '../../../shared/contract/labels.ts'
import { hasTag, isPhasemarkError, PhasemarkError } from '../../../shared/errors.ts'
import type { Shape3 } from '../../../shared/volume.ts'
import { makeFolder } from '../files/atomic-file.ts'
import { acquireLock, type FolderLock } from '../files/lock.ts'
import type { RecordPlace } from './history.ts'
import { listLabelFiles, setAside } from './journal-files.ts'
import { JournalWriter, type JournalWriterOptions, type WaitingRecord } from './journal-writer.ts'
import type { LoadedLabels } from './load-labels.ts'

export interface LabelJournalOptions extends JournalWriterOptions {
  /** Why these labels are only looked at; `null` when they are ours to write. */
  readOnly: string | null
  onState: (state: JournalState) => void
}

export type AppendRecords = (records: readonly WaitingRecord[]) => Promise<RecordPlace[]>

/**
 * The journal as its owner sees it: the folder, the lock, the repair of a torn end, writing all or nothing, and the state that
 * people see. A disk that fails is tried again with every edit.
 */
export class LabelJournal {
  readonly #folder: string
  readonly #shape: Shape3
  readonly #options: LabelJournalOptions
  #lock: FolderLock | null = null
  #writer: JournalWriter | null = null
  #loaded: LoadedLabels | null = null
  #readOnly: PhasemarkError | null = null
  #state: JournalState = { state: 'ok', message: null, lastWrittenAt: null }
  recovered: LabelState['recovered'] = null

  constructor(folder: string, shape: Shape3, options: LabelJournalOptions) {
    this.#folder = folder
    this.#shape = shape
    this.#options = options
    if (options.readOnly !== null) this.#refuse(options.readOnly)
  }

  get state(): JournalState {
    return this.#state
  }

  /** Whether these labels can only be looked at. */
  get isReadOnly(): boolean {
    return this.#readOnly !== null
  }

  /** Takes the folder, before its files are read. A folder that cannot be taken is a state, not an error. */
  async take(): Promise<void> {
    if (this.#readOnly !== null) return
    try {
      await this.#acquire()
    } catch (error) {
      if (!isPhasemarkError(error)) throw error
      if (hasTag(error, 'Locked'))
        this.#refuse(`another process has these labels open (${error.fields.owner}); they can be looked at`)
      else this.#report(error)
    }
  }

  /** Goes on with what was read: sets aside what cannot be used, and gets ready to write behind it. */
  async continueFrom(loaded: LoadedLabels): Promise<void> {
    this.#loaded = loaded
    const edits = loaded.history.editsSinceClosed
    if (this.#readOnly !== null) return
    if (edits !== null || loaded.damage !== null)
      this.recovered = {
        edits: edits ?? 0,
        lostBytes: loaded.damage?.bytes ?? 0,
        message: recoveredMessage(edits ?? 0, loaded, []),
      }
    if (this.#lock === null) return
    try {
      await this.#prepare()
    } catch (error) {
      if (!isPhasemarkError(error)) throw error
      this.#report(error)
    }
  }

  /** Throws `Locked` when these labels can only be looked at. */
  requireWritable(): void {
    if (this.#readOnly !== null) throw this.#readOnly
  }

  /**
   * Lets `write` append records and puts them on the disk. All or nothing: when anything throws, the journal ends where it did.
   * Throws `NoSpace`, `NotWritable`, `Locked`, or what `write` throws.
   */
  async transaction<Result>(write: (append: AppendRecords) => Promise<Result>): Promise<Result> {
    this.requireWritable()
    // What the disk did is the journal's state; what else goes wrong is not.
    const progress = { appended: false, onDisk: true }
    try {
      const writer = await this.#prepare()
      const { end } = writer
      progress.onDisk = false
      try {
        const result = await write(async (records) => {
          progress.appended = true
          progress.onDisk = true
          const places = await writer.append(records)
          progress.onDisk = false
          return places
        })
        if (progress.appended) {
          progress.onDisk = true
          await writer.sync()
          this.#succeeded()
        }
        return result
      } catch (error) {
        if (progress.appended) await writer.cutBack(end)
        throw error
      }
    } catch (error) {
      if (progress.onDisk) this.#report(error)
      throw error
    }
  }

  /** Where the next record belongs. */
  get end() {
    return this.#writer?.end ?? this.#loaded?.end ?? { segment: 0, offset: 0 }
  }

  async close(): Promise<void> {
    try {
      await this.#writer?.close()
    } finally {
      this.#writer = null
      await this.#lock?.release()
      this.#lock = null
    }
  }

  async #acquire(): Promise<void> {
    await makeFolder(this.#folder)
    this.#lock = await acquireLock(this.#folder, { purpose: 'labels' })
  }

  async #prepare(): Promise<JournalWriter> {
    if (this.#writer !== null) return this.#writer
    const loaded = this.#loaded
    if (loaded === null) throw new Error('the journal was not read yet')
    if (this.#lock === null) {
      await this.#acquire()
      await this.#requireUnchanged(loaded)
    }
    if (loaded.damage !== null) {
      const kept = await setAside(this.#folder, loaded.damage)
      const edits = this.recovered?.edits ?? 0
      this.recovered = {
        edits,
        lostBytes: loaded.damage.bytes,
        message: recoveredMessage(edits, loaded, kept),
      }
      loaded.damage = null
    }
    this.#writer = new JournalWriter(this.#folder, this.#shape, loaded, this.#options)
    return this.#writer
  }

  /** The folder could not be taken when its files were read: somebody else may have written to them since. */
  async #requireUnchanged(loaded: LoadedLabels): Promise<void> {
    const { bytes } = await listLabelFiles(this.#folder)
    if (bytes === loaded.bytes) return
    await this.#lock?.release()
    this.#lock = null
    throw new PhasemarkError(
      'Locked',
      `${this.#folder}: another process has changed these labels since they were opened; open the project again`,
      { path: this.#folder, owner: 'another process' },
    )
  }

  #refuse(reason: string): void {
    this.#readOnly = new PhasemarkError('Locked', `${this.#folder}: ${reason}`, {
      path: this.#folder,
      owner: reason,
    })
    this.#state = { state: 'read-only', message: reason, lastWrittenAt: null }
  }

  #succeeded(): void {
    const wasOk = this.#state.state === 'ok'
    this.#state = { state: 'ok', message: null, lastWrittenAt: new Date().toISOString() }
    if (!wasOk) this.#options.onState(this.#state)
  }

  #report(error: unknown): void {
    const before = this.#state
    const state = hasTag(error, 'NoSpace')
      ? 'disk-full'
      : hasTag(error, 'NotWritable')
        ? 'not-writable'
        : 'failed'
    const message = error instanceof Error ? error.message : String(error)
    this.#state = { state, message, lastWrittenAt: before.lastWrittenAt }
    if (before.state !== state || before.message !== message) this.#options.onState(this.#state)
  }
}

function recoveredMessage(edits: number, { damage }: LoadedLabels, kept: readonly string[]): string {
  const what = `The last use of these labels ended without closing; ${edits} ${edits === 1 ? 'edit' : 'edits'} made since then ${edits === 1 ? 'is' : 'are'} there`
  if (damage === null) return `${what}.`
  const where =
    kept.length === 0
      ? 'they stay where they are, and nothing is written over them'
      : `they are kept as ${kept.map((file) => path.basename(file)).join(', ')} in ${path.dirname(kept[0])}`
  return damage.kind === 'torn'
    ? `${what}. ${damage.bytes} bytes of an edit that was not finished cannot be used: ${where}.`
    : `The journal of these labels is damaged (${damage.reason}). Everything before that is there. ${damage.bytes} bytes behind it cannot be used: ${where}.`
}
