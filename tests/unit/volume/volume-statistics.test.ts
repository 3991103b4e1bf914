import { describe, expect, test } from 'vitest'
import { createRowSource } from '../../../src/main/engine/volume/row-source.ts'
import { spreadSlices, volumeStatistics } from '../../../src/main/engine/volume/volume-statistics.ts'
import type { VolumeSource } from '../../../src/main/engine/volume/volume-source.ts'

const [height, width] = [10, 10]

/** A float32 volume whose voxels come from a formula. */
function formulaSource(
  depth: number,
  value: (z: number, index: number) => number,
): { source: VolumeSource; reads: number[] } {
  const reads: number[] = []
  const source = createRowSource(
    {
      format: 'test',
      path: 'formula',
      shape: [depth, height, width],
      dtype: 'float32',
      voxelSize: null,
      sliceNames: Array.from({ length: depth }, (_, z) => `s_${z}`),
      bytes: depth * height * width * 4,
      gaps: [],
      warnings: [],
    },
    {
      readRows: (z) => {
        reads.push(z)
        return Promise.resolve(Float32Array.from({ length: height * width }, (_, index) => value(z, index)))
      },
      close: () => Promise.resolve(),
    },
  )
  return { source, reads }
}

describe('statistics of a volume', () => {
  test('of all voxels, worked by hand', async () => {
    // 0 … 299, each once: mean 149.5, variance (300² - 1) / 12, percentiles by linear interpolation of 299 steps.
    const { source } = formulaSource(3, (z, index) => 100 * z + index)
    const statistics = await volumeStatistics(source)
    expect(statistics).toMatchObject({ min: 0, max: 299, mean: 149.5, nonFiniteVoxels: 0, warnings: [] })
    expect(statistics.std).toBeCloseTo(Math.sqrt((300 ** 2 - 1) / 12), 9)
    expect(statistics.low).toBeCloseTo(0.005 * 299, 9)
    expect(statistics.high).toBeCloseTo(0.995 * 299, 9)
    expect(statistics.histogram).toMatchObject({ min: 0, max: 299 })
    expect(statistics.histogram.counts.reduce((sum, count) => sum + count, 0)).toBe(300)
  })

  test('of a long volume: a fixed spread of slices, the same with and without full', async () => {
    const { source, reads } = formulaSource(320, (z, index) => z + index / 1000)
    const sampled = await volumeStatistics(source)
    expect(reads).toHaveLength(32)
    expect(reads).toEqual(spreadSlices(320, 32))
    expect([reads[0], reads[31]]).toEqual([0, 319])
    const full = await volumeStatistics(source, { full: true })
    expect(full.slicesRead).toHaveLength(320)
    expect([full.low, full.high]).toEqual([sampled.low, sampled.high])
  })

  test('NaN and infinity are counted and left out', async () => {
    const { source } = formulaSource(2, (z, index) => (index === 3 ? NaN : index === 4 ? Infinity : z))
    const statistics = await volumeStatistics(source)
    expect(statistics).toMatchObject({ min: 0, max: 1, mean: 0.5, nonFiniteVoxels: 4 })
    expect(statistics.warnings).toMatchObject([{ kind: 'non-finite-voxels' }])
    expect(statistics.warnings[0].message).toContain('4 voxels')
  })

  test('a constant slice is a warning that names it', async () => {
    const { source } = formulaSource(3, (z, index) => (z === 1 ? 7 : index))
    const { warnings } = await volumeStatistics(source)
    expect(warnings).toMatchObject([{ kind: 'constant-slice' }])
    expect(warnings[0].message).toContain('s_1')
  })

  test.each([
    ['constant', () => 7, 'the value 7 everywhere'],
    ['without a finite voxel', () => NaN, 'no finite voxel'],
  ])('a volume that is %s is bad input', async (_, value, found) => {
    const { source } = formulaSource(40, value)
    await expect(volumeStatistics(source)).rejects.toMatchObject({ _tag: 'BadInput' })
    await expect(volumeStatistics(source)).rejects.toThrow(found)
  })

  test('a sample of constant slices is no proof: the others are read before that is said', async () => {
    const odd = 1
    expect(spreadSlices(400, 32)).not.toContain(odd)
    const { source } = formulaSource(400, (z, index) => (z === odd ? index : 7))
    await expect(volumeStatistics(source)).resolves.toMatchObject({ min: 0, max: 99 })
  })

  test('reports progress and stops through the signal', async () => {
    const { source } = formulaSource(5, (_, index) => index)
    const done: number[] = []
    await volumeStatistics(source, { onProgress: (progress) => done.push(progress.done) })
    expect(done).toEqual([1, 2, 3, 4, 5])
    await expect(volumeStatistics(source, { signal: AbortSignal.abort() })).rejects.toMatchObject({
      _tag: 'Cancelled',
    })
  })
})
