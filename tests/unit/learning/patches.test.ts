import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createRandom, type Random } from '../../../src/shared/random.ts'
import type { TypedArray } from '../../../src/shared/volume.ts'
import type { IntensityOptions } from '../../../src/main/engine/learning/patches/intensity-augmentation.ts'
import {
  candidatesPerMaterial,
  chooseSlice,
  collectCandidates,
  createSliceTable,
  type LabelledSlice,
} from '../../../src/main/engine/learning/patches/patch-plan.ts'
import {
  createPatchSampler,
  type Batch,
  type PatchOptions,
  type PatchSource,
} from '../../../src/main/engine/learning/patches/patch-sampler.ts'
import {
  mirror,
  randomTransform,
  sourceCoordinates,
  type GeometryOptions,
} from '../../../src/main/engine/learning/patches/patch-transform.ts'
import { sliceNeighbours } from '../../../src/main/engine/volume/slice-neighbours.ts'

const noGeometry: GeometryOptions = {
  affineProbability: 0,
  maxRotationDegrees: 45,
  maxScale: 1.25,
  elasticProbability: 0,
  elasticVoxels: 4,
}
const noIntensity: IntensityOptions = {
  probability: 0,
  maxContrast: 0.2,
  maxBrightness: 0.2,
  maxGamma: 1.3,
  maxNoise: 0.1,
  maxBlurVoxels: 1,
}

interface TestSlice {
  z: number
  image: TypedArray
  labels: Uint8Array
}

/** A source of one volume in memory; grey value v arrives in patches as v (low −1, high 1 is the identity). */
function sourceOf(
  [height, width]: readonly [number, number],
  slices: readonly TestSlice[],
  materialCount: number,
  volume: Partial<PatchSource['volumes'][number]> = {},
): PatchSource {
  const at = (z: number) => slices.find((slice) => slice.z === z)!
  return {
    volumes: [
      {
        shape: [height, width],
        normalisation: { method: 'percentile', low: -1, high: 1 },
        neighbours: (z, count) => sliceNeighbours({ shape: [100, height, width], gaps: [] }, z, count),
        ...volume,
      },
    ],
    labelledSlices: slices.map(({ z, labels }) => ({
      volume: 0,
      z,
      counts: countsOf(labels, materialCount),
    })),
    materialCount,
    readImage: (_, z) => Promise.resolve(at(z).image),
    readLabels: (_, z) => Promise.resolve(at(z).labels),
  }
}

function countsOf(labels: Uint8Array, materialCount: number): Uint32Array {
  const counts = new Uint32Array(materialCount + 1)
  for (const label of labels) counts[label] = counts[label] + 1
  return counts
}

function optionsOf(changes: Partial<PatchOptions>): PatchOptions {
  return {
    seed: 1,
    patchSize: 16,
    batchSize: 4,
    contextSlices: 0,
    balance: 0.5,
    geometry: noGeometry,
    intensity: noIntensity,
    ...changes,
  }
}

/** Calls `use` with each patch of each batch of steps 1 … `steps`. */
async function eachPatch(
  source: PatchSource,
  options: PatchOptions,
  steps: number,
  use: (image: Float32Array, labels: Uint8Array) => void,
): Promise<void> {
  const sampler = createPatchSampler(source, options)
  const area = options.patchSize ** 2
  for (let step = 1; step <= steps; step++) {
    const { images, labels, shape } = await sampler.batch(step)
    const channels = shape[3]
    expect(shape).toEqual([
      options.batchSize,
      options.patchSize,
      options.patchSize,
      2 * options.contextSlices + 1,
    ])
    for (let patch = 0; patch < options.batchSize; patch++) {
      use(
        images.subarray(patch * area * channels, (patch + 1) * area * channels),
        labels.subarray(patch * area, (patch + 1) * area),
      )
    }
  }
}

/** A float slice whose value tells the voxel (small enough that the cut at ±3 does not touch it), labels that follow it. */
function addressedSlice(height: number, width: number, z = 0): TestSlice {
  const count = height * width
  return {
    z,
    image: Float32Array.from({ length: count }, (_, i) => i / count),
    labels: Uint8Array.from({ length: count }, (_, i) => 1 + ((i * 7) % 5)),
  }
}

test('mirror reflects without repeating the edge, for any index and length', () => {
  fc.assert(
    fc.property(fc.integer({ min: -500, max: 500 }), fc.integer({ min: 1, max: 40 }), (index, length) => {
      // Walk step by step and turn around at the ends.
      let [at, direction] = [0, 1]
      for (let i = 0; i < Math.abs(index); i++) {
        if (length === 1) break
        if (at + direction < 0 || at + direction >= length) direction = -direction
        at += direction
      }
      expect(mirror(index, length)).toBe(at)
    }),
  )
})

describe('flips and quarter turns', () => {
  test.each([16, 15, 2])('of a patch of %i map voxels to voxels, in all eight ways', (size) => {
    const seen = new Set<string>()
    const [ys, xs] = [new Float32Array(size * size), new Float32Array(size * size)]
    for (let draw = 0; draw < 100; draw++) {
      const transform = randomTransform([40.3, 60.8], createRandom(draw), noGeometry)
      expect(transform.exact).toBe(true)
      sourceCoordinates(transform, size, ys, xs)
      expect(ys.every(Number.isInteger) && xs.every(Number.isInteger)).toBe(true)
      const visited = new Set(Array.from(ys, (y, i) => y * 1000 + xs[i]))
      // A permutation of a square of voxels …
      expect(visited.size).toBe(size * size)
      expect(Math.max(...ys) - Math.min(...ys)).toBe(size - 1)
      expect(Math.max(...xs) - Math.min(...xs)).toBe(size - 1)
      // … that is told by where its first row and first column go.
      const last = (size - 1) * size
      const directions = [ys[size - 1] - ys[0], xs[size - 1] - xs[0], ys[last] - ys[0], xs[last] - xs[0]]
      seen.add(directions.map(Math.sign).join())
    }
    expect(seen.size).toBe(8)
  })

  test.each([
    { height: 40, width: 50, size: 16 },
    { height: 40, width: 50, size: 15 },
    { height: 16, width: 30, size: 16 },
    { height: 17, width: 16, size: 16 },
  ])('keep grey values and labels together: $height × $width in $size', async ({ height, width, size }) => {
    const slice = addressedSlice(height, width)
    const rows = new Set<number>()
    const columns = new Set<number>()
    await eachPatch(
      sourceOf([height, width], [slice], 5),
      optionsOf({ patchSize: size }),
      100,
      (image, labels) => {
        const voxels = Array.from(image, (value) => value * height * width)
        const wrong = voxels.filter((voxel, i) => {
          const index = Math.round(voxel)
          rows.add(Math.floor(index / width))
          columns.add(index % width)
          return Math.abs(voxel - index) > 0.05 || labels[i] !== slice.labels[index]
        })
        expect(wrong).toEqual([])
        // The patch lies inside the slice: no voxel twice.
        expect(new Set(voxels.map(Math.round)).size).toBe(size * size)
      },
    )
    // Every row and column of the slice is learned from, those at its borders too.
    expect(rows.size).toBe(height)
    expect(columns.size).toBe(width)
  })
})

test('a patch holds a labelled voxel even when the only one lies in a corner', async () => {
  for (const corner of [0, 49, 39 * 50, 39 * 50 + 49]) {
    const labels = new Uint8Array(40 * 50)
    labels[corner] = 1
    const slice = { z: 0, image: new Float32Array(40 * 50), labels }
    await eachPatch(sourceOf([40, 50], [slice], 2), optionsOf({}), 25, (_, patchLabels) => {
      expect(patchLabels.filter((label) => label === 1)).toHaveLength(1)
    })
  }
})

test('a slice smaller than the patch is mirrored, and what lies outside is unlabelled', async () => {
  const [height, width, size] = [9, 6, 16]
  const slice = addressedSlice(height, width)
  await eachPatch(
    sourceOf([height, width], [slice], 5),
    optionsOf({ patchSize: size }),
    20,
    (image, labels) => {
      const labelled = [...labels].flatMap((label, i) => (label === 0 ? [] : [i]))
      // Every voxel of the slice occurs once with its label, nothing else has one.
      const voxels = labelled.map((i) => Math.round(image[i] * height * width))
      expect(voxels.sort((a, b) => a - b)).toEqual(Array.from({ length: height * width }, (_, i) => i))
      for (const i of labelled) expect(labels[i]).toBe(slice.labels[Math.round(image[i] * height * width)])
      // The rest shows grey values of the slice, not a border.
      const greys = new Set(slice.image)
      expect(image.filter((value) => !greys.has(value))).toHaveLength(0)
    },
  )
})

test('deformed patches stay near their source, with labels that follow', async () => {
  // Labels depend on the row and so does the grey value: they must agree but for one voxel at the edges of bands.
  const [height, width] = [96, 96]
  const slice: TestSlice = {
    z: 0,
    image: Float32Array.from({ length: height * width }, (_, i) => Math.floor(i / width) / height),
    labels: Uint8Array.from({ length: height * width }, (_, i) => 1 + Math.floor(Math.floor(i / width) / 32)),
  }
  const geometry = { ...noGeometry, affineProbability: 1, elasticProbability: 1 }
  let [labelled, interpolated, wrong] = [0, 0, 0]
  await eachPatch(
    sourceOf([height, width], [slice], 3),
    optionsOf({ patchSize: 32, geometry }),
    20,
    (image, labels) => {
      labels.forEach((label, i) => {
        if (label === 0) return
        labelled++
        const row = image[i] * height
        if (Math.abs(row - Math.round(row)) > 0.05) interpolated++
        if (row < (label - 1) * 32 - 1.01 || row > label * 32 + 0.01) wrong++
      })
    },
  )
  expect(wrong).toBe(0)
  expect(labelled).toBeGreaterThan(0.6 * 80 * 32 * 32)
  expect(interpolated, 'grey values are interpolated').toBeGreaterThan(0.5 * labelled)
})

test('voxels that are not finite are unlabelled and leave no trace in the grey values', async () => {
  const [height, width] = [32, 32]
  const slice = addressedSlice(height, width)
  const image = slice.image as Float32Array
  const strange = [Number.NaN, Infinity, -Infinity]
  for (let i = 0; i < image.length; i += 11) image[i] = strange[i % 3]
  const bad = image.filter((value) => !Number.isFinite(value)).length
  for (const geometry of [noGeometry, { ...noGeometry, affineProbability: 1 }]) {
    let unlabelled = 0
    const options = optionsOf({ patchSize: 32, geometry, batchSize: 2 })
    await eachPatch(sourceOf([height, width], [slice], 5), options, 3, (patch, labels) => {
      expect(patch.every((value) => value >= -1 && value <= 1)).toBe(true)
      unlabelled += labels.filter((label) => label === 0).length
    })
    if (geometry === noGeometry) expect(unlabelled).toBe(6 * bad)
    else expect(unlabelled).toBeGreaterThan(6 * bad)
  }
})

test('a batch depends on seed and step only, whatever was asked for before', async () => {
  const slices = [3, 7, 20].map((z) => addressedSlice(60, 60, z))
  const options = optionsOf({
    seed: 9,
    geometry: { ...noGeometry, affineProbability: 0.5, elasticProbability: 0.5 },
    intensity: { ...noIntensity, probability: 0.5 },
  })
  const take = async (steps: number[], changes: Partial<PatchOptions> = {}) => {
    const sampler = createPatchSampler(sourceOf([60, 60], slices, 5), { ...options, ...changes })
    const batches = new Map<number, Batch>()
    for (const step of steps) batches.set(step, await sampler.batch(step))
    return batches
  }
  const inOrder = await take([1, 2, 3, 4, 5])
  const jumbled = await take([5, 2, 4, 2, 1])
  for (const [step, batch] of jumbled) expect(batch).toEqual(inOrder.get(step))
  const otherSeed = await take([1], { seed: 10 })
  expect(otherSeed.get(1)!.images).not.toEqual(inOrder.get(1)!.images)
  expect(inOrder.get(2)!.images).not.toEqual(inOrder.get(1)!.images)
  // Patches of one batch are drawn one by one.
  const { images, shape } = inOrder.get(3)!
  const patches = Array.from({ length: shape[0] }, (_, k) => images.slice(k * 256, (k + 1) * 256).join())
  expect(new Set(patches).size).toBe(shape[0])
  // Batches belong to the caller: the next one does not write into them.
  const kept = inOrder.get(1)!
  expect(kept.images.buffer).not.toBe(inOrder.get(2)!.images.buffer)
})

test('2.5D: channels are the slices below, at and above, each under its own number, repeated at a gap', async () => {
  // Every slice has one grey value, so that channels tell their z.
  const slices = Array.from({ length: 8 }, (_, z) => ({
    z,
    image: new Float32Array(400).fill(z / 10),
    labels: new Uint8Array(400).fill(z === 3 || z === 0 ? 1 : 0),
  }))
  const meta = { shape: [8, 20, 20] as const, gaps: [5] }
  const source = sourceOf([20, 20], slices, 1, {
    neighbours: (z, count) => sliceNeighbours(meta, z, count),
  })
  const seen = new Set<string>()
  await eachPatch(source, optionsOf({ contextSlices: 2 }), 20, (image) => {
    for (let i = 0; i < image.length; i += 5) {
      seen.add([...image.subarray(i, i + 5)].map((value) => Math.round(value * 10)).join())
    }
  })
  // Slices 4 and 5 are not neighbours.
  expect(seen).toEqual(new Set(['1,2,3,4,4', '0,0,0,1,2']))
})

test('2.5D: what counts as outside is the slice itself, not its neighbours', async () => {
  const plain = new Float32Array(400).fill(0.5)
  const holed = plain.slice()
  holed[7 * 20 + 3] = Number.NaN
  for (const [holedSlice, unlabelled] of [
    [2, 1],
    [1, 0],
    [3, 0],
  ]) {
    const slices = [1, 2, 3].map((z) => ({
      z,
      image: z === holedSlice ? holed : plain,
      labels: new Uint8Array(400).fill(z === 2 ? 1 : 0),
    }))
    const options = optionsOf({ contextSlices: 1, patchSize: 20 })
    await eachPatch(sourceOf([20, 20], slices, 1), options, 3, (image, labels) => {
      expect(labels.filter((label) => label === 0)).toHaveLength(unlabelled)
      // In its own channel the hole is −1 like all that is outside.
      expect([...image].flatMap((value, i) => (value === -1 ? [i % 3] : []))).toEqual([holedSlice - 1])
    })
  }
})

test('grey values change within their limits and only when asked to', async () => {
  const slice = addressedSlice(64, 64)
  const source = sourceOf([64, 64], [slice], 5)
  const plain: number[][] = []
  await eachPatch(source, optionsOf({}), 10, (image) => plain.push([...image]))
  const changed: number[][] = []
  await eachPatch(source, optionsOf({ intensity: { ...noIntensity, probability: 1 } }), 10, (image) =>
    changed.push([...image]),
  )
  const differences = plain.flatMap((image, k) => image.map((value, i) => Math.abs(value - changed[k][i])))
  expect(Math.max(...differences)).toBeGreaterThan(0.1)
  // Contrast 0.2 and brightness 0.2 on values up to 1, gamma 1.3, noise of 0.1 (at most √12 of it), blur: far below 1.2.
  expect(Math.max(...differences)).toBeLessThan(1.2)
  expect(changed.flat().every(Number.isFinite)).toBe(true)
})

describe('which slices and materials are drawn', () => {
  /** Material 1 is frequent, 2 less, 3 rare and in one slice only; 4 does not occur. */
  const slices: LabelledSlice[] = [
    { volume: 0, z: 0, counts: Uint32Array.of(0, 6000, 1000, 0, 0) },
    { volume: 0, z: 4, counts: Uint32Array.of(9, 2000, 900, 0, 0) },
    { volume: 1, z: 0, counts: Uint32Array.of(0, 0, 0, 100, 0) },
  ]
  const table = createSliceTable(slices, 4)
  const draws = 20_000

  function shares(balance: number): { materials: number[]; slices: number[] } {
    const random: Random = createRandom(4, balance * 100)
    const materials = new Array<number>(5).fill(0)
    const bySlice = new Array<number>(3).fill(0)
    for (let i = 0; i < draws; i++) {
      const { slice, material } = chooseSlice(table, random, balance)
      if (slice.counts[material] === 0) throw new Error(`slice ${slice.z} has no material ${material}`)
      materials[material] += 1 / draws
      bySlice[slices.indexOf(slice)] += 1 / draws
    }
    return { materials, slices: bySlice }
  }

  test.each([
    { balance: 1, expected: [0, 1 / 3, 1 / 3, 1 / 3, 0] },
    { balance: 0, expected: [0, 0.8, 0.19, 0.01, 0] },
    { balance: 0.5, expected: [0, 0.4 + 1 / 6, 0.095 + 1 / 6, 0.005 + 1 / 6, 0] },
  ])('balance $balance', ({ balance, expected }) => {
    const found = shares(balance)
    // Four standard errors of a share of one half.
    expected.forEach((share, material) =>
      expect(Math.abs(found.materials[material] - share)).toBeLessThan(0.015),
    )
    if (balance === 1) {
      // Within a material, slices come by their voxels: 6/8 of a third and 10/19 of another.
      expect(Math.abs(found.slices[0] - (0.75 + 10 / 19) / 3)).toBeLessThan(0.015)
    }
  })

  test('candidates are the voxels of their material: all of a few, an even choice of many', () => {
    const labels = Uint8Array.from({ length: 40_000 }, (_, i) => (i % 100 === 0 ? 2 : i % 7 === 0 ? 0 : 1))
    const counts = countsOf(labels, 3)
    const lists = collectCandidates(labels, counts, createRandom(1))
    expect([...lists.keys()]).toEqual([1, 2])
    expect([...lists.get(2)!]).toEqual(Array.from({ length: 400 }, (_, i) => i * 100))
    const many = lists.get(1)!
    expect(many).toHaveLength(candidatesPerMaterial)
    expect(new Set(many).size).toBe(candidatesPerMaterial)
    expect(many.every((position) => labels[position] === 1)).toBe(true)
    // A quarter of them lies in each quarter of the slice, to five standard errors.
    const quarters = [0, 0, 0, 0]
    for (const position of many) quarters[Math.floor(position / 10_000)] += 1
    for (const count of quarters)
      expect(Math.abs(count - 512)).toBeLessThan(5 * Math.sqrt(2048 * 0.25 * 0.75))
    expect(collectCandidates(labels, counts, createRandom(1))).toEqual(lists)
    expect(collectCandidates(labels, counts, createRandom(2)).get(1)).not.toEqual(many)
  })
})

test('all materials are seen in patches, the rare one often', async () => {
  const labels = new Uint8Array(128 * 128).fill(1)
  labels.fill(2, 0, 128 * 20)
  labels[100 * 128 + 100] = 3
  const slice = { z: 0, image: new Float32Array(128 * 128), labels }
  const patchesWith = [0, 0, 0, 0]
  await eachPatch(sourceOf([128, 128], [slice], 3), optionsOf({}), 60, (_, patch) => {
    for (const material of [1, 2, 3]) if (patch.includes(material)) patchesWith[material] += 1
  })
  // By chance alone a patch of 16 × 16 would hold the one voxel of material 3 once in fifty patches; half of the draws are
  // balanced, so it is a sixth or more of the 240.
  expect(patchesWith[3]).toBeGreaterThan(240 / 6 / 1.6)
  expect(patchesWith[2]).toBeGreaterThan(40)
  expect(patchesWith[1]).toBeGreaterThan(100)
})
