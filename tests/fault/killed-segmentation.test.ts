import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import path from 'node:path'
import { beforeAll, describe, expect, test, vi } from 'vitest'
import { contentOf, scratchFolder, treeOf } from '../support/file-tree.ts'
import {
  failureIn,
  failureOf,
  killNow,
  resultIn,
  resultOf,
  startCli,
  waitUntil,
  type CliOutcome,
} from '../support/run-cli.ts'
import { writeTomogram } from '../support/sample-tomogram.ts'

vi.setConfig({ testTimeout: 300_000, hookTimeout: 300_000 })
const scratch = scratchFolder('killed-segmentation')
const slices = 48
const [height, width] = [230, 250]
/** Uncertainty is written as float32, uncompressed. */
const sliceBytes = 4 * height * width
const volume = writeTomogram(path.join(scratch, 'volume'), { slices, height, width })
const other = writeTomogram(path.join(scratch, 'other'), { slices, height, width, seed: 9 })
const run = path.join(scratch, 'run')
const otherRun = path.join(scratch, 'other-run')

beforeAll(async () => {
  for (const [out, seed] of [
    [run, '1'],
    [otherRun, '2'],
  ]) {
    const options = ['--train-slices', '0-3', '--max-steps', '1', '--seed', seed, '--out', out]
    await resultOf(['train', volume.images, '--labels', volume.labels, '--model', 'unet', ...options])
  }
})

const wholePages = (file: string): number => {
  if (!existsSync(file)) return 0
  const bytes = readFileSync(file)
  let pages = 0
  // BigTIFF: the first directory is named at byte 8; behind a directory of n entries of 20 bytes is the next pointer.
  let at = bytes.length < 16 ? 0 : Number(bytes.readBigUInt64LE(8))
  while (at !== 0) {
    pages++
    at = Number(bytes.readBigUInt64LE(at + 8 + 20 * Number(bytes.readBigUInt64LE(at))))
  }
  return pages
}

/** Bytes of a file or of the files in a folder. */
function sizeOf(place: string): number {
  if (!existsSync(place)) return 0
  if (statSync(place).isFile()) return statSync(place).size
  const sizes = readdirSync(place).map((name) => statSync(path.join(place, name), { throwIfNoEntry: false }))
  return sizes.reduce((sum, status) => sum + (status?.size ?? 0), 0)
}

const formats = {
  'tiff-stack': {
    ending: '',
    wholeSlices: (partial: string) =>
      existsSync(partial) ? readdirSync(partial).filter((name) => name.endsWith('.tif')).length : 0,
  },
  bigtiff: { ending: '.tif', wholeSlices: wholePages },
} as const

describe.each(['tiff-stack', 'bigtiff'] as const)('a segmentation as %s that is killed', (format) => {
  const { ending, wholeSlices } = formats[format]
  const folder = path.join(scratch, format)
  const whole = path.join(folder, `whole${ending}`)
  const out = path.join(folder, `killed${ending}`)
  const segment = (to: string, ...more: string[]) => [
    ...['segment', volume.images, '--model', run, '--out', to, '--format', format, ...more],
    '--json',
  ]
  const uncertaintyOf = (place: string) => `${place.replace(/\.tif$/, '')}-uncertainty${ending}`
  let inputs: Record<string, string>
  let rival: CliOutcome
  let slicesAtKill: number

  beforeAll(async () => {
    inputs = contentOf(volume.images, run)
    await resultOf(segment(whole, '--uncertainty'))
    const first = startCli(segment(out, '--uncertainty'))
    const growing = [out, uncertaintyOf(out)].map((place) => `${place}.partial`)
    await waitUntil(first, 'the first slices', () => sizeOf(growing[1]) > 3 * sliceBytes)
    // A file of many slices counts them once they are on the disk, every second; meanwhile the process is held still.
    first.child.kill('SIGSTOP')
    await new Promise((resolve) => setTimeout(resolve, 1100))
    first.child.kill('SIGCONT')
    await waitUntil(first, 'three whole slices', () => growing.every((place) => wholeSlices(place) >= 3))
    // Held again, so that it is in the middle however long the others take.
    first.child.kill('SIGSTOP')
    rival = await startCli(segment(out, '--uncertainty', '--resume')).ended
    await killNow(first)
    slicesAtKill = wholeSlices(`${out}.partial`)
  })

  test('leaves no output that looks finished', async () => {
    expect(existsSync(out)).toBe(false)
    expect(slicesAtKill).toBeGreaterThanOrEqual(3)
    expect(slicesAtKill).toBeLessThan(slices)
    const before = contentOf(folder)
    const failure = await failureOf(segment(out, '--uncertainty'))
    expect(failure).toMatchObject({ _tag: 'OutputExists', exitCode: 6, fields: { path: `${out}.partial` } })
    expect(failure.message).toContain('--resume')
    expect(contentOf(folder)).toEqual(before)
  })

  test('was in nobody else’s hands while it ran', () => {
    const { _tag, exitCode, fields } = failureIn(rival)
    expect({ _tag, exitCode }).toEqual({ _tag: 'Locked', exitCode: 6 })
    expect(fields['owner']).toMatch(/process \d+ on .+segmenting/)
  })

  test('is not resumed with another volume, model or setting', async () => {
    // The lock of the killed process goes when the next one looks.
    const results = () => Object.entries(contentOf(folder)).filter(([file]) => !file.includes('.lock'))
    const before = results()
    const changes: [string, string][] = [
      [volume.images, other.images],
      [run, otherRun],
      ['--uncertainty', '--probabilities'],
    ]
    for (const [from, to] of changes) {
      const args = segment(out, '--uncertainty', '--resume').map((word) => (word === from ? to : word))
      expect(await failureOf(args), to).toMatchObject({
        _tag: 'WrongUsage',
        exitCode: 2,
        fields: { argument: '--resume' },
      })
    }
    const fewer = segment(out, '--uncertainty', '--resume', '--slices', '0-20')
    expect(await failureOf(fewer)).toMatchObject({ _tag: 'WrongUsage', exitCode: 2 })
    expect(results()).toEqual(before)
  })

  test('is resumed to the bytes of an uninterrupted one', async () => {
    const result = await resultOf(segment(out, '--uncertainty', '--resume'))
    const from = result['resumedFromSlice'] as number
    // All volumes that are written must be whole there; the other one may be behind.
    expect(from).toBeGreaterThan(0)
    expect(from).toBeLessThanOrEqual(slicesAtKill)
    expect(result['voxels']).toBe((slices - from) * height * width)
    expect(images(treeOf(out))).toEqual(images(treeOf(whole)))
    expect(treeOf(uncertaintyOf(out))).toEqual(treeOf(uncertaintyOf(whole)))
    expect(readdirSync(folder).filter((name) => name.includes('partial'))).toEqual([])
    expect(contentOf(volume.images, run)).toEqual(inputs)
  })

  test('once finished, there is nothing left to do and nothing is overwritten', async () => {
    const before = images(contentOf(out))
    expect(await failureOf(segment(out, '--uncertainty'))).toMatchObject({
      _tag: 'OutputExists',
      exitCode: 6,
    })
    const again = await resultOf(segment(out, '--uncertainty', '--resume'))
    expect(again).toMatchObject({ voxels: 0, resumedFromSlice: slices })
    expect(images(contentOf(out))).toEqual(before)
  })

  test('SIGTERM keeps what is done and says how to go on', async () => {
    const stopped = path.join(folder, `stopped${ending}`)
    const running = startCli(segment(stopped))
    await waitUntil(running, 'a slice', () => existsSync(`${stopped}.partial`))
    running.child.kill('SIGTERM')
    const failure = failureIn(await running.ended)
    expect(failure).toMatchObject({ _tag: 'Cancelled', exitCode: 5 })
    expect(failure.fields['resumeHint']).toContain('--resume')
    const result = resultIn(await startCli(segment(stopped, '--resume')).ended)
    expect(result['slices']).toEqual({ first: 0, last: slices - 1 })
    expect(images(treeOf(stopped))).toEqual(images(treeOf(whole)))
  })
})

/** Without the description of the segmentation, which says when and of what it was made. */
function images(tree: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(tree).filter(([file]) => !file.endsWith('segmentation.json')))
}
