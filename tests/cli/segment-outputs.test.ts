import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { openVolume } from '../../src/main/engine/volume/open-volume.ts'
import type { TypedArray, VoxelSize } from '../../src/shared/volume.ts'
import { scratchFolder, treeOf } from '../support/file-tree.ts'
import { askPython, pythonWith } from '../support/python.ts'
import { resultOf, type JsonLine } from '../support/run-cli.ts'
import { defaultStem, writeTomogram } from '../support/sample-tomogram.ts'

const scratch = scratchFolder('segment-outputs')
const [slices, height, width] = [6, 90, 101]
const values = [10, 20, 30] as const
const voxelSize: VoxelSize = { z: 0.5, y: 0.13, x: 0.13, unit: 'um' }
const volume = writeTomogram(path.join(scratch, 'volume'), { slices, height, width, values, voxelSize })
const run = path.join(scratch, 'run')
const at = (name: string) => path.join(scratch, name)

beforeAll(async () => {
  const options = ['--model', 'unet', '--preset', 'quick', '--max-steps', '4', '--out', run]
  await resultOf(['train', volume.images, '--labels', volume.labels, ...options])
}, 120_000)

const segment = (out: string, ...more: string[]): Promise<JsonLine> =>
  resultOf(['segment', volume.images, '--model', run, '--out', out, ...more])

interface ReadVolume {
  shape: readonly number[]
  dtype: string
  voxelSize: VoxelSize | null
  names: readonly string[]
  slices: TypedArray[]
}

async function read(place: string): Promise<ReadVolume> {
  const source = await openVolume(place)
  try {
    const { shape, dtype, voxelSize, sliceNames: names } = source.meta
    const all: TypedArray[] = []
    for (let z = 0; z < shape[0]; z++) all.push(await source.readSlice(z))
    return { shape, dtype, voxelSize, names, slices: all }
  } finally {
    await source.close()
  }
}

describe.each(['tiff-stack', 'bigtiff'] as const)('as %s', (format) => {
  const ending = format === 'bigtiff' ? '.tif' : ''
  const out = at(`${format}-all${ending}`)
  let result: JsonLine
  beforeAll(async () => {
    result = await segment(out, '--format', format, '--probabilities', '--uncertainty')
  }, 120_000)

  test('labels, probabilities and uncertainty agree', async () => {
    const labels = await read(out)
    expect(labels).toMatchObject({ shape: [slices, height, width], dtype: 'uint8', voxelSize })
    const paths = result['probabilities'] as string[]
    expect(paths).toEqual(
      values.map((value) => path.join(at(`${format}-all-probabilities`), `material-${value}${ending}`)),
    )
    expect(result['uncertainty']).toBe(at(`${format}-all-uncertainty${ending}`))
    const probabilities = await Promise.all(paths.map(read))
    const uncertainty = await read(result['uncertainty'] as string)
    for (const { shape, dtype, voxelSize: found } of [...probabilities, uncertainty]) {
      expect({ shape, dtype, voxelSize: found }).toEqual({
        shape: [slices, height, width],
        dtype: 'float32',
        voxelSize,
      })
    }
    let largestError = 0
    let disagreements = 0
    let largestEntropyError = 0
    for (let z = 0; z < slices; z++) {
      for (let i = 0; i < height * width; i++) {
        const p = probabilities.map((material) => material.slices[z][i])
        largestError = Math.max(largestError, Math.abs(p.reduce((sum, value) => sum + value, 0) - 1))
        if (labels.slices[z][i] !== values[p.indexOf(Math.max(...p))]) disagreements++
        // Shannon's entropy over that of equal chances.
        const entropy = -p.reduce((sum, value) => sum + (value > 0 ? value * Math.log(value) : 0), 0)
        const found = uncertainty.slices[z][i]
        largestEntropyError = Math.max(largestEntropyError, Math.abs(found - entropy / Math.log(3)))
      }
    }
    expect(largestError).toBeLessThan(1e-5)
    expect(disagreements).toBe(0)
    expect(largestEntropyError).toBeLessThan(1e-5)
  })

  test('--slices cuts out the same voxels', async () => {
    const part = at(`${format}-part${ending}`)
    const cut = await segment(part, '--format', format, '--slices', '2-4')
    expect(cut).toMatchObject({ slices: { first: 2, last: 4 }, voxels: 3 * height * width })
    const [whole, some] = [await read(out), await read(part)]
    expect(some.shape).toEqual([3, height, width])
    // Intensities are normalised over the whole volume, whatever part of it is asked for.
    expect(some.slices).toEqual(whole.slices.slice(2, 5))
    if (format === 'tiff-stack') expect(some.names).toEqual([2, 3, 4].map(defaultStem))
  })
})

test('both formats hold the same voxels, and a folder nothing else that reads as a slice', async () => {
  const [stack, big] = [await read(at('tiff-stack-all')), await read(at('bigtiff-all.tif'))]
  expect(big.slices).toEqual(stack.slices)
  expect(stack.names).toEqual(Array.from({ length: slices }, (_, z) => defaultStem(z)))
  expect(readdirSync(at('tiff-stack-all')).sort()).toEqual([
    'segmentation.json',
    ...Array.from({ length: slices }, (_, z) => `${defaultStem(z)}.tif`),
  ])
  const head = readFileSync(at('bigtiff-all.tif')).subarray(0, 4)
  // BigTIFF: little-endian, version 43.
  expect([...head]).toEqual([0x49, 0x49, 43, 0])
  expect(existsSync(at('tiff-stack-all.partial'))).toBe(false)
})

test('--voxel-size overrules the files and travels into the output', async () => {
  const given = { z: 20, y: 10, x: 10, unit: 'nm' }
  await segment(at('sized'), '--voxel-size', '20,10,10,nm', '--slices', '0-0')
  expect(await resultOf(['info', at('sized')])).toMatchObject({ voxelSize: given, shape: [1, height, width] })
  await segment(at('sized.tif'), '--voxel-size', '20,10,10,nm', '--slices', '0-1', '--format', 'bigtiff')
  expect(await resultOf(['info', at('sized.tif')])).toMatchObject({
    voxelSize: given,
    shape: [2, height, width],
  })
}, 60_000)

test('a raw volume gives the same segmentation as the slices it was made of', async () => {
  const grey = await read(volume.images)
  const file = at('volume.raw')
  const header = new Uint8Array(11)
  writeFileSync(file, Buffer.concat([header, ...grey.slices.map((slice) => Buffer.from(slice.buffer))]))
  const options = ['--raw', `${slices},${height},${width},uint16,little,11`, '--format', 'bigtiff']
  const out = at('from-raw.tif')
  const result = await resultOf(['segment', file, '--model', run, '--out', out, ...options])
  expect(result).toMatchObject({ voxels: slices * height * width, warnings: [] })
  const [raw, slicesRead] = [await read(out), await read(at('tiff-stack-all'))]
  expect(raw.slices).toEqual(slicesRead.slices)
  // Nothing says how large a voxel of a raw file is.
  expect(raw.voxelSize).toBeNull()
}, 60_000)

test('the same command gives the same bytes', async () => {
  await segment(at('again'))
  const images = (place: string) =>
    Object.entries(treeOf(place)).filter(([name]) => name !== 'segmentation.json')
  expect(images(at('again'))).toEqual(images(at('tiff-stack-all')))
}, 60_000)

test('a file of many slices is read like a folder of them, and paired by position', async () => {
  const args = ['--truth', at('bigtiff-all.tif'), '--predicted', at('tiff-stack-all')]
  const result = await resultOf(['evaluate', ...args])
  expect(result).toMatchObject({ macroF1: 1, accuracy: 1, pairs: [{ pairing: 'position' }] })
})

test('a network that sees neighbouring slices goes the whole way', async () => {
  const out = at('run-context')
  const options = ['--model', 'unet', '--context', '1', '--max-steps', '1', '--out', out]
  // Labels in one file of as many slices as the volume pair by position.
  const labels = at('bigtiff-all.tif')
  const trained = await resultOf(['train', volume.images, '--labels', labels, ...options])
  expect(trained['split']).toMatchObject([{ pairing: 'position' }])
  const card = JSON.parse(readFileSync(path.join(out, 'model', 'card.json'), 'utf8')) as unknown
  expect(card).toMatchObject({ architecture: { contextSlices: 1 }, voxelSize })
  const result = await resultOf(['segment', volume.images, '--model', out, '--out', at('context')])
  expect(result['voxels']).toBe(slices * height * width)
}, 60_000)

const python = pythonWith('tifffile', 'numpy')

test.skipIf(python === null)('tifffile reads what we wrote (needs a Python with tifffile)', async () => {
  const script = `
import json, sys, numpy, tifffile
found = []
for name in sys.argv[1:]:
    with tifffile.TiffFile(name) as file:
        array = file.asarray()
        tags = file.pages[0].tags
        found.append({
            "shape": list(array.shape), "dtype": str(array.dtype), "bigtiff": file.is_bigtiff, "pages": len(file.pages),
            "palette": "ColorMap" in tags, "sum": int(array.astype("uint64").sum()),
            "pixelsPerUnit": tags["XResolution"].value[0] / tags["XResolution"].value[1],
            "spacing": (file.imagej_metadata or {}).get("spacing"), "unit": (file.imagej_metadata or {}).get("unit"),
        })
print(json.dumps(found))`
  const slice = path.join(at('tiff-stack-all'), `${defaultStem(3)}.tif`)
  const found = askPython(python!, script, [at('bigtiff-all.tif'), slice]) as Record<string, unknown>[]
  const { slices: voxels } = await read(at('tiff-stack-all'))
  const sum = (arrays: TypedArray[]) => {
    let total = 0
    for (const array of arrays) for (const value of array) total += value
    return total
  }
  const common = { dtype: 'uint8', palette: true, spacing: 0.5, unit: 'um' }
  expect(found).toMatchObject([
    { ...common, shape: [slices, height, width], bigtiff: true, pages: slices, sum: sum(voxels) },
    { ...common, shape: [height, width], bigtiff: false, pages: 1, sum: sum([voxels[3]]) },
  ])
  for (const { pixelsPerUnit } of found) expect(pixelsPerUnit).toBeCloseTo(1 / 0.13, 5)
})
