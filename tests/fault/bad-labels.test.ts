import { mkdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { contentOf, scratchFolder } from '../support/file-tree.ts'
import { failureOf } from '../support/run-cli.ts'
import { writeSlice, writeTomogram } from '../support/sample-tomogram.ts'

const scratch = scratchFolder('bad-labels')
const size = { height: 96, width: 112 }
const voxels = size.height * size.width
const volume = writeTomogram(path.join(scratch, 'volume'), { slices: 4, values: [1, 2, 3] })
const materials = path.join(scratch, 'materials.json')
writeFileSync(
  materials,
  JSON.stringify([
    { value: 1, name: 'pore' },
    { value: 2, name: 'nickel' },
  ]),
)
const out = path.join(scratch, 'run')
const before = contentOf(path.dirname(volume.images), out)
afterAll(() => {
  // Whatever was refused, nothing was written and no input touched.
  expect(contentOf(path.dirname(volume.images), out)).toEqual(before)
})

let folders = 0
function labelFolder(slices: Record<string, Uint8Array | Float32Array | string>): string {
  const folder = path.join(scratch, `labels-${folders++}`)
  mkdirSync(folder)
  for (const [name, content] of Object.entries(slices)) {
    const file = path.join(folder, name)
    if (typeof content === 'string') writeFileSync(file, content)
    else writeSlice(file, content, { height: content.length / size.width, width: size.width })
  }
  return folder
}

const stripes = Uint8Array.from({ length: voxels }, (_, index) => 1 + (index % 3))

interface BadLabels {
  name: string
  labels: () => string
  options?: string[]
  tag?: 'NotFound'
  /** What the message must name beside the expectation; `labels` is the folder. */
  names: (labels: string) => string
  says: RegExp
}

const cases: BadLabels[] = [
  {
    name: 'a folder that does not exist',
    labels: () => path.join(scratch, 'nowhere'),
    tag: 'NotFound',
    names: (labels) => labels,
    says: /no such|not exist/i,
  },
  {
    name: 'labels of another shape',
    labels: () => labelFolder({ 'slice_000.tif': new Uint8Array(50 * size.width).fill(1) }),
    names: (labels) => labels,
    says: /96 × 112.*found 50 × 112/,
  },
  {
    name: 'a label value that no material has',
    labels: () => volume.labels,
    options: ['--materials', materials],
    names: (labels) => labels,
    says: /materials\.json \(1, 2\).*the value 3/,
  },
  {
    name: 'one material only',
    labels: () => labelFolder({ 'slice_000.tif': new Uint8Array(voxels).fill(2) }),
    names: (labels) => labels,
    says: /two materials or more.*found only "material 2"/,
  },
  {
    name: 'one material only in the slices chosen for training',
    labels: () => labelFolder({ 'slice_000.tif': new Uint8Array(voxels).fill(2), 'slice_001.tif': stripes }),
    options: ['--train-slices', '0'],
    names: (labels) => labels,
    says: /in the slices chosen for training.*found only "material 2"/,
  },
  {
    name: 'not one labelled voxel',
    labels: () => labelFolder({ 'slice_000.tif': new Uint8Array(voxels).fill(255) }),
    options: ['--unlabelled', '255'],
    names: (labels) => labels,
    says: /labelled voxels.*255 counts as unlabelled.*not a single one/,
  },
  {
    name: 'label slices whose names match no slice and whose number is another',
    labels: () => labelFolder({ 'a_1.tif': stripes, 'a_2.tif': stripes, 'a_3.tif': stripes }),
    names: (labels) => labels,
    says: /named like the volume slices.*\(4\).*found 3 with other names/,
  },
  {
    name: 'one label slice among others that matches no slice',
    labels: () => labelFolder({ 'slice_000.tif': stripes, 'slice_0001.tif': stripes }),
    names: (labels) => labels,
    says: /none for slice_0001/,
  },
  {
    name: 'fractions',
    labels: () => labelFolder({ 'slice_000.tif': new Float32Array(voxels).fill(1.5) }),
    names: (labels) => labels,
    says: /1\.5/,
  },
  {
    name: 'a grey image given as labels',
    labels: () => volume.images,
    names: (labels) => labels,
    says: /different values: is this a grey image\?/,
  },
  {
    name: 'a sidecar that is no JSON',
    labels: () => labelFolder({ 'slice_000.tif': stripes, 'labels.json': '{ "unlabelled": 255,' }),
    names: (labels) => path.join(labels, 'labels.json'),
    says: /not JSON/,
  },
  {
    name: 'a sidecar with a misspelt key',
    labels: () => labelFolder({ 'slice_000.tif': stripes, 'labels.json': '{ "unlabeled": 255 }' }),
    names: (labels) => path.join(labels, 'labels.json'),
    says: /unlabeled/,
  },
  {
    name: 'a list of materials that does not exist',
    labels: () => volume.labels,
    options: ['--materials', path.join(scratch, 'no-materials.json')],
    tag: 'NotFound',
    names: () => path.join(scratch, 'no-materials.json'),
    says: /no such file/,
  },
  {
    name: 'a truncated label slice',
    labels: () => {
      const folder = labelFolder({ 'slice_000.tif': stripes, 'slice_001.tif': stripes })
      truncateSync(path.join(folder, 'slice_001.tif'), 3000)
      return folder
    },
    names: (labels) => path.join(labels, 'slice_001.tif'),
    says: /truncated/,
  },
]

describe.concurrent(
  'labels that cannot be learned from end training with exit code 3, before anything is written',
  () => {
    test.each(cases)(
      '$name',
      async ({ labels: make, options = [], tag = 'BadInput', names, says }) => {
        const labels = make()
        const train = [
          'train',
          volume.images,
          '--labels',
          labels,
          '--model',
          'unet',
          '--out',
          out,
          ...options,
        ]
        const failure = await failureOf(train)
        expect(failure).toMatchObject({ _tag: tag, exitCode: 3 })
        expect(failure.message).toContain(names(labels))
        expect(failure.fields['path']).toContain(names(labels))
        expect(failure.message).toMatch(says)
        expect(contentOf(out)).toEqual({ [out]: 'missing' })
      },
      60_000,
    )

    test.each([
      ['--val-slices that hold no labels', ['--val-slices', '90-99'], '--val-slices'],
      ['--train-slices that hold no labels', ['--train-slices', '90-99'], '--train-slices'],
      [
        'the same slices for training and validation',
        ['--train-slices', '0-2', '--val-slices', '2-3'],
        '--val-slices',
      ],
    ])(
      '%s are wrong usage',
      async (_, options, argument) => {
        const train = ['train', volume.images, '--labels', volume.labels, '--model', 'unet', '--out', out]
        expect(await failureOf([...train, ...options])).toMatchObject({
          _tag: 'WrongUsage',
          exitCode: 2,
          fields: { argument },
        })
        expect(contentOf(out)).toEqual({ [out]: 'missing' })
      },
      60_000,
    )
  },
)

describe.concurrent('evaluate', () => {
  const evaluate = (truth: string, predicted: string, ...more: string[]) =>
    failureOf(['evaluate', '--truth', truth, '--predicted', predicted, ...more])

  test('refuses predictions of another shape, missing slices and missing folders', async () => {
    const small = labelFolder({ 'slice_000.tif': new Uint8Array(50 * size.width) })
    expect(await evaluate(volume.labels, small)).toMatchObject({ _tag: 'BadInput', exitCode: 3 })
    const partial = labelFolder({ 'slice_000.tif': stripes, 'slice_002.tif': stripes })
    const missing = await evaluate(volume.labels, partial)
    expect(missing).toMatchObject({ _tag: 'BadInput', exitCode: 3 })
    expect(missing.message).toContain('slice_001')
    const nowhere = path.join(scratch, 'nowhere')
    const absent = await evaluate(volume.labels, nowhere)
    expect(absent).toMatchObject({ _tag: 'NotFound', exitCode: 3, fields: { path: nowhere } })
  })

  test('refuses a truth without a labelled voxel in the chosen slices', async () => {
    const empty = labelFolder({ 'slice_000.tif': new Uint8Array(voxels).fill(255), 'slice_001.tif': stripes })
    const failure = await evaluate(empty, volume.labels, '--unlabelled', '255', '--slices', '0')
    expect(failure).toMatchObject({ _tag: 'BadInput', exitCode: 3, fields: { path: empty } })
    rmSync(empty, { recursive: true })
  })

  test('refuses slices that do not exist', async () => {
    const failure = await evaluate(volume.labels, volume.labels, '--slices', '2-9')
    expect(failure).toMatchObject({ _tag: 'WrongUsage', exitCode: 2 })
    expect(failure.message).toContain(volume.labels)
  })
})
