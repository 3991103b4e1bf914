import { existsSync, mkdirSync, readFileSync, statfsSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { contentOf, scratchFolder, treeOf } from '../support/file-tree.ts'
import { failureOf, resultOf } from '../support/run-cli.ts'
import { writeTomogram } from '../support/sample-tomogram.ts'
import { mountSmallDisk, type SmallDisk } from '../support/small-disk.ts'

const scratch = scratchFolder('full-disk')
const volume = writeTomogram(path.join(scratch, 'volume'), { slices: 12 })
const model = path.join(scratch, 'model-run')
/** A checkpoint of the smallest preset takes 31 MB: one fits, its successor beside it does not. */
const roomForOneCheckpoint = 45_000
const disk = mountSmallDisk(scratch, 'disk', roomForOneCheckpoint)

const train = (out: string, ...more: string[]) => [
  ...['train', volume.images, '--labels', volume.labels, '--model', 'unet', '--preset', 'quick'],
  ...['--max-steps', '3', '--checkpoint-steps', '1', '--train-slices', '0-5', '--out', out],
  ...more,
]

/** For the places in which the tests below are skipped. */
const noDisk: SmallDisk = { folder: '', resize: () => undefined, setReadOnly: () => undefined }

// The name says why these are skipped: they need Linux and the right to mount.
describe.skipIf(disk === null)('on a disk that is full (mounted in memory, as root)', () => {
  const { folder, resize, setReadOnly } = disk ?? noDisk

  beforeAll(async () => {
    const options = ['--model', 'unet', '--max-steps', '1', '--out', model]
    await resultOf(['train', volume.images, '--labels', volume.labels, ...options])
    writeFileSync(path.join(folder, 'precious.txt'), 'years of work')
  }, 120_000)

  test('training stops with exit code 6, keeps its checkpoint and goes on when there is room', async () => {
    const run = path.join(folder, 'run')
    const inputs = contentOf(volume.images, volume.labels)
    const failure = await failureOf(train(run))
    expect(failure).toMatchObject({ _tag: 'NoSpace', exitCode: 6 })
    const place = String(failure.fields['path'])
    expect(place.startsWith(run)).toBe(true)
    expect(failure.message).toContain(place)
    expect(failure.message).toContain('--resume')
    expect(readFileSync(path.join(folder, 'precious.txt'), 'utf8')).toBe('years of work')
    // Nothing half-written stays behind, and nobody holds the run.
    const left = Object.keys(treeOf(run)).filter((name) => /\.tmp$|lock/.test(name))
    expect(left).toEqual([])

    resize(120_000)
    const result = await resultOf(train(run, '--resume'))
    expect(result).toMatchObject({ steps: 3, resumedFromStep: 1 })
    const lines = readFileSync(path.join(run, 'metrics.jsonl'), 'utf8').trim().split('\n')
    expect(lines.map((line) => (JSON.parse(line) as { step: number }).step)).toEqual([1, 2, 3])
    expect(contentOf(volume.images, volume.labels)).toEqual(inputs)
  }, 240_000)

  test.each(['tiff-stack', 'bigtiff'])(
    'segment as %s stops with exit code 6 and goes on when there is room',
    async (format) => {
      const ending = format === 'bigtiff' ? '.tif' : ''
      const whole = path.join(scratch, `whole-${format}${ending}`)
      const out = path.join(folder, `segmentation-${format}${ending}`)
      const segment = (to: string, ...more: string[]) => [
        ...['segment', volume.images, '--model', model, '--out', to, '--format', format, '--uncertainty'],
        ...more,
      ]
      await resultOf(segment(whole))
      // The uncertainty of a slice takes 43 kB: room for some of the twelve.
      fillUp(folder, resize, 250)
      const before = contentOf(path.join(folder, 'precious.txt'), volume.images, model)
      const failure = await failureOf(segment(out))
      expect(failure).toMatchObject({ _tag: 'NoSpace', exitCode: 6 })
      expect(String(failure.fields['path']).startsWith(out.replace(/\.tif$/, ''))).toBe(true)
      expect(failure.message).toContain(String(failure.fields['path']))
      expect(existsSync(out)).toBe(false)
      expect(contentOf(path.join(folder, 'precious.txt'), volume.images, model)).toEqual(before)

      resize(200_000)
      const result = await resultOf(segment(out, '--resume'))
      expect(result['resumedFromSlice']).toBeGreaterThan(0)
      const images = (place: string) =>
        Object.entries(treeOf(place)).filter(([name]) => !name.endsWith('.json'))
      expect(images(out)).toEqual(images(whole))
      const uncertainty = (place: string) => place.replace(/\.tif$/, '') + `-uncertainty${ending}`
      expect(images(uncertainty(out))).toEqual(images(uncertainty(whole)))
    },
    240_000,
  )

  test('without room for anything, what was there stays', async () => {
    const before = contentOf(folder)
    fillUp(folder, resize, 0)
    const run = path.join(folder, 'no-room')
    const segmentation = path.join(folder, 'no-room-either')
    for (const [out, args] of [
      [run, train(run)],
      [segmentation, ['segment', volume.images, '--model', model, '--out', segmentation]],
    ] as const) {
      const failure = await failureOf(args)
      expect(failure).toMatchObject({ _tag: 'NoSpace', exitCode: 6 })
      expect(failure.message).toContain(out)
      expect(existsSync(out === run ? path.join(run, 'model') : segmentation)).toBe(false)
    }
    resize(200_000)
    const after = contentOf(folder)
    for (const [file, hash] of Object.entries(before)) expect(after[file]).toBe(hash)
  }, 120_000)

  test('a folder that is read-only ends with exit code 6 and its name', async () => {
    mkdirSync(path.join(folder, 'read-only'))
    setReadOnly(true)
    try {
      const before = contentOf(folder)
      const out = path.join(folder, 'read-only', 'result')
      const commands = [
        train(out),
        ['segment', volume.images, '--model', model, '--out', out],
        ['segment', volume.images, '--model', model, '--out', `${out}.tif`, '--format', 'bigtiff'],
      ]
      for (const args of commands) {
        const failure = await failureOf(args)
        expect(failure).toMatchObject({ _tag: 'NotWritable', exitCode: 6 })
        expect(failure.message).toContain(out)
      }
      // Reading from it is fine: sources often lie on such disks.
      const { images } = volume
      expect(await resultOf(['info', images])).toMatchObject({ shape: [12, 96, 112] })
      expect(contentOf(folder)).toEqual(before)
    } finally {
      setReadOnly(false)
    }
  }, 120_000)
})

/** Makes the disk just `kilobytes` larger than what lies on it. */
function fillUp(folder: string, resize: (kilobytes: number) => void, kilobytes: number): void {
  const { bsize, blocks, bfree } = statfsSync(folder)
  resize(((blocks - bfree) * bsize) / 1024 + kilobytes)
}
