import type { HistoryEntry, LabelChange } from '../../shared/contract/labels.ts'
import type { LabelOperation } from '../annotate/edit-queue.ts'

/** The newest part of a history, newest first. */
export interface HistoryList {
  entries: readonly HistoryEntry[]
  /** Whether there are older entries. */
  more: boolean
}

/** Entries in memory; older ones are read again when somebody scrolls there. */
const keptEntries = 2000

/**
 * The list after a change. `isComplete` says whether it is certainly what the data process has; otherwise it should be read again (it
 * already looks right for undo and redo, so that the list follows at once).
 */
export function afterChange(
  list: HistoryList,
  change: LabelChange,
  operation: LabelOperation | null,
): { history: HistoryList; isComplete: boolean } {
  const { newest } = change
  if (operation?.kind === 'undo') return patched(list, undoNewest(list.entries))
  if (operation?.kind === 'redo') return patched(list, redoOldest(list.entries))
  if (operation?.kind === 'go-to')
    return patched(
      list,
      list.entries.map((entry) => withUndone(entry, entry.sequence > operation.sequence)),
    )
  const isAppended = newest !== null && change.editId !== null && newest.editId === change.editId
  if (!isAppended) return { history: list, isComplete: false }
  if (list.entries.some((entry) => entry.sequence === newest.sequence))
    return { history: list, isComplete: true }
  // What was undone before a new edit can no longer be redone.
  const hadUndone = list.entries.at(0)?.undone === true
  const kept = list.entries.filter((entry) => !entry.undone)
  const entries = [newest, ...kept.slice(0, keptEntries - 1)]
  return {
    history: { entries, more: list.more || kept.length > keptEntries - 1 },
    isComplete: !hadUndone,
  }
}

function patched(
  list: HistoryList,
  entries: readonly HistoryEntry[],
): { history: HistoryList; isComplete: boolean } {
  return { history: { ...list, entries }, isComplete: false }
}

function undoNewest(entries: readonly HistoryEntry[]): HistoryEntry[] {
  const at = entries.findIndex((entry) => !entry.undone)
  return entries.map((entry, position) => (position === at ? withUndone(entry, true) : entry))
}

function redoOldest(entries: readonly HistoryEntry[]): HistoryEntry[] {
  const at = entries.findLastIndex((entry) => entry.undone)
  return entries.map((entry, position) => (position === at ? withUndone(entry, false) : entry))
}

function withUndone(entry: HistoryEntry, undone: boolean): HistoryEntry {
  return entry.undone === undone ? entry : { ...entry, undone }
}
