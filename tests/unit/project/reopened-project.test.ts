import { mkdirSync, symlinkSync } from 'node:fs'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { OpenProject, ProjectHolder } from '../../../src/main/engine/project/project-holder.ts'
import { isOpenNow, untilReopened } from '../../../src/main/engine/project/reopened-project.ts'
import { PhasemarkError } from '../../../src/shared/errors.ts'
import { scratchFolder } from '../../support/file-tree.ts'
import { context, startService } from './project-kit.ts'

const scratch = scratchFolder('reopened')

/** A holder with nothing open until the test says so. */
function emptyHolder() {
  let folder: string | null = null
  const listeners = new Set<() => void>()
  const holder: ProjectHolder = {
    current() {
      if (folder === null) throw new PhasemarkError('WrongUsage', 'No project is open.', {})
      return { folder } as OpenProject
    },
    onClosing: () => () => undefined,
    onOpened(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
  }
  const open = (opened: string): void => {
    folder = opened
    for (const listener of [...listeners]) listener()
  }
  return { holder, open, listeners }
}

describe('waiting for a project that was open in a process that ended', () => {
  const signal = new AbortController().signal
  beforeEach(() => {
    vi.useFakeTimers()
  })
  afterEach(() => {
    vi.useRealTimers()
  })

  it('ends when it is open, at once when it is open already, and leaves no listener', async () => {
    const { holder, open, listeners } = emptyHolder()
    const waiting = untilReopened(holder, '/data/a.phasemark', { signal })
    expect(listeners.size).toBe(1)
    open('/data/a.phasemark')
    await waiting
    await untilReopened(holder, '/data/a.phasemark', { signal })
    expect(listeners.size).toBe(0)
    expect(vi.getTimerCount()).toBe(0)
  })

  it('ends also when it is opened by another way to the same folder', async () => {
    const { holder, open } = emptyHolder()
    const [folder, link] = ['a.phasemark', 'link.phasemark'].map((name) => path.join(scratch, name))
    mkdirSync(folder)
    // A junction needs no rights on Windows.
    symlinkSync(folder, link, 'junction')
    const waiting = untilReopened(holder, folder, { signal })
    open(link)
    await waiting
    expect(await isOpenNow(holder, folder)).toBe(true)
  })

  it('fails when another is opened', async () => {
    const { holder, open, listeners } = emptyHolder()
    const waiting = expect(untilReopened(holder, '/data/a.phasemark', { signal })).rejects.toMatchObject({
      _tag: 'Disconnected',
      message: expect.stringMatching(
        /needs the project \/data\/a\.phasemark, but \/data\/b\.phasemark/,
      ) as string,
    })
    open('/data/b.phasemark')
    await waiting
    expect(await isOpenNow(holder, '/data/a.phasemark')).toBe(false)
    expect(listeners.size).toBe(0)
  })

  it('fails when none is opened within its limit, and not before', async () => {
    const { holder } = emptyHolder()
    let error: unknown = null
    const waiting = untilReopened(holder, '/data/a.phasemark', { signal }).catch((thrown: unknown) => {
      error = thrown
    })
    await vi.advanceTimersByTimeAsync(10 * 60_000 - 1)
    expect(error).toBeNull()
    await vi.advanceTimersByTimeAsync(1)
    await waiting
    expect(error).toMatchObject({
      _tag: 'Disconnected',
      message: expect.stringContaining('not opened again within 10 minutes') as string,
    })
    expect(await isOpenNow(holder, '/data/a.phasemark')).toBe(false)
  })

  it('stops when it is told to', async () => {
    const { holder, listeners } = emptyHolder()
    const controller = new AbortController()
    const waiting = expect(
      untilReopened(holder, '/data/a.phasemark', { signal: controller.signal }),
    ).rejects.toMatchObject({ _tag: 'Cancelled' })
    controller.abort()
    await waiting
    await expect(
      untilReopened(holder, '/data/a.phasemark', { signal: controller.signal }),
    ).rejects.toMatchObject({ _tag: 'Cancelled' })
    expect(listeners.size).toBe(0)
  })
})

it('the projects service tells when a project has been opened, and by then it is the current one', async () => {
  const service = await startService(path.join(scratch, 'service'))
  const seen: string[] = []
  const forget = service.holder.onOpened(() => seen.push(path.basename(service.holder.current().folder)))
  const create = (name: string) =>
    service.implementation.create({ path: path.join(scratch, 'service', name), name }, context)
  await create('first')
  const { path: second } = await create('second')
  await service.implementation.close({}, context)
  await service.implementation.open({ path: second }, context)
  forget()
  await create('third')
  expect(seen).toEqual(['first.phasemark', 'second.phasemark', 'second.phasemark'])
  await service.close()
})
