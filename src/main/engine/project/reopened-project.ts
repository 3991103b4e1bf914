import { hasTag, cancelled, PhasemarkError } from '../../../shared/errors.ts'
import type { OpenProject, ProjectHolder } from './project-holder.ts'
import { realPathOrSame } from './project-paths.ts'

/**
 * A window opens its project again within a second. When it cannot, its user may have to connect a drive first; and waiting costs
 * nothing.
 */
const defaultLimitMs = 10 * 60_000

export interface ReopenedOptions {
  signal: AbortSignal
  /** Default 10 minutes. */
  limitMs?: number | undefined
}

/**
 * Waits until the project `folder` is open again, for work that has lost the process in which it was.
 * Throws `Disconnected` when another project is opened instead, or none within `limitMs`; `Cancelled`.
 */
export async function untilReopened(
  holder: ProjectHolder,
  folder: string,
  { signal, limitMs = defaultLimitMs }: ReopenedOptions,
): Promise<void> {
  const ended = new AbortController()
  try {
    await new Promise<void>((resolve, reject) => {
      const look = async (): Promise<void> => {
        const current = openProject(holder)
        if (current === null) return
        if (await isSameFolder(current.folder, folder)) resolve()
        else reject(notReopened(folder, `${current.folder} was opened instead`))
      }
      const lookNow = (): void => {
        look().catch(reject)
      }
      const forget = holder.onOpened(lookNow)
      const timer = setTimeout(() => {
        reject(notReopened(folder, `it was not opened again within ${describeMinutes(limitMs)}`))
      }, limitMs)
      ended.signal.addEventListener('abort', () => {
        forget()
        clearTimeout(timer)
      })
      const onAbort = (): void => {
        reject(cancelled())
      }
      signal.addEventListener('abort', onAbort, { once: true, signal: ended.signal })
      if (signal.aborted) onAbort()
      else lookNow()
    })
  } finally {
    ended.abort()
  }
}

/** Whether the project `folder` is the one that is open. */
export async function isOpenNow(holder: ProjectHolder, folder: string): Promise<boolean> {
  const current = openProject(holder)
  return current !== null && (await isSameFolder(current.folder, folder))
}

function openProject(holder: ProjectHolder): OpenProject | null {
  try {
    return holder.current()
  } catch (error) {
    if (hasTag(error, 'WrongUsage')) return null
    throw error
  }
}

async function isSameFolder(left: string, right: string): Promise<boolean> {
  return left === right || (await realPathOrSame(left)) === (await realPathOrSame(right))
}

function notReopened(folder: string, what: string): PhasemarkError<'Disconnected'> {
  return new PhasemarkError(
    'Disconnected',
    `the process that did it ended before it was done; to go on it needs the project ${folder}, but ${what}. Open the project and start it again`,
    { process: 'data' },
  )
}

function describeMinutes(durationMs: number): string {
  const minutes = Math.max(1, Math.round(durationMs / 60_000))
  return `${minutes} minute${minutes === 1 ? '' : 's'}`
}
