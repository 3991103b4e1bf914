import { decode } from 'fast-png'
import { describe, expect, it } from 'vitest'
import type { OpenDataSet } from '../../../src/main/engine/compare/data-sets.ts'
import { renderPictures } from '../../../src/main/engine/report/pictures.ts'
import { numberMaterials } from '../../../src/shared/materials.ts'
import { sampleComparison } from './sample-comparison.ts'

const materials = numberMaterials([
  { value: 1, name: 'pore', colour: '#ff0000' },
  { value: 2, name: 'binder', colour: '#0000ff' },
])

/** A data set of slices of one row, as far as pictures look at it. */
function dataSetOf(width: number): OpenDataSet {
  const source = {
    meta: { shape: [6, 1, width] },
    readSlice: () => Promise.resolve(Uint16Array.from({ length: width }, (_, x) => x)),
  }
  return { kind: 'seen', volumes: [{ source }], materials } as unknown as OpenDataSet
}

function pixels(uri: string): { width: number; channels: number; data: number[] } {
  const { width, channels, data } = decode(Buffer.from(uri.replace(/^data:image\/png;base64,/, ''), 'base64'))
  return { width, channels, data: [...data] }
}

describe('renderPictures', () => {
  it('paints truth, both models and who is wrong, and leaves the unlabelled dim', async () => {
    const comparison = { ...sampleComparison(), worstRegions: [] }
    const [truth, A, B] = ['11220', '12212', '11122'].map((row) => Uint8Array.from(row, Number))
    const { slices } = await renderPictures(comparison, [dataSetOf(5)], () =>
      Promise.resolve({
        readSlice: () => Promise.resolve({ truth, A, B }),
        close: () => Promise.resolve(),
      }),
    )
    // Three slices of equal score: worst, median and best.
    expect(slices.map(({ kind }) => kind)).toEqual(['worst', 'median', 'best'])
    const [picture] = slices
    // Of four labelled voxels: the second only A has wrong, the third only B, the fourth only A.
    expect(picture.wrong).toEqual({ onlyA: 0.5, onlyB: 0.25, both: 0 })
    const colourAt = (uri: string, x: number) => pixels(uri).data.slice(4 * x, 4 * x + 4)
    expect(colourAt(picture.truth, 0).slice(0, 3)).toEqual([255, 0, 0])
    expect(colourAt(picture.truth, 2).slice(0, 3)).toEqual([0, 0, 255])
    // Unlabelled: nothing in the truth, black over the difference.
    expect(colourAt(picture.truth, 4)[3]).toBe(0)
    expect(colourAt(picture.difference, 4).slice(0, 3)).toEqual([0, 0, 0])
    expect(colourAt(picture.difference, 0)[3]).toBe(0)
    expect(colourAt(picture.difference, 1).slice(0, 3)).toEqual([0xb8, 0xa4, 0xff])
    expect(colourAt(picture.difference, 2).slice(0, 3)).toEqual([0xbf, 0xdd, 0x5c])
    // Grey from the darkest to the brightest.
    const grey = pixels(picture.grey)
    expect(grey.channels).toBe(1)
    expect([grey.data[0], grey.data[4]]).toEqual([0, 255])
  })

  it('makes large slices smaller', async () => {
    const comparison = { ...sampleComparison(), worstRegions: [] }
    const row = new Uint8Array(2000).fill(1)
    const { slices } = await renderPictures(comparison, [dataSetOf(2000)], () =>
      Promise.resolve({
        readSlice: () => Promise.resolve({ truth: row, A: row, B: row }),
        close: () => Promise.resolve(),
      }),
    )
    // 2000 / 448 is more than 4, so every fifth voxel.
    expect(slices[0]).toMatchObject({ width: 400, height: 1 })
  })
})
