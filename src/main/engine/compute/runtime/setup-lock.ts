import { setTimeout as delay } from 'node:timers/promises'
import { hasTag, throwIfCancelled } from '../../../../shared/errors.ts'
import { acquireLock } from '../../files/lock.ts'
import type { FolderLock } from '../../files/lock.ts'

export interface WaitOptions {
  signal?: AbortSignal | undefined
  /** Called once, with a description of the owner, when somebody else holds the lock. */
  onWait?: (owner: string) => void
}

const pollMs = 250

/**
 * Holds the folder of runtimes for this process and waits while another setup does. Waiting is right here, where elsewhere
 * a second opener is refused: the other setup is making what this one wants.
 *
 * @throws `Cancelled` when the signal fires; `NotWritable`; `NoSpace`
 */
export async function acquireSetupLock(folder: string, options: WaitOptions = {}): Promise<FolderLock> {
  let announced = false
  for (;;) {
    throwIfCancelled(options.signal)
    try {
      return await acquireLock(folder, { purpose: 'setup' })
    } catch (error) {
      if (!hasTag(error, 'Locked')) throw error
      if (!announced) options.onWait?.(error.fields.owner)
      announced = true
    }
    await delay(pollMs)
  }
}
