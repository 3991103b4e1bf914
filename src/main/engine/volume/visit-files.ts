import { setImmediate as nextTurn } from 'node:timers/promises'
import { isMainThread } from 'node:worker_threads'
import { throwIfCancelled } from '../../../shared/errors.ts'
import { concurrentHeaderReads } from './limits.ts'

/** Files that are visited while the thread does nothing else; messages, such as that nobody waits any more, come in between. */
const filesPerTurn = 16
/** Longer than this for a turn, and the disk is slow enough for visiting several files at a time to be quicker. */
const quickTurnMs = 16
/**
 * Files that are visited side by side after the first slow turn, before the disk is tried again: it may have been other work that took
 * the time. Twice as many after the next.
 */
const filesUntilRetry = 64

export interface VisitOptions {
  signal?: AbortSignal | undefined
  /** Whether this thread may wait for the disk; default: all but the first of a process, which answers calls. */
  mayBlock?: boolean
}

/**
 * Calls `visit` for the files 0 to `count` - 1, to look at them with a few system calls each. Where it may, `visit` is told to
 * block: calls that a cache of the system answers are many times quicker so than by way of the thread pool.
 *
 * Throws what `visit` threw for the first file in order for which it did, whichever ended first, so that runs agree; `Cancelled`
 * through the signal.
 */
export async function visitFiles(
  count: number,
  visit: (index: number, blocking: boolean) => Promise<void>,
  { signal, mayBlock = !isMainThread }: VisitOptions = {},
): Promise<void> {
  let patientUntil = mayBlock ? 0 : count
  let patience = filesUntilRetry
  for (let next = 0; next < count;) {
    throwIfCancelled(signal)
    if (next < patientUntil) {
      await visitSideBySide(next, patientUntil, visit, signal)
      next = patientUntil
      continue
    }
    const stop = Math.min(next + filesPerTurn, count)
    const began = performance.now()
    for (; next < stop; next++) await visit(next, true)
    // The first turn compiles the code that it runs.
    if (next > filesPerTurn && performance.now() - began > quickTurnMs) {
      patientUntil = Math.min(next + patience, count)
      patience *= 2
    }
    await nextTurn()
  }
}

async function visitSideBySide(
  start: number,
  stop: number,
  visit: (index: number, blocking: boolean) => Promise<void>,
  signal: AbortSignal | undefined,
): Promise<void> {
  let next = start
  const failures: { index: number; error: unknown }[] = []
  const worker = async (): Promise<void> => {
    while (next < stop && failures.length === 0) {
      throwIfCancelled(signal)
      const index = next++
      try {
        await visit(index, false)
      } catch (error) {
        failures.push({ index, error })
      }
    }
  }
  await Promise.all(Array.from({ length: concurrentHeaderReads }, worker))
  const earliest = failures.sort((left, right) => left.index - right.index).at(0)
  if (earliest !== undefined) throw earliest.error
}
