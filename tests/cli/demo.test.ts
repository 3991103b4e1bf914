import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { openLabels } from '../../src/main/engine/labels/open-labels.ts'
import { openVolume } from '../../src/main/engine/volume/open-volume.ts'
import { contentOf, scratchFolder } from '../support/file-tree.ts'
import { failureOf, resultOf, startCli, type JsonLine } from '../support/run-cli.ts'
import { writeTomogram } from '../support/sample-tomogram.ts'

const scratch = scratchFolder('demo')
const voxelSize = { z: 0.5, y: 0.25, x: 0.25, unit: 'um' } as const
const given = writeTomogram(path.join(scratch, 'given'), {
  ...{ values: [10, 20, 30] as const, voxelSize, slices: 8, height: 64, width: 80 },
  labelled: [0, 2, 4, 5, 7],
})
/** A few steps of the UNet. */
const brief = ['--max-minutes', '0.1']

describe('the demo on a volume of the user', () => {
  const out = path.join(scratch, 'demo')
  let inputs: Record<string, string>
  let result: JsonLine
  beforeAll(async () => {
    inputs = contentOf(path.join(scratch, 'given'))
    const argv = ['demo', given.images, '--labels', given.labels, '--out', out, ...brief]
    // Killed in the middle: between the stages, or in one of them.
    const killed = startCli(argv)
    const unet = path.join(out, 'unet', 'run.json')
    while (!existsSync(unet) && killed.child.exitCode === null)
      await new Promise((resolve) => setTimeout(resolve, 50))
    killed.child.kill('SIGKILL')
    await killed.ended
    result = await resultOf([...argv, '--resume'])
  }, 300_000)

  test('trains both models on the first labels and compares them on the last', () => {
    expect(result['synthetic']).toBe(false)
    expect(result['runs']).toEqual({ unet: path.join(out, 'unet'), 'vgg16-nn': path.join(out, 'vgg16-nn') })
    for (const run of ['unet', 'vgg16-nn']) {
      const record = JSON.parse(readFileSync(path.join(out, run, 'run.json'), 'utf8')) as {
        status: string
        data: { training: number[] }[]
      }
      expect(record.status).toBe('finished')
      // A quarter of five labelled slices, rounded: the last one scores.
      expect(record.data[0].training).toEqual([0, 2, 4, 5])
    }
    const [scores, ...others] = result['scores'] as { split: string; macroF1: Record<string, number> }[]
    expect(others).toEqual([])
    expect(scores.split).toBe('seen, held-out')
    for (const run of ['unet', 'vgg16-nn']) expect(scores.macroF1[run]).toBeGreaterThan(0)
    expect(readFileSync(result['report'] as string, 'utf8')).toContain('</html>')
  })

  test('leaves the whole volume segmented, as slices and as one file, with voxel size and values', async () => {
    for (const place of [result['segmentation'], result['exported']] as string[]) {
      const volume = await openVolume(place, {})
      expect(volume.meta.shape).toEqual([8, 64, 80])
      expect(volume.meta.voxelSize).toMatchObject({ y: 0.25, x: 0.25 })
      const values = new Set(await volume.readSlice(3))
      expect([...values].every((value) => [10, 20, 30].includes(value))).toBe(true)
      const labels = await openLabels([{ path: place, volume: volume.meta }], {})
      expect(labels.materials.map(({ value }) => value)).toEqual([10, 20, 30])
      await Promise.all([volume.close(), ...labels.sources.map((source) => source.close())])
    }
    expect(result['toSegmentAll']).toBeNull()
  })

  test('a kill after the work of a stage and before its record costs that stage only', async () => {
    const file = path.join(out, 'demo.json')
    const record = JSON.parse(readFileSync(file, 'utf8')) as { finished: Record<string, unknown> }
    const { compare, segment, ...trained } = record.finished
    expect([compare, segment]).not.toContain(undefined)
    writeFileSync(file, JSON.stringify({ ...record, finished: trained }))
    const argv = ['demo', given.images, '--labels', given.labels, '--out', out, ...brief]
    const again = await resultOf([...argv, '--resume'])
    expect(again['scores']).toEqual(result['scores'])
    expect(again['training']).toEqual(result['training'])
  })

  test('does not touch what was given', () => {
    expect(contentOf(path.join(scratch, 'given'))).toEqual(inputs)
  })

  test('refuses to write over an earlier demo, and to go on with other data', async () => {
    const argv = ['demo', given.images, '--labels', given.labels, '--out', out]
    expect(await failureOf([...argv, ...brief])).toMatchObject({ _tag: 'OutputExists', exitCode: 6 })
    expect(await failureOf([...argv, '--resume', '--max-minutes', '3'])).toMatchObject({
      _tag: 'WrongUsage',
      exitCode: 2,
    })
  })
})

test.each([
  [['demo', given.images], '--labels'],
  [['demo', '--labels', given.labels], 'volume'],
  [['demo', '--resume', '--out', path.join(scratch, 'nothing')], '--resume'],
])('%j is wrong usage', async (argv, named) => {
  const failure = await failureOf(argv)
  expect(failure).toMatchObject({ _tag: 'WrongUsage', exitCode: 2 })
  expect(failure.message).toContain(named)
})
