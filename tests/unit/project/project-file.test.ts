import { mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, test } from 'vitest'
import { readProject, writeProject } from '../../../src/main/engine/project/project-file.ts'
import { parseProject, type StoredProject } from '../../../src/main/engine/project/project-schema.ts'
import { ProjectSession } from '../../../src/main/engine/project/project-session.ts'
import { temporaryFolder } from '../volume/temporary-folder.ts'
import { someId } from './project-kit.ts'

const scratch = temporaryFolder('project-file')
let counter = 0

const minimal: StoredProject = {
  format: 'phasemark-project',
  schemaVersion: '1.0',
  name: 'study',
  createdAt: '2026-01-02T03:04:05.000Z',
  writtenBy: 'phasemark 0.1.0',
  volumes: [],
  removedVolumes: [],
  materials: [
    {
      ...{ index: 2, value: 7, name: 'Ni', colour: '#e69f00' },
      ...{ visible: true, locked: false, removed: false },
    },
  ],
}

/** A project folder with these texts; `undefined`: no such file. */
function folderWith(project?: string, previous?: string): string {
  const folder = path.join(scratch, `${++counter}.phasemark`)
  mkdirSync(folder)
  if (project !== undefined) writeFileSync(path.join(folder, 'project.json'), project)
  if (previous !== undefined) writeFileSync(path.join(folder, 'project.json.previous'), previous)
  return folder
}

const good = JSON.stringify(minimal)
const withVersion = (schemaVersion: string, more = {}) =>
  JSON.stringify({ ...minimal, schemaVersion, ...more })

describe('a damaged project.json', () => {
  test.each([
    ['cut off', good.slice(0, 40)],
    ['empty', ''],
    ['of zeros, as a power cut leaves', '\0'.repeat(500)],
    ['without its materials', JSON.stringify({ ...minimal, materials: undefined })],
    ['missing', undefined],
  ])('that is %s gives way to the copy from before, and says so', async (_, text) => {
    const folder = folderWith(text, good)
    const read = await readProject(folder)
    expect(read.project).toEqual(minimal)
    expect(read.damage).toMatch(
      /project\.json could not be read .* the copy from before the last change was used/,
    )
    const session = await ProjectSession.open(folder)
    try {
      expect(session.damage).toBe(read.damage)
      // Repaired at once; what was damaged is kept.
      expect(JSON.parse(readFileSync(path.join(folder, 'project.json'), 'utf8'))).toMatchObject({
        name: 'study',
      })
      if (text !== undefined)
        expect(readFileSync(path.join(folder, 'project.json.damaged'), 'utf8')).toBe(text)
    } finally {
      await session.close()
    }
    expect((await readProject(folder)).damage).toBeNull()
  })

  test('without a good copy is refused by name, and nothing is written', async () => {
    for (const previous of [undefined, '{']) {
      const folder = folderWith('{"format":', previous)
      const error: unknown = await ProjectSession.open(folder).catch((reason: unknown) => reason)
      expect(error).toMatchObject({
        _tag: 'BadInput',
        fields: { path: path.join(folder, 'project.json') },
      })
      expect(readFileSync(path.join(folder, 'project.json'), 'utf8')).toBe('{"format":')
    }
  })

  test.each([
    [
      'two materials of one index',
      { materials: [minimal.materials[0], { ...minimal.materials[0], value: 8, name: 'b' }] },
    ],
    [
      'two materials of one value',
      { materials: [minimal.materials[0], { ...minimal.materials[0], index: 3, name: 'b' }] },
    ],
    ['a material of index 0', { materials: [{ ...minimal.materials[0], index: 0 }] }],
    ['a volume whose id is a path', { volumes: [{ id: '../../outside' }] }],
    ['another format', { format: 'something' }],
  ])('with %s is refused', (_, change) => {
    expect(() => parseProject('p', JSON.stringify({ ...minimal, ...change }))).toThrow(
      expect.objectContaining({ _tag: 'BadInput' }),
    )
  })
})

describe('versions', () => {
  test('a newer major one is refused with both versions, also when the copy could be read', async () => {
    const folder = folderWith(withVersion('2.3', { materials: 'now something else' }), good)
    const error = await readProject(folder).catch((reason: unknown) => reason)
    expect(error).toMatchObject({ _tag: 'BadInput', fields: { found: 'version 2.3' } })
    expect(error).toMatchObject({ fields: { expected: expect.stringContaining('version 1.x') as string } })
  })

  test('what a newer minor one added is kept when it is written', async () => {
    const future = {
      tags: ['a'],
      materials: [{ ...minimal.materials[0], density: 8.9 }],
    }
    const folder = folderWith(withVersion('1.9', future))
    const session = await ProjectSession.open(folder)
    await session.update((project) => ({ ...project, name: 'renamed' }))
    await session.close()
    expect(JSON.parse(readFileSync(path.join(folder, 'project.json'), 'utf8'))).toMatchObject({
      ...future,
      name: 'renamed',
      schemaVersion: '1.9',
    })
  })

  test('an older major one goes through the upgraders', () => {
    const old = { format: 'phasemark-project', schemaVersion: '0.4', title: 'study' }
    const read = parseProject('p', JSON.stringify(old), {
      0: ({ title, ...rest }) => ({ ...minimal, ...rest, name: title }),
    })
    expect(read).toMatchObject({ name: 'study', schemaVersion: '1.0' })
    expect(() => parseProject('p', JSON.stringify(old), {})).toThrow(
      expect.objectContaining({ _tag: 'BadInput' }),
    )
  })
})

describe('what is no project', () => {
  test('is told apart', async () => {
    const file = path.join(scratch, 'file.phasemark')
    writeFileSync(file, 'x')
    await expect(readProject(file)).rejects.toMatchObject({ _tag: 'BadInput', fields: { found: 'a file' } })
    await expect(readProject(path.join(file, 'below'))).rejects.toMatchObject({ _tag: 'NotFound' })
    await expect(readProject(path.join(scratch, 'none.phasemark'))).rejects.toMatchObject({
      _tag: 'NotFound',
    })
    await expect(readProject(path.join(scratch, 'n'.repeat(400)))).rejects.toMatchObject({ _tag: 'NotFound' })
    const halfCopied = folderWith()
    mkdirSync(path.join(halfCopied, 'labels'))
    await expect(ProjectSession.open(halfCopied)).rejects.toMatchObject({
      _tag: 'BadInput',
      fields: { path: halfCopied, found: 'none' },
    })
  })

  test('a folder in the place of project.json is refused', async () => {
    const folder = folderWith()
    mkdirSync(path.join(folder, 'project.json'))
    await expect(readProject(folder)).rejects.toMatchObject({ _tag: 'BadInput' })
  })
})

describe('a project from somebody else', () => {
  test('cannot lead out of its folder', async () => {
    const outside = path.join(scratch, 'outside')
    mkdirSync(outside)
    writeFileSync(path.join(outside, 'secret.json'), good)

    const linkedFile = folderWith()
    symlinkSync(path.join(outside, 'secret.json'), path.join(linkedFile, 'project.json'))
    await expect(readProject(linkedFile)).rejects.toMatchObject({
      _tag: 'BadInput',
      fields: { found: 'a link' },
    })

    const linkedFolder = folderWith(good)
    symlinkSync(outside, path.join(linkedFolder, 'labels'))
    await expect(ProjectSession.open(linkedFolder)).rejects.toMatchObject({ _tag: 'BadInput' })

    const id = someId()
    const linkedLabels = folderWith(good)
    mkdirSync(path.join(linkedLabels, 'labels'))
    symlinkSync(outside, path.join(linkedLabels, 'labels', id))
    await expect(ProjectSession.open(linkedLabels)).rejects.toMatchObject({ _tag: 'BadInput' })

    const clean = await ProjectSession.open(folderWith(good))
    try {
      expect(() => clean.labelFolder('../../outside')).toThrow(expect.objectContaining({ _tag: 'BadInput' }))
      mkdirSync(path.join(clean.folder, 'labels'), { recursive: true })
      symlinkSync(outside, path.join(clean.folder, 'labels', id))
      expect(() => clean.labelFolder(id)).toThrow(expect.objectContaining({ _tag: 'BadInput' }))
    } finally {
      await clean.close()
    }
  })
})

describe('writing', () => {
  test('keeps the text from before beside the new one', async () => {
    const folder = folderWith(good)
    const text = await writeProject(folder, { ...minimal, name: 'two' }, good)
    expect(readFileSync(path.join(folder, 'project.json.previous'), 'utf8')).toBe(good)
    expect(readFileSync(path.join(folder, 'project.json'), 'utf8')).toBe(text)
  })

  test('of many changes at once loses none', async () => {
    const session = await ProjectSession.create(path.join(scratch, 'many.phasemark'), 'many')
    const values = Array.from({ length: 20 }, (_, position) => position + 1)
    await Promise.all(values.map((value) => session.addMaterials([{ value, name: `m ${value}` }])))
    await session.close()
    const { project } = await readProject(session.folder)
    expect(project.materials.map(({ value }) => value)).toEqual(values)
    expect(project.materials.map(({ index }) => index)).toEqual(values)
    rmSync(session.folder, { recursive: true })
  })
})
