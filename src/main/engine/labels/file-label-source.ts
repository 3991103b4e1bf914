import { badInput } from '../../../shared/errors.ts'
import { unlabelledIndex } from '../../../shared/materials.ts'
import type { TypedArray, VolumeMeta, VolumeWarning } from '../../../shared/volume.ts'
import type { ReadOptions, VolumeSource } from '../volume/volume-source.ts'
import { placeOf, type LabelFile } from './label-file.ts'
import type { LabelPairing, LabelSource } from './label-source.ts'
import { countValues, ValueLookup, type ValueCounts } from './label-values.ts'
import type { SlicePairing } from './pair-slices.ts'
import type { ProjectMoment } from './project-labels.ts'
import type { ResolvedLabels } from './resolve-labels.ts'

/** Labels that are read from files slice by slice, on demand. */
export class FileLabelSource implements LabelSource {
  readonly path: string
  readonly pairing: LabelPairing
  readonly labelledSlices: readonly number[]
  readonly warnings: readonly VolumeWarning[]
  readonly moment?: ProjectMoment
  private readonly file: VolumeSource
  private readonly lookup: ValueLookup
  private readonly pixels: number
  /** Volume slice → label slice. */
  private readonly labelSliceOf: ReadonlyMap<number, number>
  private readonly countsOf: ReadonlyMap<number, Uint32Array>
  private readonly emptyCounts: Uint32Array
  private readonly indexOf: ReadonlyMap<number, number>

  constructor(
    labels: LabelFile,
    volume: VolumeMeta,
    paired: SlicePairing,
    found: ResolvedLabels,
    fileIndex: number,
  ) {
    this.path = labels.path
    if (labels.moment !== undefined) this.moment = labels.moment
    this.file = labels.file
    this.pixels = volume.shape[1] * volume.shape[2]
    this.indexOf = found.indexOf
    this.lookup = new ValueLookup(found.indexOf, unlabelledIndex)
    this.pairing = paired.pairing
    this.labelSliceOf = new Map(paired.positions.map((z, labelSlice) => [z, labelSlice]))
    this.labelledSlices = [...paired.positions].sort((a, b) => a - b)
    this.emptyCounts = new Uint32Array(found.materials.length + 1)
    this.emptyCounts[unlabelledIndex] = this.pixels
    this.countsOf = new Map(
      paired.positions.map((z, labelSlice) => [
        z,
        countMaterials(found.counts[fileIndex][labelSlice], found),
      ]),
    )
    // What the reader says of grey values and numbering does not concern labels; sparse ones jump as a rule.
    this.warnings = found.warnings[fileIndex]
  }

  async readSlice(z: number, options: ReadOptions = {}): Promise<Uint8Array> {
    const labelSlice = this.labelSliceOf.get(z)
    if (labelSlice === undefined) return new Uint8Array(this.pixels)
    const slice = await this.file.readSlice(labelSlice, options)
    const indices = this.lookup.translate(slice)
    // The file may have changed since it was opened: compare what came with what was counted, at no extra pass for most.
    const unlabelled = this.countsOf.get(z)![unlabelledIndex]
    let zeros = 0
    for (let i = 0; i < indices.length; i++) if (indices[i] === 0) zeros++
    if (zeros > unlabelled) this.requireKnownValues(slice, placeOf(this.file.meta, labelSlice))
    return indices
  }

  countSlice(z: number): Readonly<Uint32Array> {
    return this.countsOf.get(z) ?? this.emptyCounts
  }

  async close(): Promise<void> {
    await this.file.close()
  }

  private requireKnownValues(slice: TypedArray, place: string): void {
    for (const value of countValues(slice, place).values)
      if (!this.indexOf.has(value))
        throw badInput(
          place,
          'the label values that it had when it was opened',
          `the value ${value}, which no material has`,
        )
  }
}

function countMaterials(counts: ValueCounts, found: ResolvedLabels): Uint32Array {
  const result = new Uint32Array(found.materials.length + 1)
  for (const [position, value] of counts.values.entries())
    result[found.indexOf.get(value) ?? unlabelledIndex] += counts.counts[position]
  return result
}
