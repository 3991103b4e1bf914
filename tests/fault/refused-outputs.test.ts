import { cpSync, existsSync, mkdirSync, renameSync, symlinkSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { contentOf, scratchFolder } from '../support/file-tree.ts'
import { failureOf, resultOf } from '../support/run-cli.ts'
import { writeTomogram } from '../support/sample-tomogram.ts'

const scratch = scratchFolder('refused-outputs')
const home = path.join(scratch, 'home')
const volume = writeTomogram(path.join(home, 'scan'), { slices: 2 })
const run = path.join(home, 'run')
const elsewhere = path.join(scratch, 'elsewhere')

beforeAll(async () => {
  mkdirSync(elsewhere)
  // Other names for the same places.
  symlinkSync(volume.images, path.join(elsewhere, 'link-to-images'))
  symlinkSync(path.join(home, 'scan'), path.join(elsewhere, 'link-to-scan'))
  const options = ['--model', 'unet', '--max-steps', '1', '--out', run]
  await resultOf(['train', volume.images, '--labels', volume.labels, ...options])
}, 120_000)

const train = (out: string, ...more: string[]) => [
  ...['train', volume.images, '--labels', volume.labels, '--model', 'unet', '--max-steps', '1', '--out', out],
  ...more,
]
const segment = (out: string, ...more: string[]) => [
  ...['segment', volume.images, '--model', run, '--out', out],
  ...more,
]

/** Runs what must be refused; not a byte may change anywhere. */
async function refused(args: string[]) {
  const before = contentOf(scratch)
  const failure = await failureOf(args)
  expect(contentOf(scratch)).toEqual(before)
  return failure
}

const places: [string, string][] = [
  ['equal to the volume', volume.images],
  ['with another spelling of it', `${path.join(home, 'scan')}/../scan/./images/`],
  ['inside the volume', path.join(volume.images, 'result')],
  ['around the volume', home],
  ['that is a link to the volume', path.join(elsewhere, 'link-to-images')],
  ['inside the volume through a link', path.join(elsewhere, 'link-to-scan', 'images', 'deep', 'result')],
]

describe.concurrent('an output apart from its inputs is wanted', () => {
  test.each([...places, ['equal to the labels', volume.labels]])(
    'train refuses one %s',
    async (_, out) => {
      // With --resume or without: what is in the way does not depend on it.
      for (const more of out === volume.images ? [[], ['--resume']] : [[]]) {
        const failure = await refused(train(out, ...more))
        expect(failure).toMatchObject({ _tag: 'WrongUsage', exitCode: 2, fields: { argument: '--out' } })
        expect(failure.message).toContain(out)
      }
    },
    60_000,
  )

  test.each([
    ...places,
    ['equal to the run', run],
    ['inside the run', path.join(run, 'segmentation')],
    ['equal to the model', path.join(run, 'model')],
  ])(
    'segment refuses one %s',
    async (_, out) => {
      const failure = await refused(segment(out))
      expect(failure).toMatchObject({ _tag: 'WrongUsage', exitCode: 2, fields: { argument: '--out' } })
      expect(failure.message).toContain(out)
    },
    60_000,
  )
})

describe('what else is output', () => {
  test('probabilities, uncertainty and unfinished output count as output', async () => {
    const twins: [string, string[]][] = [
      ['result-probabilities', ['--probabilities']],
      ['result-uncertainty', ['--uncertainty']],
      ['result.partial', []],
    ]
    for (const [name, flags] of twins) {
      const input = path.join(elsewhere, name)
      cpSync(volume.images, input, { recursive: true })
      const out = path.join(elsewhere, 'result')
      const failure = await refused(['segment', input, '--model', run, '--out', out, ...flags])
      expect(failure, name).toMatchObject({ _tag: 'WrongUsage', exitCode: 2, fields: { argument: '--out' } })
      renameSync(input, path.join(scratch, `used-${name}`))
    }
  }, 60_000)
})

describe('what exists is not overwritten', () => {
  const notes = path.join(elsewhere, 'notes')

  test('a folder with anything in it', async () => {
    mkdirSync(notes)
    writeFileSync(path.join(notes, 'notes.txt'), 'mine')
    for (const args of [train(notes), segment(notes), segment(notes, '--format', 'bigtiff')]) {
      const failure = await refused(args)
      expect(failure).toMatchObject({ _tag: 'OutputExists', exitCode: 6, fields: { path: notes } })
      expect(failure.message).toContain(notes)
    }
  }, 60_000)

  test('neither by --resume, when it is something else', async () => {
    expect((await refused(train(notes, '--resume'))).exitCode).toBe(2)
    expect([2, 6]).toContain((await refused(segment(notes, '--resume'))).exitCode)
    expect([2, 6]).toContain((await refused(segment(notes, '--resume', '--format', 'bigtiff'))).exitCode)
  }, 60_000)

  test('a file', async () => {
    const file = path.join(elsewhere, 'result.tif')
    writeFileSync(file, 'mine')
    for (const args of [train(file), segment(file), segment(file, '--format', 'bigtiff')]) {
      expect(await refused(args)).toMatchObject({ _tag: 'OutputExists', exitCode: 6, fields: { path: file } })
    }
  }, 60_000)

  test('what would come to lie beside the segmentation', async () => {
    const out = path.join(elsewhere, 'beside')
    const cases: [string, string[]][] = [
      [`${out}-uncertainty`, segment(out, '--uncertainty')],
      [`${out}-probabilities`, segment(out, '--probabilities')],
      [`${out}.tif.json`, segment(`${out}.tif`, '--format', 'bigtiff')],
    ]
    for (const [place, args] of cases) {
      writeFileSync(place, 'mine')
      const failure = await refused(args)
      expect(failure).toMatchObject({ _tag: 'OutputExists', exitCode: 6, fields: { path: place } })
    }
  }, 60_000)

  test('an empty folder is a fine place', async () => {
    const out = path.join(elsewhere, 'empty')
    mkdirSync(out)
    await resultOf(segment(out))
    expect(existsSync(path.join(out, 'slice_000.tif'))).toBe(true)
    expect(await refused(segment(out))).toMatchObject({ _tag: 'OutputExists', exitCode: 6 })
  }, 60_000)

  test('a parent that is a file', async () => {
    const parent = path.join(elsewhere, 'file')
    writeFileSync(parent, 'mine')
    for (const args of [train(path.join(parent, 'run')), segment(path.join(parent, 'segmentation'))]) {
      const failure = await refused(args)
      expect(failure).toMatchObject({ _tag: 'NotWritable', exitCode: 6 })
      expect(failure.message).toContain(parent)
    }
  }, 60_000)
})
