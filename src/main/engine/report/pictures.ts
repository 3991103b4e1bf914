import { encode } from 'fast-png'
import {
  primaryTable,
  type Comparison,
  type ComparisonTable,
  type WorstRegion,
} from '../../../shared/comparison/comparison.ts'
import type { Material } from '../../../shared/materials.ts'
import type { TypedArray } from '../../../shared/volume.ts'
import type { OpenDataSet } from '../compare/data-sets.ts'
import type { SegmentedDataSet, SegmentedSlice } from '../compare/score-slices.ts'
import { sliceNormalisation } from '../learning/normalisation.ts'

/** Longest edge of a picture; a report shall stay below some megabytes. */
const longestEdge = 448
/** Grey levels of a picture: the eye sees no more beneath an overlay, and noise below a level need not be stored. */
const greyLevels = 64

/** One place as layers of the same size, each a PNG as data URI: grey below, the others transparent where they say nothing. */
export interface LayeredPicture {
  width: number
  height: number
  grey: string
  truth: string
  A: string
  B: string
  /** Where A, B or both are wrong. */
  difference: string
  /** Shares of the labelled voxels that only A, only B and both have wrong. */
  wrong: { onlyA: number; onlyB: number; both: number }
}

export interface SlicePicture extends LayeredPicture {
  kind: 'worst' | 'median' | 'best'
  dataSet: 'seen' | 'unseen'
  slice: ComparisonTable['slices'][number]
}

export interface RegionPicture extends LayeredPicture {
  region: WorstRegion
}

export interface ReportPictures {
  slices: SlicePicture[]
  regions: RegionPicture[]
}

/** Colours of the viewport: the same in both themes. */
const [onlyAColour, onlyBColour, bothColour] = ['#b8a4ff', '#bfdd5c', '#ffffff']

/**
 * Renders the worst, the median and the best slice of each data set (by the mean macro-F1 of both models) and the worst
 * regions. Slices are read one at a time.
 */
export async function renderPictures(
  comparison: Comparison,
  dataSets: readonly OpenDataSet[],
  openSegmentations: (dataSet: OpenDataSet) => Promise<SegmentedDataSet>,
  signal?: AbortSignal,
): Promise<ReportPictures> {
  const pictures: ReportPictures = { slices: [], regions: [] }
  for (const dataSet of dataSets) {
    const table = primaryTable(comparison, dataSet.kind)
    if (table === null) continue
    const segmented = await openSegmentations(dataSet)
    const read = async ({ volume, z }: { volume: number; z: number }) => {
      const { source } = dataSet.volumes[volume]
      const [, height, width] = source.meta.shape
      const grey = await source.readSlice(z, signal === undefined ? {} : { signal })
      return { ...(await segmented.readSlice(volume, z, signal)), grey, height, width }
    }
    try {
      for (const { kind, slice } of tellingSlices(table))
        pictures.slices.push({
          ...{ kind, dataSet: dataSet.kind, slice },
          ...layers(await read(slice), dataSet.materials),
        })
      for (const region of comparison.worstRegions)
        if (region.dataSet === dataSet.kind)
          pictures.regions.push({
            region,
            ...layers(await read(region), dataSet.materials, region),
          })
    } finally {
      await segmented.close()
    }
  }
  return pictures
}

/** Worst, median and best; fewer when there are fewer slices. */
function tellingSlices({ slices }: ComparisonTable): Pick<SlicePicture, 'kind' | 'slice'>[] {
  const mean = ({ A, B }: ComparisonTable['slices'][number]) => ((A.macroF1 ?? 0) + (B.macroF1 ?? 0)) / 2
  const ranked = [...slices].sort((one, two) => mean(one) - mean(two))
  if (ranked.length === 0) return []
  const chosen: Pick<SlicePicture, 'kind' | 'slice'>[] = [{ kind: 'worst', slice: ranked[0] }]
  if (ranked.length > 2) chosen.push({ kind: 'median', slice: ranked[Math.floor(ranked.length / 2)] })
  if (ranked.length > 1) chosen.push({ kind: 'best', slice: ranked[ranked.length - 1] })
  return chosen
}

interface Box {
  y: number
  x: number
  height: number
  width: number
}

/** Layers of a slice or a part of it, made smaller by a whole factor when they are too large. */
function layers(
  slice: SegmentedSlice & { grey: TypedArray; height: number; width: number },
  materials: readonly Material[],
  part?: Box,
): LayeredPicture {
  const box = part ?? { y: 0, x: 0, height: slice.height, width: slice.width }
  const factor = Math.max(1, Math.ceil(Math.max(box.height, box.width) / longestEdge))
  const height = Math.max(1, Math.floor(box.height / factor))
  const width = Math.max(1, Math.floor(box.width / factor))
  const { low, high } = sliceNormalisation(slice.grey)
  const scale = high > low ? (greyLevels - 1) / (high - low) : 0
  const grey = new Uint8Array(height * width)
  const overlays = {
    truth: new Uint8Array(4 * height * width),
    A: new Uint8Array(4 * height * width),
    B: new Uint8Array(4 * height * width),
    difference: new Uint8Array(4 * height * width),
  }
  const colours = materials.map(({ colour }) => channelsOf(colour))
  const wrongColours = {
    onlyA: channelsOf(onlyAColour),
    onlyB: channelsOf(onlyBColour),
    both: channelsOf(bothColour),
  }
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) {
      const to = y * width + x
      const level = Math.round((blockMean(slice, box, y, x, factor) - low) * scale)
      grey[to] = Math.round((Math.min(greyLevels - 1, Math.max(0, level)) * 255) / (greyLevels - 1))
      const from = (box.y + y * factor) * slice.width + box.x + x * factor
      const truth = slice.truth[from]
      for (const name of ['truth', 'A', 'B'] as const) {
        const material = slice[name][from]
        if (material > 0) paint(overlays[name], to, colours[material - 1], fillAlpha)
      }
      // What is not labelled is not scored: dimmed, so that nobody looks for mistakes there.
      if (truth === 0) paint(overlays.difference, to, [0, 0, 0], dimAlpha)
      else {
        const kind = mistake(truth, slice.A[from], slice.B[from])
        if (kind !== null) paint(overlays.difference, to, wrongColours[kind], wrongAlpha)
      }
    }
  return {
    width,
    height,
    grey: dataUri(encode({ width, height, data: grey, channels: 1, depth: 8 })),
    truth: overlayUri(overlays.truth, width, height),
    A: overlayUri(overlays.A, width, height),
    B: overlayUri(overlays.B, width, height),
    difference: overlayUri(overlays.difference, width, height),
    wrong: shares(slice, box),
  }
}

const fillAlpha = 150
const dimAlpha = 140
const wrongAlpha = 235

function blockMean(
  { grey, width }: { grey: TypedArray; width: number },
  box: Box,
  y: number,
  x: number,
  factor: number,
): number {
  let sum = 0
  let count = 0
  for (let dy = 0; dy < factor; dy++)
    for (let dx = 0; dx < factor; dx++) {
      const value = grey[(box.y + y * factor + dy) * width + box.x + x * factor + dx]
      if (!Number.isFinite(value)) continue
      sum += value
      count++
    }
  return count === 0 ? 0 : sum / count
}

type Mistake = 'onlyA' | 'onlyB' | 'both'

function mistake(truth: number, a: number, b: number): Mistake | null {
  if (a === truth) return b === truth ? null : 'onlyB'
  return b === truth ? 'onlyA' : 'both'
}

function shares(
  { truth, A, B, width }: SegmentedSlice & { width: number },
  box: Box,
): LayeredPicture['wrong'] {
  const counts = { onlyA: 0, onlyB: 0, both: 0 }
  let labelled = 0
  for (let y = box.y; y < box.y + box.height; y++)
    for (let i = y * width + box.x; i < y * width + box.x + box.width; i++) {
      if (truth[i] === 0) continue
      labelled++
      const kind = mistake(truth[i], A[i], B[i])
      if (kind !== null) counts[kind]++
    }
  const share = (count: number) => (labelled === 0 ? 0 : count / labelled)
  return { onlyA: share(counts.onlyA), onlyB: share(counts.onlyB), both: share(counts.both) }
}

function paint(
  rgba: Uint8Array,
  position: number,
  [red, green, blue]: readonly [number, number, number],
  alpha: number,
): void {
  rgba[4 * position] = red
  rgba[4 * position + 1] = green
  rgba[4 * position + 2] = blue
  rgba[4 * position + 3] = alpha
}

/** `#rrggbb` as numbers. */
function channelsOf(colour: string): [number, number, number] {
  const value = Number.parseInt(colour.slice(1), 16)
  return [(value >> 16) & 255, (value >> 8) & 255, value & 255]
}

function overlayUri(rgba: Uint8Array, width: number, height: number): string {
  return dataUri(encode({ width, height, data: rgba, channels: 4, depth: 8 }))
}

function dataUri(png: Uint8Array): string {
  return `data:image/png;base64,${Buffer.from(png).toString('base64')}`
}
