import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { afterAll, describe, expect, it, vi } from 'vitest'
import { forkEngineProcess } from '../../src/main/hosts/processes/forked-child.ts'
import type { ForkedChild } from '../../src/main/hosts/processes/forked-child.ts'
import { createSupervisor } from '../../src/main/hosts/processes/supervisor.ts'
import { dataContract } from '../../src/shared/contract/contract.ts'
import type { ContractClient } from '../../src/shared/contract/definition.ts'
import type { Job } from '../../src/shared/contract/jobs.ts'
import { connectContract } from '../../src/shared/contract/transport/connect-contract.ts'
import { scratchFolder, treeOf } from '../support/file-tree.ts'
import { defaultStem, writeLongTomogram } from '../support/sample-tomogram.ts'

/**
 * The real data process, killed while labels are imported and exported: the next one takes the work up when the project is open again,
 * and does nothing twice.
 */

const scratch = scratchFolder('resumed-jobs')
const env = { PHASEMARK_STATE: path.join(scratch, 'state'), PHASEMARK_CACHE: path.join(scratch, 'cache') }
/** The file of this host's data process. */
const recordFile = path.join(env.PHASEMARK_STATE, 'jobs', `data-${process.pid}.json`)
/** Enough that a kill comes in the middle, whatever the machine. */
const [slices, height, width] = [240, 256, 256]

type DataClient = ContractClient<typeof dataContract>

/** Folders that the next process may reach, as its host says; `null`: all. */
let roots: string[] | null = null
/** The process that serves now; `null` while there is none. */
let child: ForkedChild | null = null
let client: DataClient | null = null
const changes: Job[] = []
const supervisor = createSupervisor<ForkedChild>({
  spawn: (name) =>
    forkEngineProcess(name, {
      env: roots === null ? env : { ...env, PHASEMARK_ROOTS: JSON.stringify(roots) },
      log: (text) => process.stderr.write(text),
    }),
  onStatus: ({ name, state }) => {
    // Five deaths in a minute are given up; here they are wanted.
    if (name === 'data' && state === 'failed') void supervisor.restart('data')
  },
})
supervisor.attach('data', (next) => {
  child = next
  client = connectContract(dataContract, next.openChannel(), 'data').client
  client.jobs.on('changed', (job) => changes.push(job))
})
afterAll(async () => {
  await supervisor.close()
})

async function running(): Promise<DataClient> {
  await until(() => client !== null)
  return client!
}

/** Kills the data process and waits for the next one. */
async function kill(): Promise<DataClient> {
  client = null
  process.kill(child!.pid!, 'SIGKILL')
  return await running()
}

async function until(condition: () => boolean): Promise<void> {
  await vi.waitFor(() => {
    expect(condition()).toBe(true)
  }, 30_000)
}

async function untilEnded(id: string): Promise<Job> {
  const data = await running()
  let job: Job | undefined
  await vi.waitFor(async () => {
    job = (await data.jobs.list({})).find((each) => each.id === id)
    expect(job?.endedAt ?? null).not.toBeNull()
  }, 60_000)
  return job!
}

/** Waits until the job has done a third of its work. */
async function untilInTheMiddle(id: string): Promise<void> {
  await until(() =>
    changes.some(
      (job) =>
        job.id === id &&
        job.progress !== null &&
        ['importing', 'writing'].includes(job.progress.stage) &&
        job.progress.done >= job.progress.total / 3,
    ),
  )
  expect(changes.findLast((job) => job.id === id)?.state).toBe('running')
}

describe('a data process that is killed', () => {
  const stack = writeLongTomogram(path.join(scratch, 'stack'), { slices, height, width })
  const project = path.join(scratch, 'killed.phasemark')
  let volumeId = ''
  /** What the record said while an import and an export were running. */
  const records = { import: '', export: '' }

  async function imports(data: DataClient): Promise<number> {
    const { entries } = await data.labels.history({ volumeId, before: null, limit: 100 })
    return entries.filter(({ kind }) => kind === 'import').length
  }

  it('while it imports labels: the import waits for its project, and is then carried out once', async () => {
    supervisor.start()
    const first = await running()
    await first.projects.create({ path: project, name: 'killed' })
    const inspected = { path: stack.images, raw: null }
    const added = await first.projects.addVolume({
      ...inspected,
      ...{ name: 'killed', voxelSize: null, voxelSizeEntered: [], role: 'seen' },
    })
    volumeId = added.volumeId
    const { jobId } = await first.labels.startImport({ volumeId, path: stack.labels, keepExisting: false })
    await untilInTheMiddle(jobId)
    records.import = readFileSync(recordFile, 'utf8')
    const second = await kill()
    expect(await second.jobs.list({})).toMatchObject([
      {
        id: jobId,
        kind: 'label-import',
        state: 'waiting',
        summary: expect.stringContaining(project) as string,
      },
    ])
    await second.projects.open({ path: project })
    expect(await untilEnded(jobId)).toMatchObject({ state: 'done', error: null })
    expect(await imports(second)).toBe(1)
    const { counts, labelledSlices } = await second.labels.open({ volumeId })
    expect(labelledSlices).toHaveLength(slices)
    // Every voxel of the label files has one of three materials.
    expect(counts.reduce((sum, count) => sum + count, 0)).toBe(slices * height * width)
    await until(() => !existsSync(recordFile))
  })

  it('after it had imported labels, and before it took note: the import is found to be complete', async () => {
    const first = await running()
    const before = (await first.labels.open({ volumeId })).sequence
    writeFileSync(recordFile, records.import)
    const second = await kill()
    const [{ id }] = await second.jobs.list({})
    await second.projects.open({ path: project })
    const job = await untilEnded(id)
    expect(job).toMatchObject({ state: 'done' })
    expect(job.summary).toContain('It was complete when its process ended')
    expect(await imports(second)).toBe(1)
    expect((await second.labels.open({ volumeId })).sequence).toBe(before)
  })

  it('after an import that was undone and painted over since: it stays undone', async () => {
    const first = await running()
    await first.labels.undo({ volumeId })
    await first.labels.apply({
      volumeId,
      editId: '7d1f8f0e-4a55-4a6e-9a53-7f5f5f3d0c11',
      edit: {
        kind: 'brush',
        plane: { axis: 'z', index: 0 },
        points: Float32Array.of(20, 20),
        ...{ radius: 3, shape: 'round', volumetric: false, material: 1, greyRange: null },
      },
    })
    expect(await imports(first)).toBe(0)
    writeFileSync(recordFile, records.import)
    const second = await kill()
    const [{ id }] = await second.jobs.list({})
    await second.projects.open({ path: project })
    expect(await untilEnded(id)).toMatchObject({ state: 'done' })
    expect(await imports(second)).toBe(0)
    // For the exports that follow.
    const again = await second.labels.startImport({ volumeId, path: stack.labels, keepExisting: false })
    await untilEnded(again.jobId)
  })

  it('while it exports labels: the export is made anew and is like one that nobody disturbed', async () => {
    const first = await running()
    const undisturbed = path.join(scratch, 'undisturbed')
    await untilEnded((await first.labels.startExport({ volumeId, path: undisturbed })).jobId)
    const output = path.join(scratch, 'exported')
    const { jobId } = await first.labels.startExport({ volumeId, path: output })
    await untilInTheMiddle(jobId)
    records.export = readFileSync(recordFile, 'utf8')
    const second = await kill()
    expect(existsSync(output)).toBe(false)
    expect(readdirSync(`${output}.partial`).length).toBeGreaterThan(1)
    await second.projects.open({ path: project })
    const job = await untilEnded(jobId)
    expect(job).toMatchObject({ state: 'done' })
    expect(job.summary).toContain(`Exported ${slices} labelled slices`)
    expect(treeOf(output)).toEqual(treeOf(undisturbed))
    expect(existsSync(`${output}.partial`)).toBe(false)
  })

  it('after it had exported labels, and before it took note: the export is found to be complete', async () => {
    const output = path.join(scratch, 'exported')
    const content = treeOf(output)
    const mark = `.phasemark-export-${exportIdIn(records.export)}`
    for (const [prepare, what] of [
      [() => undefined, 'all is done'],
      [
        () => {
          writeFileSync(path.join(output, mark), '')
        },
        'the mark is still there',
      ],
    ] as const) {
      prepare()
      writeFileSync(recordFile, records.export)
      const data = await kill()
      const [{ id }] = await data.jobs.list({})
      await data.projects.open({ path: project })
      const job = await untilEnded(id)
      expect(job.summary, what).toContain('It was complete when its process ended')
      expect(treeOf(output), what).toEqual(content)
    }
  })

  it('leaves alone what others have put where it was writing', async () => {
    const output = path.join(scratch, 'exported')
    const partial = `${output}.partial`
    for (const place of [partial, output]) {
      rmSync(output, { recursive: true, force: true })
      mkdirSync(place)
      writeFileSync(path.join(place, `${defaultStem(0)}.tif`), 'of somebody else')
      const before = treeOf(place)
      writeFileSync(recordFile, records.export)
      const data = await kill()
      const [{ id }] = await data.jobs.list({})
      await data.projects.open({ path: project })
      expect(await untilEnded(id)).toMatchObject({ state: 'failed', error: { _tag: 'OutputExists' } })
      expect(treeOf(place)).toEqual(before)
      rmSync(place, { recursive: true })
    }
  })

  it('writes nothing outside of the folders that the next one may reach', async () => {
    writeFileSync(recordFile, records.export)
    // The project and its source lie in them, the export does not.
    roots = [project, path.dirname(stack.images)]
    const data = await kill()
    roots = null
    const [{ id }] = await data.jobs.list({})
    await data.projects.open({ path: project })
    expect(await untilEnded(id)).toMatchObject({ state: 'failed', error: { _tag: 'NotWritable' } })
    expect(readdirSync(scratch).filter((name) => name.startsWith('exported'))).toEqual([])
  })

  it('is told as failed when another project is opened, or its volume is gone', async () => {
    writeFileSync(recordFile, records.export)
    let data = await kill()
    let [{ id }] = await data.jobs.list({})
    await data.projects.create({ path: path.join(scratch, 'other.phasemark'), name: 'other' })
    expect(await untilEnded(id)).toMatchObject({ state: 'failed', error: { _tag: 'Disconnected' } })
    await data.projects.open({ path: project })
    await data.projects.removeVolume({ volumeId })
    writeFileSync(recordFile, records.export)
    data = await kill()
    ;[{ id }] = await data.jobs.list({})
    await data.projects.open({ path: project })
    expect(await untilEnded(id)).toMatchObject({ state: 'failed', error: { _tag: 'NotFound' } })
    renameSync(project, `${project}-gone`)
    expect(existsSync(path.join(scratch, 'exported'))).toBe(false)
  })
})

function exportIdIn(record: string): string {
  const { jobs } = JSON.parse(record) as { jobs: { resume: { exportId: string } }[] }
  return jobs[0].resume.exportId
}
