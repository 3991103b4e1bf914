import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { ProcessRequest } from '../../src/main/hosts/processes/process-messages.ts'
import { forkEngineProcess } from '../../src/main/hosts/processes/forked-child.ts'
import type { ForkedChild } from '../../src/main/hosts/processes/forked-child.ts'
import { createSupervisor } from '../../src/main/hosts/processes/supervisor.ts'
import type { EngineChild, ProcessEnd, Supervisor } from '../../src/main/hosts/processes/supervisor.ts'
import { computeContract, dataContract } from '../../src/shared/contract/contract.ts'
import type { ProcessStatus } from '../../src/shared/contract/host.ts'
import { connectContract } from '../../src/shared/contract/transport/connect-contract.ts'

/** A process whose life the test decides. */
class FakeChild implements EngineChild {
  readonly pid = 4711
  readonly sent: ProcessRequest[] = []
  killed = false
  #ready: () => void = () => undefined
  #end: (end: ProcessEnd) => void = () => undefined
  send(request: ProcessRequest): void {
    this.sent.push(request)
  }
  onReady(listener: () => void): void {
    this.#ready = listener
  }
  onEnd(listener: (end: ProcessEnd) => void): void {
    this.#end = listener
  }
  kill(): void {
    this.killed = true
    this.#end({ code: null, signal: 'SIGKILL' })
  }
  getReady(): void {
    this.#ready()
  }
  die(end: ProcessEnd = { code: null, signal: 'SIGSEGV' }): void {
    this.#end(end)
  }
}

describe('the supervisor', () => {
  let children: FakeChild[]
  let statuses: ProcessStatus[]
  let supervisor: Supervisor<FakeChild>
  const newest = (): FakeChild => children.at(-1)!
  const status = (): ProcessStatus => supervisor.statuses().find(({ name }) => name === 'data')!

  beforeEach(() => {
    vi.useFakeTimers()
    children = []
    statuses = []
    supervisor = createSupervisor({
      spawn: (name) => {
        const child = new FakeChild()
        if (name === 'data') children.push(child)
        return child
      },
      onStatus: (changed) => {
        if (changed.name === 'data') statuses.push(changed)
      },
    })
    supervisor.start()
  })
  afterEach(() => {
    vi.useRealTimers()
  })

  it('tells starting, running, restarting, running', async () => {
    newest().getReady()
    newest().die({ code: 9, signal: null })
    await vi.advanceTimersByTimeAsync(0)
    newest().getReady()
    expect(statuses.map(({ state }) => state)).toEqual([
      'starting',
      'running',
      'restarting',
      'restarting',
      'running',
    ])
    expect(status()).toEqual({
      name: 'data',
      state: 'running',
      pid: 4711,
      restarts: 1,
      lastEnd: 'exit code 9',
    })
  })

  it('restarts at once the first time, then waits longer', async () => {
    const waits = [0, 200, 500, 1000]
    for (const [index, wait] of waits.entries()) {
      newest().getReady()
      newest().die()
      if (wait > 0) {
        await vi.advanceTimersByTimeAsync(wait - 1)
        expect(children).toHaveLength(index + 1)
      }
      await vi.advanceTimersByTimeAsync(wait > 0 ? 1 : 0)
      expect(children).toHaveLength(index + 2)
    }
  })

  it('gives up after five deaths in a minute, until somebody asks', async () => {
    for (let death = 1; death <= 5; death++) {
      newest().die()
      await vi.advanceTimersByTimeAsync(1000)
    }
    expect(status()).toMatchObject({ state: 'failed', pid: null, lastEnd: 'killed by SIGSEGV' })
    await vi.advanceTimersByTimeAsync(3_600_000)
    expect(children).toHaveLength(5)
    await supervisor.restart('data')
    newest().getReady()
    expect(status().state).toBe('running')
  })

  it('goes on when deaths are more than a minute apart', async () => {
    for (let death = 1; death <= 8; death++) {
      newest().getReady()
      await vi.advanceTimersByTimeAsync(20_000)
      newest().die()
      await vi.advanceTimersByTimeAsync(1000)
    }
    expect(status().state).toBe('restarting')
    expect(children).toHaveLength(9)
  })

  it('connects every client when the process runs, and again after each start', async () => {
    const connected: [string, FakeChild][] = []
    supervisor.attach('data', (child) => connected.push(['early', child]))
    expect(connected).toHaveLength(0)
    newest().getReady()
    const forget = supervisor.attach('data', (child) => connected.push(['late', child]))
    expect(connected).toEqual([
      ['early', children[0]],
      ['late', children[0]],
    ])
    forget()
    newest().die()
    expect(supervisor.running('data')).toBeNull()
    await vi.advanceTimersByTimeAsync(0)
    newest().getReady()
    expect(connected).toHaveLength(3)
    expect(connected[2]).toEqual(['early', children[1]])
  })

  it('kills a process that does not get ready, and starts another', async () => {
    await vi.advanceTimersByTimeAsync(30_000)
    expect(children[0].killed).toBe(true)
    await vi.advanceTimersByTimeAsync(1)
    expect(children).toHaveLength(2)
  })

  it('asks a process to end before it kills it', async () => {
    newest().getReady()
    const closed = supervisor.close()
    expect(newest().sent).toEqual([{ phasemark: 'shutdown' }])
    await vi.advanceTimersByTimeAsync(4999)
    expect(newest().killed).toBe(false)
    await vi.advanceTimersByTimeAsync(1)
    expect(newest().killed).toBe(true)
    await closed
    await vi.advanceTimersByTimeAsync(60_000)
    expect(children).toHaveLength(1)
  })

  it('replaces a process on request without counting that as a death', async () => {
    for (let time = 0; time < 6; time++) {
      newest().getReady()
      const restarted = supervisor.restart('data')
      newest().die({ code: 0, signal: null })
      await restarted
    }
    expect(children).toHaveLength(7)
    expect(status()).toMatchObject({ state: 'restarting', restarts: 6 })
  })
})

describe('real engine processes', () => {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'phasemark-processes-'))
  const env = { PHASEMARK_STATE: path.join(folder, 'state'), PHASEMARK_CACHE: path.join(folder, 'cache') }
  afterAll(() => {
    rmSync(folder, { recursive: true, force: true })
  })

  it('are usable again within two seconds of a kill, each on its own', async () => {
    const supervisor = createSupervisor<ForkedChild>({
      spawn: (name) => forkEngineProcess(name, { env, log: (text) => process.stderr.write(text) }),
      onStatus: () => undefined,
    })
    supervisor.start()
    try {
      const ask = {
        data: async (child: ForkedChild) => {
          await connectContract(dataContract, child.openChannel(), 'data').client.projects.current({})
        },
        compute: async (child: ForkedChild) => {
          await connectContract(computeContract, child.openChannel(), 'compute').client.jobs.list({})
        },
      }
      for (const name of ['data', 'compute'] as const) {
        const first = await nextChild(supervisor, name)
        await ask[name](first)
        const other = supervisor.running(name === 'data' ? 'compute' : 'data')?.pid
        const killedAt = performance.now()
        process.kill(first.pid!, 'SIGKILL')
        const second = await nextChild(supervisor, name, first)
        await ask[name](second)
        expect(performance.now() - killedAt).toBeLessThan(2000)
        expect(second.pid).not.toBe(first.pid)
        if (other !== undefined) {
          expect(supervisor.running(name === 'data' ? 'compute' : 'data')?.pid).toBe(other)
        }
      }
    } finally {
      await supervisor.close()
    }
  })

  it.each(['data', 'compute'])('%s ends when its host is killed', async (name) => {
    const script = fileURLToPath(new URL('support/orphan-host.mjs', import.meta.url))
    const host = spawn(process.execPath, [script, name], {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { ...process.env, ...env },
    })
    const [output] = (await once(host.stdout, 'data')) as [Buffer]
    const pid = Number(output.toString())
    expect(lives(pid)).toBe(true)
    host.kill('SIGKILL')
    const deadline = Date.now() + 5000
    while (lives(pid) && Date.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 20))
    expect(lives(pid)).toBe(false)
  })
})

/** The process after `last`, once it runs. */
function nextChild(
  supervisor: Supervisor<ForkedChild>,
  name: 'data' | 'compute',
  last?: ForkedChild,
): Promise<ForkedChild> {
  return new Promise((resolve) => {
    const forget = supervisor.attach(name, (child) => {
      if (child === last) return
      queueMicrotask(() => {
        forget()
      })
      resolve(child)
    })
  })
}

function lives(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}
