import { readdirSync, statSync } from 'node:fs'
import path from 'node:path'
import { expect, test } from 'vitest'
import { overwritableLabels } from '../../../src/shared/annotation/paint.ts'
import { LabelStore } from '../../../src/main/engine/annotation/label-store.ts'
import { importLabels } from '../../../src/main/engine/project/label-import.ts'
import { openVolume } from '../../../src/main/engine/volume/open-volume.ts'
import { temporaryFolder } from '../volume/temporary-folder.ts'
import { context, startService } from './project-kit.ts'

const scratch = temporaryFolder('sample-project')

test('a sample opens as a project with voxel size, materials and first scribbles, and is generated once', async () => {
  const service = await startService(scratch)
  const { implementation: projects } = service
  const state = await projects.createSample({ recipe: 'battery' }, context)
  expect(state.path).toBe(path.join(scratch, 'projects', 'Sample battery electrode.phasemark'))
  expect(state.volumes).toMatchObject([
    {
      name: 'Synthetic battery electrode (computed, not measured)',
      voxelSize: { unit: expect.any(String) as string, z: expect.any(Number) as number },
      source: { state: 'ok' },
      summary: { shape: [48, 320, 320], dtype: 'uint16' },
    },
  ])
  expect(state.materials.map(({ name, value }) => [name, value])).toEqual([
    ['pore', 0],
    ['carbon-binder domain', 1],
    ['active material', 2],
  ])
  const told = service.sampleProgress
  expect(told.at(-1)).toMatchObject({ done: 48, total: 48 })
  expect(told.map(({ done }) => done)).toEqual(told.map((_, slice) => slice + 1))
  const [volume] = state.volumes
  // The first labels come through the job that a window would start.
  expect(service.imports).toMatchObject([{ volumeId: volume.id, keepExisting: true }])
  const project = service.holder.current()
  const store = await LabelStore.open(project.labelFolder(volume.id), volume.summary.shape, {
    ...{ volumeId: volume.id, readOnly: null, allowed: () => overwritableLabels(project.materials) },
    source: () => openVolume(volume.path),
  })
  const summary = await importLabels(
    { store, project, volumeId: volume.id },
    { path: service.imports[0].path, keepExisting: true },
    { signal: context.signal, onProgress: () => undefined },
  )
  expect(summary).toContain('slices matched by name; the value 255 means unlabelled (as the files say)')
  expect(store.labelledSlices).toEqual([0, 12, 24, 36])
  for (const index of [1, 2, 3]) expect(store.counts[index]).toBeGreaterThan(100)
  expect(project.materials).toHaveLength(3)
  await store.close()

  const images = path.join(scratch, 'projects', 'Samples', 'battery', 'images')
  const before = readdirSync(images).map((name) => statSync(path.join(images, name)).mtimeMs)
  const again = await projects.createSample({ recipe: 'battery' }, context)
  expect(again.path).toBe(path.join(scratch, 'projects', 'Sample battery electrode 2.phasemark'))
  expect(readdirSync(images).map((name) => statSync(path.join(images, name)).mtimeMs)).toEqual(before)
  await service.close()
})
