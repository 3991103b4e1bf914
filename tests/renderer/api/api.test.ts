import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { createApi } from '../../../src/renderer/api/api.ts'
import type { Api, ProcessName } from '../../../src/renderer/api/api.ts'
import type { HostBridge } from '../../../src/renderer/api/bridge.ts'
import { electronBridge } from '../../../src/renderer/api/electron-bridge.ts'
import { longestWaitMs } from '../../../src/renderer/api/line.ts'
import { settingsService } from '../../../src/shared/contract/files.ts'
import { jobsService } from '../../../src/shared/contract/jobs.ts'
import type { Job } from '../../../src/shared/contract/jobs.ts'
import type { Channel, Emit } from '../../../src/shared/contract/definition.ts'
import { createLoopback } from '../../../src/shared/contract/transport/loopback.ts'
import { serveContract } from '../../../src/shared/contract/transport/serve-contract.ts'

const servedContract = { settings: settingsService, jobs: jobsService } as const

const job: Job = {
  id: '0f5d6b0e-3f0e-4a3e-9f5c-6e1f0a6b7c8d',
  kind: 'pyramid',
  title: 'Pyramid',
  state: 'running',
  progress: null,
  startedAt: '2026-01-01T00:00:00.000Z',
  endedAt: null,
  summary: null,
  error: null,
  quiet: true,
}

/** A data process in memory that can be killed and started again. */
function startProcess(onChannel: (channel: Channel) => void) {
  const calls: string[] = []
  let emit: Emit<typeof jobsService> = () => undefined
  const server = serveContract(
    servedContract,
    (emitter) => {
      emit = emitter('jobs')
      return {
        settings: {
          read: () => {
            calls.push('read')
            return { theme: 'dark' }
          },
          write: () => new Promise(() => undefined),
        },
        jobs: { list: () => [], cancel: () => ({}), dismiss: () => ({}) },
      }
    },
    { reportDefect: () => undefined },
  )
  const [client, peer] = createLoopback()
  server.connect(peer)
  onChannel(client)
  return {
    calls,
    announce: () => {
      emit('changed', job)
    },
    kill: () => {
      server.close()
    },
  }
}

describe('the api of the window', () => {
  let api: Api
  let onData: (channel: Channel) => void
  let states: string[]

  beforeEach(() => {
    const bridge: HostBridge = {
      connect: (process, onChannel) => {
        if (process === 'data') onData = onChannel
      },
      pathForFile: (file) => `/dropped/${file.name}`,
    }
    api = createApi(bridge)
    states = []
    api.onConnection((process: ProcessName, state) => states.push(`${process} ${state}`))
  })
  afterEach(() => {
    api.close()
    vi.useRealTimers()
  })

  it('makes calls wait for the first connection', async () => {
    const read = api.data.settings.read({})
    expect(api.connection('data')).toBe('connecting')
    startProcess(onData)
    expect(await read).toEqual({ theme: 'dark' })
    expect(api.connection('data')).toBe('connected')
    expect(states).toEqual(['data connected'])
  })

  it('outlives the process: calls under way fail, later ones wait, subscriptions go on', async () => {
    const first = startProcess(onData)
    const heard: unknown[] = []
    const stop = api.data.jobs.on('changed', (changed) => heard.push(changed))
    const underWay = api.data.settings.write({ key: 'theme', value: 'light' })
    first.announce()
    await api.data.settings.read({})
    first.kill()
    await expect(underWay).rejects.toMatchObject({ _tag: 'Disconnected', fields: { process: 'data' } })
    const later = api.data.settings.read({})
    const second = startProcess(onData)
    expect(await later).toEqual({ theme: 'dark' })
    second.announce()
    await api.data.settings.read({})
    expect(heard).toEqual([job, job])
    stop()
    second.announce()
    await api.data.settings.read({})
    expect(heard).toHaveLength(2)
    expect(states).toEqual(['data connected', 'data connecting', 'data connected'])
  })

  it('lets nobody use a new process before it is restored', async () => {
    const restoring: string[] = []
    let finish = (): void => undefined
    api.beforeDataIsUsed(async (data) => {
      restoring.push(JSON.stringify(await data.settings.read({})))
      await new Promise<void>((resolve) => (finish = resolve))
    })
    const jobs = api.data.jobs.list({})
    const first = startProcess(onData)
    await vi.waitFor(() => expect(restoring).toEqual(['{"theme":"dark"}']))
    expect([api.connection('data'), first.calls, states]).toEqual(['connecting', ['read'], []])
    finish()
    expect(await jobs).toEqual([])
    // One that ends while it is restored is never announced.
    first.kill()
    await vi.waitFor(() => expect(api.connection('data')).toBe('connecting'))
    const second = startProcess(onData)
    await vi.waitFor(() => expect(restoring).toHaveLength(2))
    second.kill()
    finish()
    startProcess(onData)
    await vi.waitFor(() => expect(restoring).toHaveLength(3))
    finish()
    await vi.waitFor(() => expect(api.connection('data')).toBe('connected'))
    expect(states).toEqual(['data connected', 'data connecting', 'data connected'])
  })

  it('gives up waiting after twenty seconds', async () => {
    vi.useFakeTimers()
    const read = expect(api.data.settings.read({})).rejects.toMatchObject({ _tag: 'Disconnected' })
    await vi.advanceTimersByTimeAsync(longestWaitMs)
    await read
    // What was given up is not sent when the process comes after all.
    const { calls } = startProcess(onData)
    await vi.advanceTimersByTimeAsync(100)
    expect(calls).toEqual([])
  })

  it('lets a waiting call be cancelled, and does not send it', async () => {
    const controller = new AbortController()
    const read = api.data.settings.read({}, { signal: controller.signal })
    controller.abort()
    await expect(read).rejects.toMatchObject({ _tag: 'Cancelled' })
    const { calls } = startProcess(onData)
    await api.data.jobs.list({})
    expect(calls).toEqual([])
  })

  it('takes a new connection in place of one that has not noticed its end', async () => {
    const first = startProcess(onData)
    const underWay = api.data.settings.write({ key: 'theme', value: 1 })
    const second = startProcess(onData)
    await expect(underWay).rejects.toMatchObject({ _tag: 'Disconnected' })
    await api.data.settings.read({})
    expect([first.calls, second.calls]).toEqual([[], ['read']])
    expect(states).toEqual(['data connected', 'data connected'])
  })

  it('ends everything when it is closed', async () => {
    const waiting = expect(api.compute.jobs.list({})).rejects.toMatchObject({ _tag: 'Disconnected' })
    api.close()
    await waiting
    await expect(api.data.settings.read({})).rejects.toMatchObject({ _tag: 'Disconnected' })
  })

  it('asks the bridge for the path of a dropped file', () => {
    expect(api.pathForFile(new File([], 'a.tif'))).toBe('/dropped/a.tif')
  })
})

describe("the bridge of Electron's window", () => {
  /** A page with what the preload script puts into it. */
  function createPage() {
    const page = new EventTarget() as unknown as Window & typeof globalThis
    const requested: string[] = []
    page.phasemark = {
      requestPort: (process) => requested.push(process),
      pathForFile: () => null,
    }
    const post = (data: unknown, ports: MessagePort[], source: unknown = page): void => {
      page.dispatchEvent(Object.assign(new Event('message'), { data, ports, source }))
    }
    return { page, requested, post }
  }

  it('asks for a port, hands on each that comes, and closes the one before', async () => {
    const { page, requested, post } = createPage()
    const channels: Channel[] = []
    const closed: string[] = []
    electronBridge(page).connect('data', (channel) => {
      channels.push(channel)
      channel.onClose((reason) => closed.push(reason))
    })
    expect(requested).toEqual(['data'])
    const [first, second] = [new MessageChannel(), new MessageChannel()]
    post({ phasemark: 'port', process: 'data' }, [first.port1])
    post({ phasemark: 'port', process: 'data' }, [second.port1])
    expect(channels).toHaveLength(2)
    expect(closed).toEqual(['the process was started again'])
    const heard = new Promise((resolve) => {
      channels[1].onMessage(resolve)
    })
    second.port2.postMessage('hello')
    expect(await heard).toBe('hello')
    channels[1].close()
    first.port2.close()
  })

  it('takes no port from a frame, for another process or with another message', () => {
    const { page, post } = createPage()
    const channels: Channel[] = []
    electronBridge(page).connect('data', (channel) => channels.push(channel))
    const { port1, port2 } = new MessageChannel()
    post({ phasemark: 'port', process: 'data' }, [port1], { another: 'window' })
    post({ phasemark: 'port', process: 'compute' }, [port1])
    post({ phasemark: 'port', process: 'data' }, [])
    post('phasemark', [port1])
    expect(channels).toEqual([])
    port1.close()
    port2.close()
  })
})
