import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, test } from 'vitest'
import { openVolume } from '../../src/main/engine/volume/open-volume.ts'
import { scratchFolder } from '../support/file-tree.ts'
import { resultOf, runCli, type JsonLine } from '../support/run-cli.ts'
import {
  defaultStem,
  writeTomogram,
  type Tomogram,
  type TomogramOptions,
} from '../support/sample-tomogram.ts'

const scratch = scratchFolder('labels')
let runs = 0

function tomogram(options: TomogramOptions): Tomogram {
  return writeTomogram(path.join(scratch, `volume-${runs++}`), { slices: 5, ...options })
}

const trainArguments = ({ images, labels }: Tomogram, ...more: string[]) => [
  ...['train', images, '--labels', labels, '--model', 'unet', '--max-steps', '1'],
  ...['--out', path.join(scratch, `run-${runs++}`), ...more],
]

interface TrainOutcome {
  run: string
  materials: { index: number; value: number; name: string; colour: string }[]
  unlabelled: { value: number | null; from: string }
  split: { pairing: string; training: number[]; validation: number[] }[]
  warnings: { kind: string; message: string }[]
}

async function train(volume: Tomogram, ...more: string[]): Promise<JsonLine & TrainOutcome> {
  return (await resultOf(trainArguments(volume, ...more))) as JsonLine & TrainOutcome
}

describe('labels belong to slices', () => {
  test('by file stem, also when few slices are labelled', async () => {
    const { split } = await train(tomogram({ slices: 9, labelled: [1, 4, 8] }))
    expect(split).toMatchObject([{ pairing: 'stem', training: [1, 4, 8], validation: [] }])
  })

  test('by position when no stem matches and the numbers agree, which the result says', async () => {
    const volume = tomogram({ labelStem: (z) => `mask ${z + 1}` })
    const { split } = await train(volume)
    expect(split).toMatchObject([{ pairing: 'position', training: [0, 1, 2, 3, 4] }])
    const { stdout } = await runCli(trainArguments(volume))
    expect(stdout).toContain('labels paired by position')
  })

  test('positions of --train-slices and --val-slices are those of the volume', async () => {
    const volume = tomogram({ slices: 9, labelled: [1, 4, 6, 8] })
    const { split } = await train(volume, '--train-slices', '0-4', '--val-slices', '7-8')
    expect(split).toMatchObject([{ training: [1, 4], validation: [8] }])
  })

  test('from ten labelled slices on, the last of them validate, apart from those that train', async () => {
    const { split, validation } = await train(tomogram({ slices: 12 }))
    const [{ training, validation: held }] = split
    expect(held.length).toBeGreaterThan(0)
    expect(held.at(-1)).toBe(11)
    expect(Math.max(...training)).toBeLessThan(Math.min(...held) - 1)
    expect(validation).toMatchObject({ split: 'validation', slices: held.length })
  })
}, 120_000)

describe('the unlabelled value', () => {
  test('given with --unlabelled is no material', async () => {
    const { unlabelled, materials } = await train(tomogram({ unlabelled: 255 }), '--unlabelled', '255')
    expect(unlabelled).toEqual({ value: 255, from: 'option' })
    expect(materials.map(({ value }) => value)).toEqual([1, 2, 3])
  })

  test('none makes every value a material', async () => {
    const { unlabelled, materials } = await train(tomogram({ unlabelled: 255 }), '--unlabelled', 'none')
    expect(unlabelled).toEqual({ value: null, from: 'option' })
    expect(materials.map(({ value }) => value)).toEqual([1, 2, 3, 255])
  })

  test('is asked about when it is not said and a usual value covers nearly everything', async () => {
    const { unlabelled, warnings } = await train(tomogram({ unlabelled: 255 }))
    expect(unlabelled).toEqual({ value: null, from: 'default' })
    expect(warnings.some(({ message }) => message.includes('--unlabelled 255'))).toBe(true)
  })

  test('comes from the sidecar, with names and colours of the materials, and goes into the segmentation', async () => {
    const volume = tomogram({ values: [10, 20, 30], unlabelled: 255 })
    const materials = [
      { value: 10, name: 'pore', colour: '#112233' },
      { value: 20, name: 'nickel', colour: '#445566' },
      { value: 30, name: 'zirconia', colour: '#778899' },
    ]
    writeFileSync(path.join(volume.labels, 'labels.json'), JSON.stringify({ unlabelled: 255, materials }))
    const result = await train(volume)
    expect(result.unlabelled).toEqual({ value: 255, from: 'file' })
    expect(result.materials).toMatchObject(materials)
    // A segmentation is a label file again: names travel with it.
    const out = path.join(scratch, 'named')
    await resultOf(['segment', volume.images, '--model', result.run, '--out', out, '--slices', '1-2'])
    const args = ['--truth', volume.labels, '--predicted', out, '--slices', '1-2']
    const scores = await resultOf(['evaluate', ...args])
    expect(scores['perMaterial']).toMatchObject(
      materials.map(({ value, ...rest }) => ({ id: value, ...rest })),
    )
    expect(scores['unlabelled']).toEqual({ value: 255, from: 'file' })
  })
}, 120_000)

describe('materials', () => {
  test('are named by --materials, in any order', async () => {
    const file = path.join(scratch, 'materials.json')
    const listed = [
      { value: 3, name: 'zirconia' },
      { value: 1, name: 'pore' },
      { value: 2, name: 'nickel' },
    ]
    writeFileSync(file, JSON.stringify(listed))
    const { materials } = await train(tomogram({}), '--materials', file)
    expect(materials.map(({ index, value, name }) => [index, value, name])).toEqual([
      [1, 1, 'pore'],
      [2, 2, 'nickel'],
      [3, 3, 'zirconia'],
    ])
  })

  test('of several volumes of different size are joined', async () => {
    const first = tomogram({ values: [1, 2, 3] })
    const second = tomogram({ values: [2, 3, 40], height: 60, width: 150 })
    const run = path.join(scratch, 'joined')
    const result = await resultOf([
      ...['train', first.images, second.images, '--labels', first.labels, second.labels],
      ...['--model', 'unet', '--max-steps', '1', '--out', run],
    ])
    expect(result['materials']).toMatchObject([1, 2, 3, 40].map((value) => ({ value })))
    const out = path.join(scratch, 'joined-segmentation')
    await resultOf(['segment', second.images, '--model', run, '--out', out])
    const source = await openVolume(out)
    expect(source.meta).toMatchObject({ shape: [5, 60, 150], dtype: 'uint8' })
    expect(source.meta.sliceNames[0]).toBe(defaultStem(0))
    await source.close()
  })
}, 120_000)
