import type { Channel } from '../../../shared/contract/definition.ts'
import { toErrorData } from '../../../shared/errors.ts'
import { cacheFolder, currentHost } from '../../engine/compute/runtime/host.ts'
import { userStateFolder } from '../../engine/settings/user-folders.ts'

/** What an engine process consists of, seen from its entry. */
export interface EngineServices {
  /** Serves a client until its channel closes. */
  connect(channel: Channel): void
  /** Lets go of everything: jobs, projects, connections. */
  close(): Promise<void>
}

/** Where an engine process finds and keeps its things. */
export interface EnginePlaces {
  /** Per-user memory: settings, recent projects, jobs under way. */
  stateFolder: string
  /** Per-user derived data, which may be deleted. */
  cacheFolder: string
  /** Folders that the window may reach; `null`: all that the user may. Given by the host in `PHASEMARK_ROOTS`. */
  roots: readonly string[] | null
  /** The process that starts this one again when it dies. */
  hostPid: number
  reportDefect: (error: unknown, where: string) => void
}

export function currentPlaces(processName: string): EnginePlaces {
  return {
    stateFolder: userStateFolder(),
    cacheFolder: cacheFolder(currentHost()),
    roots: rootsFrom(process.env['PHASEMARK_ROOTS']),
    hostPid: process.ppid,
    reportDefect(error, where) {
      const { message, cause } = toErrorData(error)
      console.error(
        `phasemark ${processName}: defect in ${where}: ${message}${cause === undefined ? '' : `\n${cause}`}`,
      )
    },
  }
}

/** A list that cannot be read must not become "everywhere". */
function rootsFrom(text: string | undefined): readonly string[] | null {
  if (text === undefined) return null
  const roots: unknown = JSON.parse(text)
  if (!Array.isArray(roots) || !roots.every((root) => typeof root === 'string')) {
    throw new TypeError('PHASEMARK_ROOTS: expected a JSON list of folders')
  }
  return roots
}
