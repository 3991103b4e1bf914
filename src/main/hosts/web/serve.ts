import { existsSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { hostContract } from '../../../shared/contract/contract.ts'
import { engineProcessSchema } from '../../../shared/contract/host.ts'
import { PhasemarkError } from '../../../shared/errors.ts'
import { createPathGuard } from '../../engine/settings/path-guard.ts'
import { serveContract, type Emitter } from '../../../shared/contract/transport/serve-contract.ts'
import { forkEngineProcess, type ForkedChild } from '../processes/forked-child.ts'
import { createSupervisor, type Supervisor } from '../processes/supervisor.ts'
import { createRpcSockets } from './rpc-sockets.ts'
import { Sessions } from './sessions.ts'
import { createWebHostService } from './web-host-service.ts'
import { startWebServer } from './web-server.ts'

export interface ServeOptions {
  /** Folders that the window may read and write in; nothing outside is reachable. At least one. */
  roots: readonly string[]
  /** Port on 127.0.0.1; 0 lets the system choose. */
  port: number
  /** Folders, files or projects that the first window opens. */
  open?: readonly string[]
  /** What the processes print and what goes wrong beside the requests. */
  log: (text: string) => void
}

export interface ServedWindow {
  readonly port: number
  /** A new address that opens the window once, in one browser. */
  link(): string
  close(): Promise<void>
}

/**
 * Serves the window to browsers of this machine (or of others, through a tunnel): engine processes under supervision, files of
 * the built window, connections between the two.
 * Throws `NotFound` for a root that does not exist, `WrongUsage` without a root or for a port that is taken, `Internal` when the
 * window was not built.
 */
export async function serveWindow(options: ServeOptions): Promise<ServedWindow> {
  if (options.roots.length === 0) {
    throw new PhasemarkError(
      'WrongUsage',
      '--root: expected at least one folder that the window may reach, found none',
      {
        argument: '--root',
      },
    )
  }
  const { roots } = await createPathGuard(options.roots)
  const windowFolder = builtWindow()
  const sessions = new Sessions()
  const openRequests = (options.open ?? []).map((place) => path.resolve(place))
  let emit: ReturnType<Emitter<typeof hostContract>> | null = null
  const supervisor = createSupervisor<ForkedChild>({
    spawn: (name) =>
      forkEngineProcess(name, {
        env: { PHASEMARK_ROOTS: JSON.stringify(roots) },
        log: (text) => {
          options.log(`${name}: ${text}`)
        },
      }),
    onStatus: (status) => emit?.('processChanged', status),
  })
  const host = serveContract(
    hostContract,
    (emitter) => {
      emit = emitter('host')
      return {
        host: createWebHostService({
          statuses: () => supervisor.statuses(),
          restart: (name) => supervisor.restart(name),
          takeOpenRequests: () => openRequests.splice(0),
        }),
      }
    },
    {
      reportDefect: (error, where) => {
        options.log(
          `host: ${where}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`,
        )
      },
    },
  )
  const sockets = createRpcSockets({
    serveHost: (channel) => {
      host.connect(channel)
    },
    running: (name) => supervisor.running(name),
  })
  const server = await startWebServer({
    windowFolder,
    port: options.port,
    sessions,
    onUpgrade: (address, request, socket, head) => {
      sockets.take(address, request, socket, head)
    },
    onError: (error) => {
      options.log(`web: ${error instanceof Error ? error.message : String(error)}\n`)
    },
  })
  supervisor.start()
  await firstRun(supervisor)
  return {
    port: server.port,
    link: () => `http://127.0.0.1:${server.port}/?token=${sessions.issueToken()}`,
    async close() {
      sockets.close()
      host.close()
      await Promise.all([server.close(), supervisor.close()])
    },
  }
}

/** A machine that starts a process more slowly than this serves a window that waits for it. */
const startPatienceMs = 10_000

/** Resolves when both processes run, so that the first window finds them; at the latest after `startPatienceMs`. */
async function firstRun(supervisor: Supervisor<ForkedChild>): Promise<void> {
  const detach: (() => void)[] = []
  let timer: NodeJS.Timeout | undefined
  const both = engineProcessSchema.options.map(
    (name) =>
      new Promise<void>((resolve) => {
        detach.push(supervisor.attach(name, () => resolve()))
      }),
  )
  const patience = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, startPatienceMs)
  })
  await Promise.race([Promise.all(both), patience])
  clearTimeout(timer)
  for (const forget of detach) forget()
}

/** `dist/renderer`, beside what this module was compiled to. */
function builtWindow(): string {
  const here = fileURLToPath(import.meta.url)
  const marker = `${path.sep}${here.endsWith('.ts') ? 'src' : 'dist'}${path.sep}`
  const folder = path.join(here.slice(0, here.lastIndexOf(marker)), 'dist', 'renderer')
  if (!existsSync(path.join(folder, 'index.html'))) {
    throw new PhasemarkError('Internal', `${folder}: expected the built window; run: npm run serve`, {})
  }
  return folder
}
