import { setTimeout as sleep } from 'node:timers/promises'
import { throwIfCancelled } from '../../../../shared/errors.ts'
import { loadDone, readOverview, Unreadable, type BuildOptions, type BuildOutcome } from './build.ts'
import { PyramidStore } from './store.ts'

const pollMs = 1000
/** A builder that finishes no unit for this long is stuck, or has ended without a word. */
const patienceMs = 60_000

/**
 * Shows a pyramid while another process builds it: takes over each unit when it is done.
 * Throws `Cancelled` through the signal, system errors when the files cannot be read.
 */
export async function followPyramid(
  options: Omit<BuildOptions, 'store' | 'onFinestChanged'> & { folder: string; finest: number },
): Promise<BuildOutcome> {
  const { folder, finest, layout, coarse, unitsDone, signal } = options
  const store = new PyramidStore(folder, layout, finest, false)
  try {
    await readOverview(options, new Unreadable())
    let grewAt = Date.now()
    for (;;) {
      const before = unitsDone.reduce((sum, done) => sum + done, 0)
      loadDone(store, coarse, unitsDone)
      const now = unitsDone.reduce((sum, done) => sum + done, 0)
      if (now > before) {
        grewAt = Date.now()
        options.onProgress()
      }
      if (now === layout.units) return { state: 'ready', reason: null }
      if (Date.now() - grewAt > patienceMs || store.isRemoved()) {
        return { state: 'stopped', reason: 'Another program that prepares this volume does not go on.' }
      }
      await sleep(pollMs)
      throwIfCancelled(signal)
    }
  } finally {
    store.close()
  }
}
