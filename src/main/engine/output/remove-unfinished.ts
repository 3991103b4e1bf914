import { rm } from 'node:fs/promises'
import { partialPathOf } from './output-guard.ts'

/**
 * Removes what an interrupted stage of a job left of a result that is made in one go. For places inside the folder of a resumable
 * job that the job alone writes; never for a path that a user gave.
 */
export async function removeUnfinished(target: string): Promise<void> {
  for (const place of [target, partialPathOf(target)]) await rm(place, { recursive: true, force: true })
}
