import { spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  closeSync,
  cpSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { afterEach, describe, expect, test } from 'vitest'
import { projectStateSchema } from '../../../src/shared/contract/projects.ts'
import { mountSmallDisk } from '../../support/small-disk.ts'
import { temporaryFolder } from '../volume/temporary-folder.ts'
import { withoutPrivileges } from '../volume/without-privileges.ts'
import { writeTomogram } from '../../support/sample-tomogram.ts'
import { context, eventually, sampleVolume, startService, type TestService } from './project-kit.ts'

const scratch = temporaryFolder('projects')
// Others may look into it: one test is another user.
chmodSync(scratch, 0o755)
let counter = 0
const fresh = (): string => {
  const folder = path.join(scratch, String(++counter))
  mkdirSync(folder)
  return folder
}
const services: TestService[] = []
const start = async (...args: Parameters<typeof startService>): Promise<TestService> => {
  const service = await startService(...args)
  services.push(service)
  return service
}
afterEach(async () => {
  for (const service of services.splice(0)) await service.close()
})

const readJson = (file: string) => JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>

describe('a project', () => {
  test('is on disk after each change and comes back as it was', async () => {
    const folder = fresh()
    const first = await start(folder)
    const { implementation: projects } = first
    const { path: place } = await projects.suggestPath({ name: 'Anode study' }, context)
    expect(place).toBe(path.join(folder, 'projects', 'Anode study.phasemark'))
    const created = await projects.create({ path: place, name: 'Anode study' }, context)
    expect(projectStateSchema.parse(created)).toEqual(created)
    expect(created).toMatchObject({
      path: place,
      readOnly: null,
      recovered: null,
      volumes: [],
      materials: [],
    })
    const { volumeId } = await projects.addVolume(sampleVolume(folder), context)
    await projects.addMaterial({ name: 'Ni' }, context)
    await projects.rename({ name: 'Renamed' }, context)
    const state = await projects.current({}, context)
    expect(readJson(path.join(place, 'project.json'))).toMatchObject({
      format: 'phasemark-project',
      schemaVersion: '1.0',
      name: 'Renamed',
      volumes: [{ id: volumeId, relativePath: '../../images' }],
    })
    // The copy is from before the last change.
    expect(readJson(path.join(place, 'project.json.previous'))).toMatchObject({ name: 'Anode study' })
    await first.close()

    const second = await start(folder)
    const opened = await second.implementation.open({ path: place }, context)
    expect(opened).toEqual(state)
    expect(second.holder.current().volume(volumeId)).toMatchObject({
      name: 'electrode',
      summary: { shape: [4, 24, 32], dtype: 'uint16' },
    })
  })

  test('tells every change to the windows', async () => {
    const folder = fresh()
    const service = await start(folder)
    const { implementation: projects } = service
    await projects.create({ path: path.join(folder, 'a'), name: 'a' }, context)
    await projects.addMaterial({ name: 'Ni' }, context)
    await service.holder.current().addMaterials([{ value: 9, name: 'YSZ' }])
    await projects.close({}, context)
    expect(service.announced.map((state) => state?.materials.map(({ name }) => name) ?? null)).toEqual([
      [],
      ['Ni'],
      ['Ni', 'YSZ'],
      null,
    ])
    expect(await projects.current({}, context)).toBeNull()
    expect(() => service.holder.current()).toThrow(expect.objectContaining({ _tag: 'WrongUsage' }))
  })

  test('closes the one before only when the next one opens', async () => {
    const folder = fresh()
    const service = await start(folder)
    const { implementation: projects } = service
    const closed: string[] = []
    service.holder.onClosing(() => {
      closed.push(path.basename(service.holder.current().folder))
      return Promise.resolve()
    })
    await projects.create({ path: path.join(folder, 'a.phasemark'), name: 'a' }, context)
    await expect(projects.open({ path: path.join(folder, 'none.phasemark') }, context)).rejects.toMatchObject(
      {
        _tag: 'NotFound',
      },
    )
    expect(closed).toEqual([])
    await projects.create({ path: path.join(folder, 'b.phasemark'), name: 'b' }, context)
    expect(closed).toEqual(['a.phasemark'])
    // Its lock is free again.
    expect(existsSync(path.join(folder, 'a.phasemark', '.phasemark-lock'))).toBe(false)
  })

  test('is not made where something is', async () => {
    const folder = fresh()
    const { implementation: projects } = await start(folder)
    writeFileSync(path.join(folder, 'taken.phasemark'), 'x')
    mkdirSync(path.join(folder, 'folder.phasemark'))
    for (const name of ['taken', 'folder'])
      await expect(projects.create({ path: path.join(folder, name), name }, context)).rejects.toMatchObject({
        _tag: 'OutputExists',
      })
    expect(await projects.suggestPath({ name: 'taken' }, context)).toEqual({
      path: path.join(folder, 'projects', 'taken.phasemark'),
    })
  })

  test('takes any name a person gives it', async () => {
    const folder = fresh()
    const { implementation: projects } = await start(folder)
    const names = ['a/b\\c:d', '../../etc', 'Ni–YSZ 电极 ⚡', 'x'.repeat(200), '電'.repeat(200), 'CON', '...']
    for (const name of names) {
      const { path: place } = await projects.suggestPath({ name }, context)
      expect(path.dirname(place)).toBe(path.join(folder, 'projects'))
      expect(Buffer.byteLength(path.basename(place))).toBeLessThanOrEqual(255)
      const created = await projects.create({ path: place, name }, context)
      expect(created.name).toBe(name)
      const again = await projects.suggestPath({ name }, context)
      expect(again.path).not.toBe(place)
    }
  })
})

describe('two openers', () => {
  test('the second looks only and is told who holds the project', async () => {
    const folder = fresh()
    const place = path.join(folder, 'shared.phasemark')
    const first = await start(folder)
    await first.implementation.create({ path: place, name: 'shared' }, context)
    const second = await start(path.join(folder))
    const state = await second.implementation.open({ path: place }, context)
    expect(state.readOnly).toContain(`process ${process.pid} on ${os.hostname()}`)
    await expect(second.implementation.addMaterial({ name: 'Ni' }, context)).rejects.toMatchObject({
      _tag: 'Locked',
    })
    await second.close()
    // The second did not take away what belongs to the first.
    expect(existsSync(path.join(place, '.phasemark-lock'))).toBe(true)
    await first.implementation.addMaterial({ name: 'Ni' }, context)
  })

  test('the second gets it for writing when it asks again after the first has closed', async () => {
    const folder = fresh()
    const place = path.join(folder, 'shared.phasemark')
    const first = await start(folder)
    await first.implementation.create({ path: place, name: 'shared' }, context)
    const second = await start(folder)
    expect((await second.implementation.open({ path: place }, context)).readOnly).not.toBeNull()
    await first.implementation.close({}, context)
    expect((await second.implementation.open({ path: place }, context)).readOnly).toBeNull()
    await second.implementation.addMaterial({ name: 'Ni' }, context)
  })

  test('the second waits for a first that is just closing', async () => {
    const folder = fresh()
    const place = path.join(folder, 'shared.phasemark')
    const first = await start(folder)
    await first.implementation.create({ path: place, name: 'shared' }, context)
    const second = await start(folder)
    const opening = second.implementation.open({ path: place }, context)
    await delay(300)
    await first.implementation.close({}, context)
    expect((await opening).readOnly).toBeNull()
  })
})

describe('an end without closing', () => {
  test('is recognised, and the sentence says what was kept', async () => {
    const folder = fresh()
    const place = path.join(folder, 'killed.phasemark')
    const first = await start(folder)
    await first.implementation.create({ path: place, name: 'killed' }, context)
    await first.implementation.addVolume(sampleVolume(folder), context)
    // What a killed process leaves: the folder with lock and note of a process that is gone.
    const copy = path.join(folder, 'left.phasemark')
    cpSync(place, copy, { recursive: true })
    const child = spawn(process.execPath, ['-e', ''])
    await once(child, 'exit')
    const lock = readJson(path.join(copy, '.phasemark-lock'))
    writeFileSync(path.join(copy, '.phasemark-lock'), JSON.stringify({ ...lock, pid: child.pid }))

    const second = await start(folder, { labels: { labelledSlices: 3, labelledVoxels: 12_345, bytes: 99 } })
    const state = await second.implementation.open({ path: copy }, context)
    expect(state.readOnly).toBeNull()
    expect(state.recovered).toContain('12\u2009345 labelled voxels in 1 volume')
    await second.implementation.close({}, context)
    const reopened = await second.implementation.open({ path: copy }, context)
    expect(reopened.recovered).toBeNull()
  })
})

describe('sources', () => {
  test('are found again when they moved together with the project', async () => {
    const folder = fresh()
    mkdirSync(path.join(folder, 'before'))
    const service = await start(folder)
    const { implementation: projects } = service
    const place = path.join(folder, 'before', 'p.phasemark')
    await projects.create({ path: place, name: 'p' }, context)
    const { volumeId } = await projects.addVolume(sampleVolume(path.join(folder, 'before')), context)
    await projects.close({}, context)
    renameSync(path.join(folder, 'before'), path.join(folder, 'after'))
    const moved = path.join(folder, 'after', 'p.phasemark')
    const state = await projects.open({ path: moved }, context)
    const images = path.join(folder, 'after', 'images')
    expect(state.volumes).toMatchObject([{ id: volumeId, path: images, source: { state: 'ok' } }])
    // Written down at the next change, so that each can move on its own again.
    await projects.rename({ name: 'q' }, context)
    expect(readJson(path.join(moved, 'project.json'))).toMatchObject({ volumes: [{ path: images }] })
  })

  test('that are gone are found again when they are back', async () => {
    const folder = fresh()
    const { implementation: projects } = await start(folder)
    const place = path.join(folder, 'p.phasemark')
    await projects.create({ path: place, name: 'p' }, context)
    const { volumeId } = await projects.addVolume(sampleVolume(folder), context)
    await projects.close({}, context)
    const [images, elsewhere] = [path.join(folder, 'images'), path.join(folder, 'elsewhere')]
    renameSync(images, elsewhere)
    await projects.open({ path: place }, context)
    expect((await projects.lookAgain({ volumeId }, context)).volumes[0].source.state).toBe('missing')
    renameSync(elsewhere, images)
    expect((await projects.lookAgain({ volumeId }, context)).volumes).toMatchObject([
      { id: volumeId, path: images, source: { state: 'ok', message: null } },
    ])
    // Back, but another one: a slice is not there any more.
    const [first] = readdirSync(images)
    renameSync(path.join(images, first), path.join(folder, first))
    expect((await projects.lookAgain({ volumeId }, context)).volumes[0].source.state).toBe('changed')
    await expect(
      projects.lookAgain({ volumeId: '00000000-0000-4000-8000-000000000000' }, context),
    ).rejects.toMatchObject({ _tag: 'NotFound' })
  })

  test('that lie outside of what the window may reach stay out of reach, also while they are looked for', async () => {
    const folder = fresh()
    const inside = path.join(folder, 'inside')
    const place = path.join(inside, 'p.phasemark')
    mkdirSync(inside)
    const { implementation: owner } = await start(folder)
    await owner.create({ path: place, name: 'p' }, context)
    const { volumeId } = await owner.addVolume(sampleVolume(folder), context)
    await owner.close({}, context)
    const [images, elsewhere] = [path.join(folder, 'images'), path.join(folder, 'elsewhere')]
    renameSync(images, elsewhere)
    const { implementation: projects, holder } = await start(inside, { roots: [inside] })
    await projects.open({ path: place }, context)
    renameSync(elsewhere, images)
    expect(() => holder.current().volume(volumeId)).toThrow('outside of the folders')
    const looking = projects.lookAgain({ volumeId }, context)
    expect(() => holder.current().volume(volumeId)).toThrow()
    expect((await looking).volumes[0].source).toMatchObject({ state: 'missing' })
    expect(() => holder.current().volume(volumeId)).toThrow('outside of the folders')
    await expect(
      projects.updateVolume({ volumeId, change: { path: images } }, context),
    ).rejects.toMatchObject({ _tag: 'NotWritable', fields: { path: images } })

    // Taken to where the window may go, they can be pointed at.
    const within = path.join(inside, 'images')
    cpSync(images, within, { recursive: true })
    const { volumes } = await projects.updateVolume({ volumeId, change: { path: within } }, context)
    expect(volumes[0]).toMatchObject({ path: within, source: { state: 'ok' } })
    expect(holder.current().volume(volumeId).path).toBe(within)
  })

  test('that are gone are said so, and are taken from where they are now', async () => {
    const folder = fresh()
    const { implementation: projects } = await start(folder)
    const place = path.join(folder, 'p.phasemark')
    await projects.create({ path: place, name: 'p' }, context)
    const { volumeId } = await projects.addVolume(sampleVolume(folder), context)
    await projects.close({}, context)
    renameSync(path.join(folder, 'images'), path.join(folder, 'elsewhere'))
    const state = await projects.open({ path: place }, context)
    expect(state.volumes).toMatchObject([{ id: volumeId, source: { state: 'missing' } }])
    expect(state.volumes[0]?.source.message).toContain(path.join(folder, 'images'))
    const relinked = await projects.updateVolume(
      { volumeId, change: { path: path.join(folder, 'elsewhere') } },
      context,
    )
    expect(relinked.volumes).toMatchObject([
      { id: volumeId, name: 'electrode', path: path.join(folder, 'elsewhere'), source: { state: 'ok' } },
    ])
  })

  test('of another shape than before are found out, and labels do not move to them', async () => {
    const folder = fresh()
    const service = await start(folder, { labels: { labelledSlices: 1, labelledVoxels: 5, bytes: 9 } })
    const { implementation: projects } = service
    const place = path.join(folder, 'p.phasemark')
    await projects.create({ path: place, name: 'p' }, context)
    const { volumeId } = await projects.addVolume(sampleVolume(folder), context)
    await projects.close({}, context)
    rmSync(path.join(folder, 'images'), { recursive: true })
    writeTomogram(folder, { slices: 5, height: 24, width: 32 })
    await projects.open({ path: place }, context)
    await eventually(() => service.announced.at(-1)?.volumes[0]?.source.state === 'changed')
    expect(service.announced.at(-1)?.volumes[0]?.source.message).toContain('5 × 24 × 32')
    await expect(
      projects.updateVolume({ volumeId, change: { path: path.join(folder, 'images') } }, context),
    ).rejects.toMatchObject({ _tag: 'BadInput' })
  })

  test('are listed once; a removed one comes back with its labels', async () => {
    const folder = fresh()
    const { implementation: projects } = await start(folder)
    await projects.create({ path: path.join(folder, 'p'), name: 'p' }, context)
    const volume = sampleVolume(folder)
    const { volumeId } = await projects.addVolume(volume, context)
    await expect(projects.addVolume(volume, context)).rejects.toMatchObject({ _tag: 'BadInput' })
    expect((await projects.removeVolume({ volumeId }, context)).volumes).toEqual([])
    const again = await projects.addVolume({ ...volume, name: 'again' }, context)
    expect(again.volumeId).toBe(volumeId)
    expect(again.project.volumes).toMatchObject([{ name: 'again' }])
  })

  test('are never written', async () => {
    const folder = fresh()
    const { implementation: projects } = await start(folder)
    const volume = sampleVolume(folder)
    const before = readFileSync(path.join(volume.path, 'slice_000.tif'))
    await projects.create({ path: path.join(folder, 'p'), name: 'p' }, context)
    await projects.addVolume(volume, context)
    expect(readFileSync(path.join(volume.path, 'slice_000.tif')).equals(before)).toBe(true)
  })
})

describe('the list of recent projects', () => {
  test('has the newest first, with a picture, and says what is gone', async () => {
    const folder = fresh()
    const { implementation: projects } = await start(folder)
    for (const name of ['a', 'b']) {
      await projects.create({ path: path.join(folder, name), name }, context)
      await projects.addVolume(sampleVolume(path.join(folder, `data-${name}`)), context)
    }
    await eventually(async () => (await projects.recent({}, context))[0]?.thumbnail != null)
    rmSync(path.join(folder, 'a.phasemark'), { recursive: true })
    const recent = await projects.recent({}, context)
    expect(recent.map(({ name, state, volumes }) => ({ name, state, volumes }))).toEqual([
      { name: 'b', state: 'ok', volumes: 1 },
      { name: 'a', state: 'missing', volumes: 1 },
    ])
    const picture = recent[0]?.thumbnail
    expect(picture).toHaveLength(64 * 64)
    expect(Math.min(...picture!)).toBe(0)
    expect(Math.max(...picture!)).toBe(255)
    await projects.forgetRecent({ path: path.join(folder, 'a.phasemark') }, context)
    expect(await projects.recent({}, context)).toHaveLength(1)
  })

  test('begins anew when its file is damaged', async () => {
    const folder = fresh()
    const { implementation: projects } = await start(folder)
    mkdirSync(path.join(folder, 'state'))
    writeFileSync(path.join(folder, 'state', 'recent-projects.json'), '{"projects": [{')
    expect(await projects.recent({}, context)).toEqual([])
    await projects.create({ path: path.join(folder, 'a'), name: 'a' }, context)
    expect(await projects.recent({}, context)).toHaveLength(1)
  })
})

describe('a place that cannot be written', () => {
  test('is looked at only', async () => {
    const folder = fresh()
    const { implementation: projects } = await start(folder)
    const place = path.join(folder, 'p.phasemark')
    await projects.create({ path: place, name: 'p' }, context)
    await projects.close({}, context)
    await withoutPrivileges(async () => {
      const state = await projects.open({ path: place }, context)
      expect(state.readOnly).toContain('cannot be written')
      await expect(projects.addMaterial({ name: 'Ni' }, context)).rejects.toMatchObject({
        _tag: 'NotWritable',
      })
      await projects.close({}, context)
    })
  })

  const disk = mountSmallDisk(scratch, 'small-disk', 512)
  test.skipIf(disk === null)(
    'that is full: the change has not happened, and goes through later',
    async () => {
      const { folder } = disk!
      const service = await start(fresh())
      const { implementation: projects } = service
      const place = path.join(folder, 'p.phasemark')
      await projects.create({ path: place, name: 'p' }, context)
      const before = readFileSync(path.join(place, 'project.json'), 'utf8')
      fill(path.join(folder, 'filler'))
      await expect(projects.addMaterial({ name: 'Ni' }, context)).rejects.toMatchObject({ _tag: 'NoSpace' })
      expect(readFileSync(path.join(place, 'project.json'), 'utf8')).toBe(before)
      expect(service.holder.current().materials).toEqual([])
      // Opened while the disk is full: looked at, and it says why.
      await projects.close({}, context)
      fill(path.join(folder, 'filler-2'))
      expect((await projects.open({ path: place }, context)).readOnly).toContain('disk is full')
      await projects.close({}, context)
      rmSync(path.join(folder, 'filler'))
      expect((await projects.open({ path: place }, context)).readOnly).toBeNull()
      await projects.addMaterial({ name: 'Ni' }, context)
    },
  )
})

/** Takes all that is left of a small disk. */
function fill(file: string): void {
  const piece = Buffer.alloc(4096, 1)
  const handle = openSync(file, 'w')
  try {
    for (;;) writeSync(handle, piece)
  } catch (error) {
    expect(error).toMatchObject({ code: 'ENOSPC' })
  } finally {
    closeSync(handle)
  }
}
