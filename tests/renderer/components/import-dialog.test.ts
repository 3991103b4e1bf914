import type { VueWrapper } from '@vue/test-utils'
import { afterEach, describe, expect, it } from 'vitest'
import { PhasemarkError } from '../../../src/shared/errors.ts'
import { useDialogsStore } from '../../../src/renderer/stores/dialogs.ts'
import { useProjectStore } from '../../../src/renderer/stores/project.ts'
import ImportDialog from '../../../src/renderer/workspaces/data/ImportDialog.vue'
import { entryOf, projectOf, summaryOf } from '../support/fake-services.ts'
import { createStage, mountOn, settle, type Stage } from '../support/mount-with.ts'

const folder = '/data/sample_B/raw'
let wrapper: VueWrapper | null = null

afterEach(() => {
  wrapper?.unmount()
  wrapper = null
  document.body.innerHTML = ''
})

async function open(stage: Stage, path: string, volumeId: string | null = null): Promise<void> {
  await useProjectStore().refresh()
  wrapper = await mountOn(stage, ImportDialog)
  useDialogsStore().importing = { path, volumeId }
  await settle(5)
}

function stageWith(change: Partial<Parameters<typeof createStage>[0] & object> = {}): Stage {
  return createStage({
    project: projectOf({ volumes: [] }),
    sources: new Map([[folder, summaryOf({ shape: [16, 24, 32] })]]),
    ...change,
  })
}

const text = (): string =>
  document.querySelector('.dialog')?.textContent.replace(/[\u00A0\u202F\s]+/g, ' ') ?? ''
const field = (label: string): HTMLInputElement => {
  const found = [...document.querySelectorAll<HTMLInputElement>('.dialog input')].find((input) =>
    input.getAttribute('aria-label')?.startsWith(label),
  )
  if (found === undefined) throw new Error(`no field ${label}`)
  return found
}
async function type(label: string, value: string): Promise<void> {
  const input = field(label)
  input.value = value
  input.dispatchEvent(new Event('input'))
  await settle()
}
const importButton = (): HTMLButtonElement =>
  document.querySelector<HTMLButtonElement>('.dialog footer [type=submit]')!
async function submit(): Promise<void> {
  document.querySelector('.dialog form')!.dispatchEvent(new Event('submit', { cancelable: true }))
  await settle(5)
}

describe('importing a folder', () => {
  it('says what the files carry and what nobody said', async () => {
    await open(stageWith(), folder)
    expect(field('Name').value).toBe('sample_B')
    expect(field('Voxel size z').value).toBe('')
    expect(field('Voxel size y').value).toBe('10')
    expect(text()).toContain('y, x from the files. z unknown')
    expect(text()).toContain('16 slices, in order. First slice_0001, last slice_0016. None missing.')
    expect(text()).toContain('Physical sizeunknown without a voxel size')
  })

  it('adds the volume with the user’s entry marked as such', async () => {
    const stage = stageWith()
    await open(stage, folder)
    await type('Voxel size z', '20')
    expect(text()).toContain('z is your entry: the files do not carry it.')
    // 16 × 20 = 320 nm, 24 × 10 = 240 nm, 32 × 10 = 320 nm.
    expect(text()).toContain('320 × 240 × 320 nm')
    await submit()
    expect(stage.fake.calls.find(({ method }) => method === 'data.projects.addVolume')?.request).toEqual({
      name: 'sample_B',
      path: folder,
      raw: null,
      voxelSize: { z: 20, y: 10, x: 10, unit: 'nm' },
      voxelSizeEntered: ['z'],
      role: 'seen',
    })
    expect(useDialogsStore().importing).toBeNull()
  })

  it('leaves an unknown voxel size unknown', async () => {
    const source = summaryOf({ shape: [16, 24, 32], voxelSize: null })
    const stage = stageWith({ sources: new Map([[folder, source]]) })
    await open(stage, folder)
    await submit()
    expect(
      stage.fake.calls.find(({ method }) => method === 'data.projects.addVolume')?.request,
    ).toMatchObject({
      voxelSize: null,
      voxelSizeEntered: [],
    })
  })

  it('says what is wrong with a voxel size and does not import', async () => {
    const stage = stageWith()
    await open(stage, folder)
    await type('Voxel size z', '0')
    expect(text()).toContain('Voxel size z must be above 0')
    expect(field('Voxel size z').getAttribute('aria-invalid')).toBe('true')
    expect(importButton().getAttribute('aria-disabled')).toBe('true')
    await submit()
    expect(stage.fake.calls.some(({ method }) => method === 'data.projects.addVolume')).toBe(false)
    await type('Voxel size z', '20')
    expect(importButton().getAttribute('aria-disabled')).toBeNull()
  })

  it('warns of gaps in the numbering', async () => {
    const source = summaryOf({
      shape: [16, 24, 32],
      gaps: [7],
      warnings: [{ kind: 'numbering-gap', message: 'slice_0007 is followed by slice_0009' }],
    })
    await open(stageWith({ sources: new Map([[folder, source]]) }), folder)
    expect(text()).toContain('16 slices with 1 gap in the numbering.')
    expect(text()).toContain('slice_0007 is followed by slice_0009')
  })

  it('names the file that does not fit and offers a way out', async () => {
    const stage = stageWith()
    const message = '/data/mixed/b_02.tif: expected 64 × 64 uint16, found 64 × 63 uint16'
    stage.fake.services.data.volumes.inspect = () => {
      throw new PhasemarkError('BadInput', message, { path: '/data/mixed/b_02.tif', expected: '', found: '' })
    }
    await open(stage, '/data/mixed')
    expect(text()).toContain(message)
    expect(text()).toContain('Nothing was copied or changed.')
    expect(text()).toContain('Choose something else…')
    expect(importButton().getAttribute('aria-disabled')).toBe('true')
  })

  it('stays open and says why when the project refuses', async () => {
    const stage = stageWith()
    stage.fake.services.data.projects.addVolume = () => {
      throw new PhasemarkError('NoSpace', '/home/user: no space left on the disk', { path: '/home/user' })
    }
    await open(stage, folder)
    await submit()
    expect(text()).toContain('Not imported. /home/user: no space left on the disk.')
    expect(useDialogsStore().importing).not.toBeNull()
  })

  it('makes a project first when none is open', async () => {
    const stage = stageWith({ project: null })
    await open(stage, folder)
    expect(text()).toContain('/home/user/Phasemark/sample_B.phasemark')
    await submit()
    const methods = stage.fake.calls.map(({ method }) => method)
    expect(methods.indexOf('data.projects.create')).toBeLessThan(methods.indexOf('data.projects.addVolume'))
    expect(stage.fake.calls.find(({ method }) => method === 'data.projects.create')?.request).toEqual({
      path: '/home/user/Phasemark/sample_B.phasemark',
      name: 'sample_B',
    })
  })

  it('changes the import of a volume of the project', async () => {
    const volume = entryOf({
      path: folder,
      voxelSizeEntered: ['z'],
      voxelSize: { z: 20, y: 10, x: 10, unit: 'nm' },
    })
    const stage = stageWith({ project: projectOf({ volumes: [volume] }) })
    await open(stage, folder, volume.id)
    expect(field('Voxel size z').value).toBe('20')
    await type('Name', 'renamed')
    await submit()
    expect(stage.fake.calls.at(-1)).toMatchObject({
      method: 'data.projects.updateVolume',
      request: { volumeId: volume.id, change: { name: 'renamed', voxelSizeEntered: ['z'] } },
    })
  })
})

describe('importing a raw file', () => {
  const file = '/data/block.raw'

  it('compares the header with the size of the file and reads it only when it fits', async () => {
    const stage = stageWith()
    await open(stage, file)
    expect(text()).toContain('A raw file says nothing of itself')
    // The fake file has 491 520 bytes = 48 × 64 × 80 × 2.
    for (const [label, value] of [
      ['Planes', '48'],
      ['Rows', '64'],
      ['Columns', '81'],
    ] as const)
      await type(label, value)
    await settle(400)
    expect(text()).toContain('48 × 64 × 81 × 2 B + 0 B offset = 497 664 B')
    expect(text()).toContain('The file has 491 520 bytes, 6 144 bytes too few.')
    expect(stage.fake.calls.some(({ method }) => method === 'data.volumes.inspect')).toBe(false)
    expect(importButton().getAttribute('aria-disabled')).toBe('true')

    await type('Columns', '80')
    await settle(400)
    expect(text()).toContain('The file has exactly 491 520 bytes.')
    expect(stage.fake.calls.find(({ method }) => method === 'data.volumes.inspect')?.request).toEqual({
      path: file,
      raw: { shape: [48, 64, 80], dtype: 'uint16', littleEndian: true, offsetBytes: 0 },
    })
    await submit()
    expect(
      stage.fake.calls.find(({ method }) => method === 'data.projects.addVolume')?.request,
    ).toMatchObject({
      name: 'block',
      raw: { shape: [48, 64, 80] },
      voxelSize: null,
    })
  })

  it('says when bytes are left over', async () => {
    await open(stageWith(), file)
    for (const [label, value] of [
      ['Planes', '48'],
      ['Rows', '64'],
      ['Columns', '79'],
    ] as const)
      await type(label, value)
    expect(text()).toContain('6 144 bytes follow the voxels')
  })
})
