import type { ServiceImplementation } from '../../../shared/contract/definition.ts'
import type { EngineProcess, hostService, ProcessStatus } from '../../../shared/contract/host.ts'
import { PhasemarkError } from '../../../shared/errors.ts'
import { packageVersion } from '../../engine/package-version.ts'

export interface WebHostContext {
  statuses: () => ProcessStatus[]
  restart: (name: EngineProcess) => Promise<void>
  /** Paths that the first window shall open. */
  takeOpenRequests: () => string[]
}

/**
 * The `host` service of the contract for a browser. What belongs to a desktop (dialogs, window buttons, other programs) is not
 * there; the window knows from `info` and shows its own file browser.
 */
export function createWebHostService(context: WebHostContext): ServiceImplementation<typeof hostService> {
  return {
    info: () => ({
      kind: 'web' as const,
      version: packageVersion(),
      platform: process.platform,
      nativeDialogs: false,
      windowButtons: false,
    }),
    chooseFolder: () => notHere('chooseFolder'),
    chooseFile: () => notHere('chooseFile'),
    chooseSavePath: () => notHere('chooseSavePath'),
    showInFolder: () => notHere('showInFolder'),
    // The page opens links itself, in a browser that has them already.
    openExternal: () => notHere('openExternal'),
    window: () => notHere('window'),
    processes: () => context.statuses(),
    restartProcess: async ({ name }) => {
      await context.restart(name)
      return {}
    },
    takeOpenRequests: () => context.takeOpenRequests(),
  }
}

function notHere(method: string): never {
  throw new PhasemarkError(
    'WrongUsage',
    `host.${method}: expected a window of the desktop app, found a browser; the window's own dialogs do this`,
    { argument: method },
  )
}
