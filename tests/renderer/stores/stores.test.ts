import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { Job } from '../../../src/shared/contract/jobs.ts'
import { PhasemarkError } from '../../../src/shared/errors.ts'
import { useCommandsStore, type Command } from '../../../src/renderer/stores/commands.ts'
import { useConnectionStore } from '../../../src/renderer/stores/connection.ts'
import { useJobsStore } from '../../../src/renderer/stores/jobs.ts'
import { describeError, shownForMs, useNoticesStore } from '../../../src/renderer/stores/notices.ts'
import { usePanelsStore } from '../../../src/renderer/stores/panels.ts'
import { useProjectStore } from '../../../src/renderer/stores/project.ts'
import { useSettingsStore } from '../../../src/renderer/stores/settings.ts'
import { entryOf, nextId, projectOf } from '../support/fake-services.ts'
import { createStage, settle } from '../support/mount-with.ts'

describe('notices', () => {
  beforeEach(() => {
    vi.useFakeTimers()
    createStage()
  })
  afterEach(() => void vi.useRealTimers())

  it('leave errors, and hide warnings after 12 s and what is done after 6 s', () => {
    const notices = useNoticesStore()
    for (const tone of ['ok', 'warn', 'err'] as const) notices.add({ tone, title: tone, text: '' })
    vi.advanceTimersByTime(shownForMs.ok)
    expect(notices.shown.map(({ tone }) => tone)).toEqual(['err', 'warn'])
    vi.advanceTimersByTime(shownForMs.warn)
    expect(notices.shown.map(({ tone }) => tone)).toEqual(['err'])
    expect(notices.notices).toHaveLength(3)
  })

  it('wait while somebody reads them', () => {
    const notices = useNoticesStore()
    const id = notices.add({ tone: 'ok', title: 'Done', text: '' })
    vi.advanceTimersByTime(3000)
    notices.pause(id)
    vi.advanceTimersByTime(60_000)
    expect(notices.shown).toHaveLength(1)
    notices.resume(id)
    vi.advanceTimersByTime(shownForMs.ok)
    expect(notices.shown).toHaveLength(0)
  })

  it('replace the one of the same key and say nothing of what was stopped', () => {
    const notices = useNoticesStore()
    const full = new PhasemarkError('NoSpace', '/mnt/a: no space left', { path: '/mnt/a' })
    notices.addError('Not saved', full, { key: 'save' })
    notices.addError('Not saved', full, { key: 'save', safe: 'Strokes wait in memory.' })
    notices.addError('Stopped', new PhasemarkError('Cancelled', 'stopped', {}))
    expect(notices.notices).toHaveLength(1)
    expect(notices.notices[0].text).toBe('/mnt/a: no space left. Strokes wait in memory.')
    expect(notices.notices[0].details).toContain('NoSpace')
  })

  it('make a sentence of an error of the engine and keep paths as they are', () => {
    expect(describeError(new PhasemarkError('Internal', 'the disk is gone', {})).message).toBe(
      'The disk is gone.',
    )
    expect(describeError(new PhasemarkError('NotFound', 'a.tif: not found', { path: 'a.tif' })).message).toBe(
      'a.tif: not found.',
    )
  })
})

describe('settings', () => {
  it('are written together a moment after the last change and read with a check', async () => {
    vi.useFakeTimers()
    const { fake } = createStage()
    const settings = useSettingsStore()
    settings.write('theme', 'light')
    settings.write('theme', 'dark')
    settings.write('panels', { 'data.right': { folded: true, width: null } })
    expect(settings.theme).toBe('dark')
    await vi.advanceTimersByTimeAsync(500)
    vi.useRealTimers()
    const written = fake.calls.filter(({ method }) => method === 'data.settings.write')
    expect(written.map(({ request }) => request)).toEqual([
      { key: 'theme', value: 'dark' },
      { key: 'panels', value: { 'data.right': { folded: true, width: null } } },
    ])
    expect(usePanelsStore().panel('data', 'right').folded).toBe(true)
  })

  it('fall back where what is stored no longer fits, and keep what was changed before they were read', async () => {
    const { fake } = createStage()
    fake.services.data.settings.read = () => ({ theme: 'purple', sections: { a: true } })
    const settings = useSettingsStore()
    settings.write('sections', { b: true })
    await settings.load()
    expect(settings.theme).toBe('dark')
    expect(settings.values['sections']).toEqual({ b: true })
    await settings.flush()
  })

  it('say when they cannot be saved', async () => {
    const { fake } = createStage()
    fake.services.data.settings.write = () => {
      throw new PhasemarkError('NotWritable', '/home/user: not writable', { path: '/home/user' })
    }
    useSettingsStore().write('theme', 'light')
    await useSettingsStore().flush()
    expect(useNoticesStore().shown[0].text).toContain('/home/user: not writable')
  })
})

describe('connection', () => {
  it('says what is being restored only when it takes longer than a moment', async () => {
    const { fake } = createStage()
    const connection = useConnectionStore()
    connection.start()
    await settle()
    expect(connection.trouble).toBeNull()
    fake.setConnected('data', false)
    expect(connection.trouble).toBeNull()
    await settle(450)
    expect(connection.trouble?.text).toMatch(/Data process restarting/)
    fake.setConnected('data', true)
    expect(connection.trouble).toBeNull()
  })

  it('offers to start a process that was given up', async () => {
    const { fake } = createStage()
    const connection = useConnectionStore()
    connection.start()
    await settle()
    fake.emit('host', 'host', 'processChanged', {
      name: 'compute',
      state: 'failed',
      pid: null,
      restarts: 5,
      lastEnd: 'exit code 9',
    })
    expect(connection.trouble).toMatchObject({ restart: 'compute' })
    await connection.restart('compute')
    expect(fake.calls.at(-1)).toEqual({ method: 'host.host.restartProcess', request: { name: 'compute' } })
  })
})

describe('project', () => {
  it('is opened again in a data process that was started again', async () => {
    const { fake, world } = createStage({ project: projectOf() })
    const project = useProjectStore()
    project.start()
    useConnectionStore().start()
    await settle()
    const { path } = projectOf()
    expect(project.project?.path).toBe(path)
    fake.setConnected('data', false)
    world.project = null
    fake.setConnected('data', true)
    await settle()
    expect(fake.calls).toContainEqual({ method: 'data.projects.open', request: { path } })
    expect(project.project?.path).toBe(path)
  })

  it('says once what was kept when the last use ended without closing', async () => {
    createStage({ project: projectOf({ recovered: 'All 12 strokes are here.' }) })
    const project = useProjectStore()
    project.start()
    useConnectionStore().start()
    await settle()
    await project.refresh()
    expect(useNoticesStore().notices.map(({ text }) => text)).toEqual(['All 12 strokes are here.'])
  })

  it('takes a removed volume back as it was', async () => {
    const kept = entryOf({ name: 'kept' })
    const removed = entryOf({
      name: 'removed',
      path: '/data/removed',
      voxelSizeEntered: ['z'],
      role: 'unseen',
    })
    const { fake } = createStage({ project: projectOf({ volumes: [kept, removed] }) })
    const project = useProjectStore()
    await project.refresh()
    await project.removeVolume(removed.id)
    expect(project.volumes.map(({ name }) => name)).toEqual(['kept'])
    await useNoticesStore().shown[0].actions[0].run()
    expect(project.volumes.map(({ name }) => name)).toEqual(['kept', 'removed'])
    expect(fake.calls.at(-1)?.request).toEqual({
      name: 'removed',
      path: '/data/removed',
      raw: null,
      voxelSize: removed.voxelSize,
      voxelSizeEntered: ['z'],
      role: 'unseen',
    })
  })
})

describe('jobs', () => {
  function jobOf(id: string, change: Partial<Job>): Job {
    return {
      id,
      kind: 'label-import',
      title: 'Importing labels',
      state: 'running',
      progress: { stage: 'reading', done: 3, total: 12, unit: 'slices' },
      startedAt: '2026-11-22T09:00:00.000Z',
      endedAt: null,
      summary: null,
      error: null,
      quiet: false,
      ...change,
    }
  }

  async function startJobs(): Promise<ReturnType<typeof useJobsStore>> {
    const jobs = useJobsStore()
    jobs.start()
    useConnectionStore().start()
    await settle()
    return jobs
  }

  it('wait for their process when it is gone, and are then what the next one says', async () => {
    const { fake } = createStage()
    const ids = Array.from({ length: 5 }, () => nextId())
    const [again, failed, lost, quiet, other] = ids
    const titles = ids.map((_, at) => `job ${at}`)
    const job = (id: string, change: Partial<Job> = {}) =>
      jobOf(id, { title: titles[ids.indexOf(id)], ...change })
    const jobs = await startJobs()
    for (const id of [again, failed, lost]) fake.emit('data', 'jobs', 'changed', job(id))
    fake.emit('data', 'jobs', 'changed', job(quiet, { quiet: true }))
    fake.emit('compute', 'jobs', 'changed', job(other))
    const states = () => jobs.all.map(({ id, state }) => [id, state]).sort()
    fake.setConnected('data', false)
    expect(states()).toEqual(
      ids.map((id): [string, string] => [id, id === other ? 'running' : 'waiting']).sort(),
    )
    expect(jobs.current?.id).toBe(other)
    const reason = 'waiting for its project to be opened again: /data/a.phasemark'
    fake.services.data.jobs.list = () => [
      job(again, { state: 'waiting', progress: null, summary: reason }),
      job(failed, {
        state: 'failed',
        endedAt: '2026-11-22T09:01:00.000Z',
        error: { _tag: 'Disconnected', message: 'given up', fields: { process: 'engine' } },
      }),
    ]
    fake.setConnected('data', true)
    await settle()
    expect(states()).toEqual(
      [[again, 'waiting'] as const, [failed, 'failed'] as const, [other, 'running'] as const].sort(),
    )
    expect(jobs.waiting[0].summary).toBe(reason)
    // Nobody has to hear of a quiet one, which goes on when it is needed.
    expect(
      useNoticesStore()
        .notices.map(({ title }) => title)
        .sort(),
    ).toEqual([`${titles[1]}: failed`, `${titles[2]}: failed`])
  })

  it('tell how they ended, and failures with the reason', async () => {
    const { fake } = createStage()
    const jobs = await startJobs()
    const [done, failed, quiet] = [nextId(), nextId(), nextId()]
    const tell = (id: string, change: Partial<Job>): void =>
      fake.emit('data', 'jobs', 'changed', jobOf(id, change))
    for (const id of [done, failed, quiet]) tell(id, { quiet: id === quiet })
    expect(jobs.running).toHaveLength(3)
    expect(jobs.current?.id).not.toBe(quiet)
    const endedAt = '2026-11-22T09:01:00.000Z'
    tell(done, { state: 'done', endedAt, summary: '12 slices imported, none skipped.' })
    tell(quiet, { state: 'done', endedAt, quiet: true, summary: 'ready' })
    const error = { _tag: 'BadInput', message: 'a_07.tif: expected 64 × 64, found 64 × 63', fields: {} }
    tell(failed, { state: 'failed', endedAt, error })
    expect(useNoticesStore().notices.map(({ tone, text }) => ({ tone, text }))).toEqual([
      { tone: 'err', text: 'a_07.tif: expected 64 × 64, found 64 × 63.' },
      { tone: 'ok', text: '12 slices imported, none skipped.' },
    ])
    await jobs.dismiss(failed)
    expect(fake.calls.at(-1)).toEqual({ method: 'data.jobs.dismiss', request: { id: failed } })
    expect(jobs.all).toHaveLength(2)
  })
})

describe('commands', () => {
  function press(target: Element, init: KeyboardEventInit & { key: string }): KeyboardEvent {
    const event = new KeyboardEvent('keydown', { bubbles: true, cancelable: true, ...init })
    target.addEventListener('keydown', (each) => useCommandsStore().handleKeyDown(each as KeyboardEvent), {
      once: true,
    })
    target.dispatchEvent(event)
    return event
  }
  function commandOf(change: Partial<Command>): Command {
    return { id: 'test', title: 'Test', menu: 'Edit', run: vi.fn(), ...change }
  }

  beforeEach(() => void createStage())

  it('are given by their keys, but not while one types', () => {
    const brush = commandOf({ keys: ['B'] })
    useCommandsStore().register([brush])
    const input = document.createElement('input')
    press(input, { key: 'b' })
    expect(brush.run).not.toHaveBeenCalled()
    expect(press(document.createElement('div'), { key: 'b' }).defaultPrevented).toBe(true)
    expect(brush.run).toHaveBeenCalledOnce()
  })

  it('with keys for text fields work there too', () => {
    const palette = commandOf({ keys: ['Ctrl+K'], inText: true })
    useCommandsStore().register([palette])
    press(document.createElement('input'), { key: 'k', ctrlKey: true })
    expect(palette.run).toHaveBeenCalledOnce()
  })

  it('leave arrows to a slider and everything to an open menu', () => {
    const up = commandOf({ keys: ['ArrowUp', 'X'] })
    useCommandsStore().register([up])
    const slider = document.createElement('input')
    slider.type = 'range'
    press(slider, { key: 'ArrowUp' })
    const menu = document.createElement('div')
    menu.setAttribute('role', 'menu')
    press(menu, { key: 'x' })
    expect(up.run).not.toHaveBeenCalled()
    press(document.createElement('canvas'), { key: 'ArrowUp' })
    expect(up.run).toHaveBeenCalledOnce()
  })

  it('repeat only where that makes sense, and last while a key is held', () => {
    const next = commandOf({ id: 'next', keys: ['N'] })
    const step = commandOf({ id: 'step', keys: ['ArrowUp'], repeats: true })
    const hide = commandOf({ id: 'hide', keys: ['O'], release: vi.fn() })
    const commands = useCommandsStore()
    commands.register([next, step, hide])
    const target = document.createElement('div')
    for (const repeat of [false, true, true]) {
      press(target, { key: 'n', repeat })
      press(target, { key: 'ArrowUp', repeat })
      press(target, { key: 'o', code: 'KeyO', repeat })
    }
    expect(next.run).toHaveBeenCalledOnce()
    expect(step.run).toHaveBeenCalledTimes(3)
    expect(hide.run).toHaveBeenCalledOnce()
    commands.handleKeyUp(new KeyboardEvent('keyup', { key: 'o', code: 'KeyO' }))
    expect(hide.release).toHaveBeenCalledOnce()
    commands.releaseAll()
    expect(hide.release).toHaveBeenCalledOnce()
  })

  it('that are blocked are not run, and the newest of one key wins until it is taken away', () => {
    const commands = useCommandsStore()
    const shell = commandOf({ id: 'shell', keys: ['V'] })
    const label = commandOf({ id: 'label', keys: ['V'], blocked: () => 'No volume is open' })
    commands.register([shell])
    const forget = commands.register([label])
    press(document.createElement('div'), { key: 'v' })
    expect(shell.run).not.toHaveBeenCalled()
    expect(label.run).not.toHaveBeenCalled()
    forget()
    press(document.createElement('div'), { key: 'v' })
    expect(shell.run).toHaveBeenCalledOnce()
  })

  it('tell their failures', async () => {
    const failures: unknown[] = []
    const commands = useCommandsStore()
    commands.reportFailuresTo((command, error) => failures.push([command.id, error]))
    const error = new Error('no')
    commands.run(commandOf({ run: () => Promise.reject(error) }))
    await settle()
    expect(failures).toEqual([['test', error]])
  })
})
