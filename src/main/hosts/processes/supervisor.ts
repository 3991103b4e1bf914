import { engineProcessSchema } from '../../../shared/contract/host.ts'
import type { EngineProcess, ProcessStatus } from '../../../shared/contract/host.ts'
import type { ProcessRequest } from './process-messages.ts'

/** How a process ended. */
export interface ProcessEnd {
  code: number | null
  signal: string | null
}

/**
 * A started engine process, as its host sees it. `child_process` and Electron's `utilityProcess` each have an implementation;
 * what else they can do (hand over a port, open a channel) is theirs.
 */
export interface EngineChild {
  /** `null` before the system has told it. */
  readonly pid: number | null
  /** Sends one of the messages that every engine process understands. Does nothing when it has ended. */
  send(request: ProcessRequest): void
  /** Called once, when the process says that it can be connected to. */
  onReady(listener: () => void): void
  /** Called once, when it has ended or could not be started. */
  onEnd(listener: (end: ProcessEnd) => void): void
  /** Ends it at once, without asking. */
  kill(): void
}

export interface SupervisorOptions<Child extends EngineChild> {
  /** Starts a process; a start that fails is told through `onEnd`. */
  spawn: (name: EngineProcess) => Child
  /** Called after every change of a status. */
  onStatus: (status: ProcessStatus) => void
}

/**
 * Keeps the engine processes alive: starts them, starts them again when they die, gives up when that happens too often.
 *
 * States: starting → running → (died) restarting → running …; restarting → failed after `mostDeaths` within `deathWindowMs`;
 * `restart` leads out of failed.
 */
export interface Supervisor<Child extends EngineChild> {
  start(): void
  statuses(): ProcessStatus[]
  /** The process, when it is running now. */
  running(name: EngineProcess): Child | null
  /**
   * Calls `connect` with the process now, when it is running, and again each time it was started anew: every client makes its
   * connection there. Returns a function that forgets the client.
   */
  attach(name: EngineProcess, connect: (child: Child) => void): () => void
  /** Ends the process when there is one and starts it again, whatever happened before. */
  restart(name: EngineProcess): Promise<void>
  /** Asks the processes to end (the project is closed properly) and kills those that do not within `shutdownMs`. */
  close(): Promise<void>
}

/** Five deaths in a minute are no accident: going on would only keep the machine busy. */
const mostDeaths = 5
const deathWindowMs = 60_000
/** Waiting before the next start, by number of deaths in the window. The first restart comes at once. */
const restartDelaysMs = [0, 200, 500, 1000] as const
/** A process that does not get ready within this time hangs. Starting takes less than a second; a cold disk some more. */
const startLimitMs = 30_000
/** Time to write what is unwritten and to let go of the project. */
const shutdownMs = 5000

export function createSupervisor<Child extends EngineChild>(
  options: SupervisorOptions<Child>,
): Supervisor<Child> {
  const processes = new Map(
    engineProcessSchema.options.map((name) => [name, new SupervisedProcess(name, options)]),
  )
  const of = (name: EngineProcess): SupervisedProcess<Child> => processes.get(name)!
  return {
    start() {
      for (const supervised of processes.values()) supervised.start()
    },
    statuses: () => [...processes.values()].map((supervised) => supervised.status()),
    running: (name) => of(name).running(),
    attach: (name, connect) => of(name).attach(connect),
    restart: (name) => of(name).restart(),
    async close() {
      await Promise.all([...processes.values()].map((supervised) => supervised.close()))
    },
  }
}

class SupervisedProcess<Child extends EngineChild> {
  readonly #name: EngineProcess
  readonly #options: SupervisorOptions<Child>
  readonly #clients = new Set<(child: Child) => void>()
  #state: ProcessStatus['state'] = 'starting'
  #child: Child | null = null
  #ended: Promise<void> = Promise.resolve()
  #restarts = 0
  #lastEnd: string | null = null
  #deaths: number[] = []
  #timer: ReturnType<typeof setTimeout> | null = null
  #closing = false
  /** Set while somebody has asked for a new process, whose predecessor's end is no accident. */
  #replacing = false

  constructor(name: EngineProcess, options: SupervisorOptions<Child>) {
    this.#name = name
    this.#options = options
  }

  status(): ProcessStatus {
    return {
      name: this.#name,
      state: this.#state,
      pid: this.#child?.pid ?? null,
      restarts: this.#restarts,
      lastEnd: this.#lastEnd,
    }
  }

  running(): Child | null {
    return this.#state === 'running' ? this.#child : null
  }

  attach(connect: (child: Child) => void): () => void {
    // Wrapped, so that one function may stand for several clients.
    const client = (child: Child): void => {
      connect(child)
    }
    this.#clients.add(client)
    const child = this.running()
    if (child !== null) client(child)
    return () => {
      this.#clients.delete(client)
    }
  }

  start(): void {
    if (this.#child !== null || this.#closing) return
    const child = this.#options.spawn(this.#name)
    this.#child = child
    this.#setTimer(startLimitMs, () => {
      child.kill()
    })
    child.onReady(() => {
      if (this.#child !== child) return
      this.#clearTimer()
      this.#enter('running')
      for (const connect of [...this.#clients]) connect(child)
    })
    this.#ended = new Promise((resolve) => {
      child.onEnd((end) => {
        if (this.#child === child) this.#onEnd(end)
        resolve()
      })
    })
    this.#options.onStatus(this.status())
  }

  async restart(): Promise<void> {
    if (this.#replacing || this.#closing) return
    this.#replacing = true
    try {
      this.#clearTimer()
      this.#deaths = []
      await this.#stop()
    } finally {
      this.#replacing = false
    }
    this.#again()
  }

  async close(): Promise<void> {
    this.#closing = true
    this.#clearTimer()
    await this.#stop()
  }

  /** Asks the process to end and waits until it has. */
  async #stop(): Promise<void> {
    const child = this.#child
    if (child === null) return
    child.send({ phasemark: 'shutdown' })
    const timer = setTimeout(() => {
      child.kill()
    }, shutdownMs)
    await this.#ended
    clearTimeout(timer)
  }

  #onEnd(end: ProcessEnd): void {
    this.#clearTimer()
    this.#child = null
    this.#lastEnd = describeEnd(end)
    if (this.#closing || this.#replacing) {
      this.#enter('restarting')
      return
    }
    const now = Date.now()
    this.#deaths = [...this.#deaths.filter((at) => now - at < deathWindowMs), now]
    if (this.#deaths.length >= mostDeaths) {
      this.#enter('failed')
      return
    }
    this.#enter('restarting')
    this.#setTimer(restartDelaysMs[Math.min(this.#deaths.length, restartDelaysMs.length) - 1], () => {
      this.#again()
    })
  }

  #again(): void {
    if (this.#closing) return
    this.#restarts++
    this.#state = 'restarting'
    this.start()
  }

  #enter(state: ProcessStatus['state']): void {
    this.#state = state
    this.#options.onStatus(this.status())
  }

  #setTimer(delayMs: number, action: () => void): void {
    this.#clearTimer()
    this.#timer = setTimeout(action, delayMs)
  }

  #clearTimer(): void {
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
  }
}

function describeEnd({ code, signal }: ProcessEnd): string {
  if (signal !== null) return `killed by ${signal}`
  return code === null ? 'could not be started' : `exit code ${code}`
}
