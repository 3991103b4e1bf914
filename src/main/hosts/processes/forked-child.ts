import { fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { Channel } from '../../../shared/contract/definition.ts'
import type { EngineProcess } from '../../../shared/contract/host.ts'
import { createMultiplexer, isMultiplexFrame } from '../../../shared/contract/transport/multiplex.ts'
import { workerUrl } from '../../engine/worker-url.ts'
import { isReadyMessage } from './process-messages.ts'
import type { EngineChild, ProcessEnd } from './supervisor.ts'

/** An engine process as a plain child process; clients reach it over channels that its host opens. */
export interface ForkedChild extends EngineChild {
  openChannel(): Channel
}

export interface ForkOptions {
  /** Added to the environment of this process. */
  env?: Readonly<Record<string, string>>
  /** Options of Node for the process. */
  execArgv?: readonly string[]
  /** Told what the process writes to stdout and stderr, and what goes wrong with the line to it. */
  log: (text: string) => void
}

/** Starts `data` or `compute` with the Node that runs this process. */
export function forkEngineProcess(name: EngineProcess, options: ForkOptions): ForkedChild {
  return forkModule(engineProcessModule(name), options)
}

/** Path of the module that an engine process runs. */
export function engineProcessModule(name: EngineProcess): string {
  return fileURLToPath(workerUrl(import.meta.url, `${name}-process`))
}

/** Starts any module that speaks as an engine process does. */
export function forkModule(modulePath: string, options: ForkOptions): ForkedChild {
  const child = fork(modulePath, [], {
    // Structured clone: typed arrays stay what they are.
    serialization: 'advanced',
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    env: { ...process.env, ...options.env },
    execArgv: [...(options.execArgv ?? [])],
  })
  child.stdout?.on('data', (data: Buffer) => {
    options.log(data.toString())
  })
  child.stderr?.on('data', (data: Buffer) => {
    options.log(data.toString())
  })
  return createForkedChild(child, options)
}

function createForkedChild(child: ChildProcess, { log }: ForkOptions): ForkedChild {
  const readyListeners: (() => void)[] = []
  const endListeners: ((end: ProcessEnd) => void)[] = []
  let end: ProcessEnd | null = null

  const send = (message: object): void => {
    if (end !== null || !child.connected) return
    child.send(message, (error) => {
      // The process is ending; its end is told by `exit`.
      if (error !== null)
        log(`a message to process ${String(child.pid)} was not delivered: ${error.message}\n`)
    })
  }
  const multiplexer = createMultiplexer(send)
  const onEnd = (how: ProcessEnd): void => {
    if (end !== null) return
    end = how
    multiplexer.ended('the process ended')
    for (const listener of endListeners) listener(how)
  }
  child.on('message', (message: unknown) => {
    if (isMultiplexFrame(message)) multiplexer.receive(message)
    else if (isReadyMessage(message)) for (const listener of readyListeners) listener()
    else log(`a message from process ${String(child.pid)} that is none of ours\n`)
  })
  child.on('exit', (code, signal) => {
    onEnd({ code, signal })
  })
  child.on('error', (error) => {
    log(`process ${String(child.pid)}: ${error.message}\n`)
    // Without a pid it never started, and no `exit` follows.
    if (child.pid === undefined) onEnd({ code: null, signal: null })
  })
  return {
    get pid() {
      return child.pid ?? null
    },
    send,
    onReady(listener) {
      readyListeners.push(listener)
    },
    onEnd(listener) {
      if (end === null) endListeners.push(listener)
      else listener(end)
    },
    kill() {
      child.kill('SIGKILL')
    },
    openChannel: () => multiplexer.open(),
  }
}
