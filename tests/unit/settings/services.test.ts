import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, test } from 'vitest'
import type { dataContract } from '../../../src/shared/contract/contract.ts'
import type { ContractImplementation } from '../../../src/shared/contract/definition.ts'
import { createFilesService } from '../../../src/main/engine/settings/files-service.ts'
import { guardServices } from '../../../src/main/engine/settings/guard-services.ts'
import { createPathGuard } from '../../../src/main/engine/settings/path-guard.ts'
import { createSettingsService } from '../../../src/main/engine/settings/settings-service.ts'
import { createSystemService } from '../../../src/main/engine/settings/system-service.ts'
import { defaultProjectFolder, userStateFolder } from '../../../src/main/engine/settings/user-folders.ts'
import { context, sampleVolume, startService } from '../project/project-kit.ts'
import { temporaryFolder } from '../volume/temporary-folder.ts'

const scratch = temporaryFolder('settings')
const at = (...parts: string[]) => path.join(scratch, ...parts)
mkdirSync(at('root', 'inner'), { recursive: true })
mkdirSync(at('root-beside'))
mkdirSync(at('outside'))
writeFileSync(at('outside', 'secret.tif'), 'x')
symlinkSync(at('outside'), at('root', 'link-out'))
symlinkSync(at('root', 'inner'), at('link-in'))
symlinkSync(at('nowhere'), at('root', 'dangling'))

describe('a guard with roots', () => {
  test.each([
    ['the root', 'root'],
    ['a folder in it', 'root/inner'],
    ['a place that does not exist yet', 'root/new/deeper/file.tif'],
    ['a way round that stays inside', 'root/inner/../inner'],
    ['a link from outside that leads in', 'link-in'],
  ])('allows %s', async (_, place) => {
    const guard = await createPathGuard([at('root')])
    expect(await guard.check(at(...place.split('/')))).toBe(path.resolve(at(place)))
    expect(await guard.allows(at(place))).toBe(true)
  })

  test.each([
    ['a folder beside it', 'root/../outside'],
    ['a folder whose name begins like it', 'root-beside'],
    ['a link that leads out', 'root/link-out'],
    ['a file through a link that leads out', 'root/link-out/secret.tif'],
    ['a new file through a link that leads out', 'root/link-out/new/file.tif'],
    ['a link to nowhere', 'root/dangling'],
    ['the folder above', '.'],
  ])('refuses %s', async (_, place) => {
    const guard = await createPathGuard([at('root')])
    await expect(guard.check(`${scratch}/${place}`)).rejects.toMatchObject({ _tag: 'NotWritable' })
    expect(await guard.allows(`${scratch}/${place}`)).toBe(false)
  })

  test('refuses relative paths and bytes of zero, with and without roots', async () => {
    for (const roots of [null, [at('root')]]) {
      const guard = await createPathGuard(roots)
      for (const place of ['root', '', `${at('root')}\0/x`])
        await expect(guard.check(place)).rejects.toMatchObject({ _tag: 'WrongUsage' })
    }
  })

  test('follows its own roots to where they are', async () => {
    const guard = await createPathGuard([at('link-in')])
    expect(guard.roots).toEqual([at('root', 'inner')])
    expect(await guard.allows(at('root', 'inner', 'x'))).toBe(true)
    expect(await guard.allows(at('root'))).toBe(false)
    await expect(createPathGuard([at('no such root')])).rejects.toMatchObject({ _tag: 'NotFound' })
  })
})

describe('services behind a guard', () => {
  test('name nothing outside of the roots', async () => {
    const root = at('web')
    mkdirSync(path.join(root, 'inside'), { recursive: true })
    const service = await startService(root, { roots: [root] })
    const { implementation: projects } = service
    const refused = { _tag: 'NotWritable' }
    await expect(projects.create({ path: at('outside', 'p'), name: 'p' }, context)).rejects.toMatchObject(
      refused,
    )
    await expect(projects.open({ path: at('outside', 'p') }, context)).rejects.toMatchObject(refused)
    await projects.create({ path: path.join(root, 'inside', 'p'), name: 'p' }, context)
    const outside = sampleVolume(at('outside'))
    await expect(projects.addVolume(outside, context)).rejects.toMatchObject(refused)
    const { volumeId } = await projects.addVolume(sampleVolume(root), context)
    await expect(
      projects.updateVolume({ volumeId, change: { path: outside.path } }, context),
    ).rejects.toMatchObject(refused)
    // A project file that names a source outside, as if it came from elsewhere.
    await projects.close({}, context)
    const file = path.join(root, 'inside', 'p.phasemark', 'project.json')
    const project = JSON.parse(readFileSync(file, 'utf8')) as { volumes: Record<string, unknown>[] }
    project.volumes[0] = { ...project.volumes[0], path: outside.path, relativePath: null }
    writeFileSync(file, JSON.stringify(project))
    const state = await projects.open({ path: path.join(root, 'inside', 'p.phasemark') }, context)
    expect(state.volumes).toMatchObject([{ source: { state: 'missing' } }])
    expect(() => service.holder.current().volume(volumeId)).toThrow(
      expect.objectContaining({ _tag: 'NotFound' }),
    )
    await service.close()
  })

  test('check the paths of volumes and labels before these see them', async () => {
    const guard = await createPathGuard([at('root')])
    const seen: string[] = []
    const method = (request: { path: string }) => {
      seen.push(request.path)
      return Promise.reject(new Error('reached'))
    }
    const never = () => Promise.reject(new Error('not asked for'))
    const unguarded: Pick<ContractImplementation<typeof dataContract>, 'volumes' | 'labels'> = {
      volumes: {
        ...{ inspect: method, preview: method, open: never, close: never, histogram: never },
        ...{ sliceLimits: never, readPlane: never },
      },
      labels: {
        ...{ open: never, readPlane: never, apply: never, undo: never, redo: never, goTo: never },
        ...{ history: never, labelledSlices: never, saveVersion: never, restoreVersion: never },
        ...{ startImport: method, startExport: method },
      },
    }
    const services = guardServices(unguarded, guard)
    const volumeId = '6f1f4bb5-5c8e-4c7b-9a39-0f4b8b9f0a11'
    const calls = (place: string) => [
      () => services.volumes.inspect({ path: place }, context),
      () => services.volumes.preview({ path: place, maxExtent: 64 }, context),
      () => services.labels.startImport({ volumeId, path: place, keepExisting: false }, context),
      () => services.labels.startExport({ volumeId, path: place }, context),
    ]
    for (const call of calls(at('outside', 'secret.tif')))
      await expect(call()).rejects.toMatchObject({ _tag: 'NotWritable' })
    expect(seen).toEqual([])
    for (const call of calls(at('root', 'inner'))) await expect(call()).rejects.toThrow('reached')
    expect(seen).toHaveLength(4)
  })
})

describe('folders', () => {
  test('are listed in natural order, folders first, hidden ones left out', async () => {
    const folder = at('listed')
    mkdirSync(path.join(folder, 'b'), { recursive: true })
    mkdirSync(path.join(folder, 'a.phasemark'))
    mkdirSync(path.join(folder, 'c.phasemark'))
    writeFileSync(path.join(folder, 'c.phasemark', 'project.json'), '{}')
    for (const name of ['slice_10.tif', 'slice_2.tif', '.hidden', 'Slice_1.tif'])
      writeFileSync(path.join(folder, name), 'xyz')
    const files = createFilesService({ guard: await createPathGuard(null) })
    const listed = await files.list({ path: folder, limit: 100 }, context)
    expect(listed).toMatchObject({ path: folder, parent: scratch, more: false })
    expect(listed.entries.map(({ name, kind, sizeBytes }) => [name, kind, sizeBytes])).toEqual([
      ['a.phasemark', 'folder', null],
      ['b', 'folder', null],
      ['c.phasemark', 'project', null],
      ['Slice_1.tif', 'file', 3],
      ['slice_2.tif', 'file', 3],
      ['slice_10.tif', 'file', 3],
    ])
    const few = await files.list({ path: folder, limit: 2 }, context)
    expect(few.entries.map(({ name }) => name)).toEqual(['a.phasemark', 'b'])
    expect(few.more).toBe(true)
  })

  test('outside of the roots are not shown, nor the way to them', async () => {
    const files = createFilesService({ guard: await createPathGuard([at('root')]) })
    expect(await files.roots({}, context)).toEqual([{ name: 'root', path: at('root') }])
    const listed = await files.list({ path: at('root'), limit: 10 }, context)
    expect(listed.parent).toBeNull()
    await expect(files.list({ path: at('root', 'link-out'), limit: 10 }, context)).rejects.toMatchObject({
      _tag: 'NotWritable',
    })
  })

  test('that are none say so', async () => {
    const files = createFilesService({ guard: await createPathGuard(null), homeFolder: scratch })
    expect((await files.roots({}, context))[0]).toEqual({ name: 'Home', path: scratch })
    await expect(files.list({ path: at('none'), limit: 10 }, context)).rejects.toMatchObject({
      _tag: 'NotFound',
    })
    await expect(files.list({ path: at('outside', 'secret.tif'), limit: 10 }, context)).rejects.toMatchObject(
      {
        _tag: 'BadInput',
      },
    )
  })
})

describe('settings', () => {
  test('are kept, one by one, and forgotten with null', async () => {
    const stateFolder = at('state')
    const settings = createSettingsService({ stateFolder })
    expect(await settings.read({}, context)).toEqual({})
    await Promise.all(
      Array.from({ length: 10 }, async (_, index) => {
        await settings.write({ key: `k${index}`, value: { index } }, context)
      }),
    )
    await settings.write({ key: 'k3', value: null }, context)
    await expect(settings.write({ key: '__proto__', value: 'own' }, context)).rejects.toMatchObject({
      _tag: 'BadInput',
    })
    const again = await createSettingsService({ stateFolder }).read({}, context)
    expect(Object.keys(again)).toHaveLength(9)
    expect(again['k4']).toEqual({ index: 4 })
    expect(again['k3']).toBeUndefined()
    await expect(
      settings.write({ key: 'large', value: 'x'.repeat(300 * 1024) }, context),
    ).rejects.toMatchObject({ _tag: 'BadInput' })
  })

  test('begin anew when their file is damaged, which is kept', async () => {
    const stateFolder = at('damaged')
    mkdirSync(stateFolder)
    writeFileSync(path.join(stateFolder, 'settings.json'), '{"theme":')
    const settings = createSettingsService({ stateFolder })
    expect(await settings.read({}, context)).toEqual({})
    await settings.write({ key: 'theme', value: 'light' }, context)
    expect(await settings.read({}, context)).toEqual({ theme: 'light' })
    expect(readFileSync(path.join(stateFolder, 'settings.json.damaged'), 'utf8')).toBe('{"theme":')
  })
})

describe('the machine', () => {
  test('tells memory, disk and processor; clears what can be made again and nothing else', async () => {
    const cacheFolder = at('cache')
    mkdirSync(path.join(cacheFolder, 'pyramids', 'deep'), { recursive: true })
    mkdirSync(path.join(cacheFolder, 'runtime'))
    writeFileSync(path.join(cacheFolder, 'pyramids', 'deep', 'a'), Buffer.alloc(1000))
    writeFileSync(path.join(cacheFolder, 'pyramids', 'b'), Buffer.alloc(24))
    writeFileSync(path.join(cacheFolder, 'runtime', 'library'), Buffer.alloc(7))
    const cleared: string[] = []
    const system = createSystemService({
      cacheFolder,
      cacheLimitBytes: 1e9,
      diskFolder: () => at('not', 'made', 'yet'),
      onClearing: () => {
        cleared.push('said')
        return Promise.resolve()
      },
    })
    const status = await system.status({}, context)
    expect(status.memoryUsedBytes).toBeGreaterThan(1e6)
    expect(status.memoryTotalBytes).toBeGreaterThan(status.memoryUsedBytes)
    expect(status.diskFreeBytes).toBeGreaterThan(0)
    expect(status.cpuName).not.toBe('')
    expect(await system.cache({}, context)).toEqual({ path: cacheFolder, usedBytes: 1024, limitBytes: 1e9 })
    expect(await system.clearCache({}, context)).toEqual({ freedBytes: 1024 })
    expect(cleared).toEqual(['said'])
    expect(await system.cache({}, context)).toMatchObject({ usedBytes: 0 })
    expect(readFileSync(path.join(cacheFolder, 'runtime', 'library'))).toHaveLength(7)
  })
})

describe('folders of a user', () => {
  const place = { environment: {}, platform: 'linux' as const, homeFolder: '/home/ada' }
  test('follow the system, its variables and ours', () => {
    expect(userStateFolder(place)).toBe('/home/ada/.local/state/phasemark')
    expect(userStateFolder({ ...place, environment: { XDG_STATE_HOME: '/x' } })).toBe('/x/phasemark')
    expect(userStateFolder({ ...place, environment: { XDG_STATE_HOME: 'x' } })).toBe(
      '/home/ada/.local/state/phasemark',
    )
    expect(userStateFolder({ ...place, environment: { PHASEMARK_STATE: '/s' } })).toBe('/s')
    expect(defaultProjectFolder(null, place)).toBe('/home/ada/Phasemark')
    expect(defaultProjectFolder(['/data'], place)).toBe('/data')
    expect(defaultProjectFolder(['/data'], { ...place, environment: { PHASEMARK_PROJECTS: '/p' } })).toBe(
      '/p',
    )
  })
})
