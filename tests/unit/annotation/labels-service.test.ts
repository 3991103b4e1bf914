import { randomUUID } from 'node:crypto'
import path from 'node:path'
import { describe, expect, test } from 'vitest'
import type { ImportLabels } from '../../../src/main/engine/annotation/interfaces.ts'
import { createLabelsService } from '../../../src/main/engine/annotation/labels-service.ts'
import type { OpenProject, ProjectHolder } from '../../../src/main/engine/project/project-holder.ts'
import { labelsService } from '../../../src/shared/contract/labels.ts'
import type { ProjectMaterial } from '../../../src/shared/contract/projects.ts'
import { PhasemarkError } from '../../../src/shared/errors.ts'
import type { Shape3 } from '../../../src/shared/volume.ts'
import { scratchFolder } from '../../support/file-tree.ts'
import { stroke, volumeId } from './store-support.ts'

const scratch = scratchFolder('labels-service')
const shape: Shape3 = [3, 20, 20]
const context = { signal: new AbortController().signal }

function material(index: number, more: Partial<ProjectMaterial> = {}): ProjectMaterial {
  const colour = '#56b4e9'
  return {
    index,
    value: index,
    name: `m${index}`,
    colour,
    visible: true,
    locked: false,
    removed: false,
    ...more,
  }
}

/** A project with one volume and three materials, and the service over it. */
function serve(name: string, options: { readOnly?: string; importLabels?: ImportLabels } = {}) {
  const materials = [material(1), material(2), material(3)]
  const volume = {
    id: volumeId,
    name: 'anode',
    summary: { shape },
  } as unknown as OpenProject['volumes'][number]
  let opened = true
  let closing: () => Promise<void> = () => Promise.resolve()
  const current: OpenProject = {
    folder: path.join(scratch, name),
    readOnly: options.readOnly ?? null,
    volume: (id) => {
      if (id === volumeId) return volume
      throw new PhasemarkError('NotFound', `no volume ${id}`, { path: id })
    },
    volumes: [volume],
    materials,
    addMaterials: () => Promise.resolve(materials),
    labelFolder: (id) => path.join(scratch, name, 'labels', id),
  }
  const project: ProjectHolder = {
    current: () => {
      if (opened) return current
      throw new PhasemarkError('WrongUsage', 'no project is open', {})
    },
    onClosing: (listener) => {
      closing = listener
      return () => undefined
    },
    onOpened: () => () => undefined,
  }
  const events: [string, unknown][] = []
  const jobs: Promise<string>[] = []
  const service = createLabelsService({
    project,
    source: () => Promise.reject(new Error('no grey values')),
    emit: (event, payload) => {
      // Everything that leaves must fit the contract.
      events.push([event, labelsService.events[event].parse(payload)])
    },
    jobs: {
      start: (_, run) => {
        jobs.push(run({ signal: context.signal, onProgress: () => undefined }))
        return randomUUID()
      },
    },
    ...(options.importLabels === undefined ? {} : { importLabels: options.importLabels }),
  })
  const closeProject = async () => {
    await closing()
    opened = false
  }
  return { service, materials, events, jobs, closeProject, implementation: service.implementation }
}

const brush = (row: number, material: number) => ({
  volumeId,
  editId: randomUUID(),
  edit: stroke(0, [row, 5], material),
})

describe('the labels service', () => {
  test('answers as the contract says, tells everybody, and lets go when the project closes', async () => {
    const { implementation, service, events, closeProject, materials } = serve('works')
    const { methods } = labelsService
    const call = async <Name extends keyof typeof methods>(
      name: Name,
      request: Parameters<(typeof implementation)[Name]>[0],
    ) => {
      const run = implementation[name] as (request: unknown, context: unknown) => Promise<unknown>
      return methods[name].result.parse(await run(request, context))
    }
    expect(await call('open', { volumeId })).toMatchObject({ sequence: 0, journal: { state: 'ok' } })
    expect(await service.summary(volumeId)).toEqual({ labelledSlices: 0, labelledVoxels: 0, bytes: 0 })
    expect(await call('apply', brush(5, 1))).toMatchObject({ changedVoxels: 5 })
    materials[0] = material(1, { locked: true })
    await expect(call('apply', brush(9, 1))).rejects.toMatchObject({ _tag: 'WrongUsage' })
    expect(await call('apply', brush(6, 2))).toMatchObject({ changedVoxels: 3 })
    expect(await call('undo', { volumeId })).toMatchObject({ canRedo: true, editId: null })
    expect(await call('redo', { volumeId })).toMatchObject({ changedVoxels: 3 })
    expect(await call('goTo', { volumeId, sequence: 0 })).toMatchObject({ historyLength: 0 })
    expect(await call('redo', { volumeId })).toMatchObject({ historyLength: 1 })
    expect(await call('history', { volumeId, before: null, limit: 1 })).toMatchObject({ more: true })
    expect(await call('saveVersion', { volumeId, name: 'first' })).toMatchObject({ number: 1 })
    await call('apply', { volumeId, editId: randomUUID(), edit: stroke(2, [5, 5], 3) })
    expect(await call('labelledSlices', { volumeId })).toEqual({
      slices: Uint32Array.of(0, 2),
      materials: Uint32Array.of(2, 8),
    })
    expect(await call('restoreVersion', { volumeId, number: 1 })).toMatchObject({ changedVoxels: 5 })
    const plane = { volumeId, axis: 'z', index: 0, rectangle: null } as const
    expect(await call('readPlane', plane)).toMatchObject({ rectangle: { bottom: 20, right: 20 } })
    // Everything that was written was told, in order; 9 is the part of the restored version that belongs to 10.
    const sequences = events.map(([, payload]) => (payload as { sequence: number }).sequence)
    expect(sequences).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 10])
    const open = await service.summary(volumeId)
    expect(open).toMatchObject({ labelledSlices: 1, labelledVoxels: 5 })
    await expect(call('open', { volumeId: randomUUID() })).rejects.toMatchObject({ _tag: 'NotFound' })
    await closeProject()
    await expect(call('open', { volumeId })).rejects.toMatchObject({ _tag: 'WrongUsage' })

    const again = serve('works')
    const closed = await again.service.summary(volumeId)
    expect(closed).toMatchObject({ labelledSlices: 1, labelledVoxels: 5 })
    expect(await again.service.summary(volumeId)).toBe(closed)
    await again.service.close()
  })

  test('of a project that is only looked at changes nothing', async () => {
    const writer = serve('looked-at')
    await writer.implementation.apply(brush(5, 1), context)
    await writer.closeProject()
    const { implementation, service } = serve('looked-at', { readOnly: 'somebody else has it open' })
    const state = await implementation.open({ volumeId }, context)
    expect(state).toMatchObject({ journal: { state: 'read-only', message: 'somebody else has it open' } })
    expect(state.counts[1]).toBe(5)
    const refused = { _tag: 'Locked' }
    await expect(implementation.apply(brush(5, 1), context)).rejects.toMatchObject(refused)
    await expect(implementation.saveVersion({ volumeId, name: 'x' }, context)).rejects.toMatchObject(refused)
    const request = { volumeId, path: 'x', keepExisting: true }
    await expect(implementation.startImport(request, context)).rejects.toMatchObject({ _tag: 'WrongUsage' })
    await service.close()
  })

  test('ends an import with its project, and leaves the labels as they were', async () => {
    let started: () => void = () => undefined
    const running = new Promise<void>((resolve) => (started = resolve))
    const importLabels: ImportLabels = async ({ store }, _, { signal }) => {
      async function* slices() {
        yield { z: 0, labels: new Uint8Array(400).fill(3) }
        started()
        await new Promise<void>((resolve) =>
          signal.addEventListener('abort', () => resolve(), { once: true }),
        )
      }
      const allowed = new Uint8Array(256).fill(1)
      await store.replaceSlices('import', slices(), { mode: 'over', allowed, signal })
      return 'imported'
    }
    const { implementation, jobs, service, closeProject } = serve('import', { importLabels })
    await implementation.apply(brush(5, 1), context)
    await implementation.startImport({ volumeId, path: 'x', keepExisting: false }, context)
    const job = expect(jobs[0]).rejects.toMatchObject({ _tag: 'Cancelled' })
    await running
    // Looking goes on while slices come in.
    const { data } = await implementation.readPlane(
      { volumeId, axis: 'z', index: 0, rectangle: null },
      context,
    )
    expect(data.filter((label) => label !== 0).length).toBe(5)
    await closeProject()
    await job
    const again = serve('import')
    expect(await again.service.summary(volumeId)).toMatchObject({ labelledVoxels: 5 })
    await again.service.close()
    await service.close()
  })
})
