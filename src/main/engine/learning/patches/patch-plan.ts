import type { Random } from '../../../../shared/random.ts'

/** Labelled voxels of one slice, per material. */
export interface LabelledSlice {
  volume: number
  z: number
  /** Labelled voxels per material index; entry 0 is not used. */
  counts: Readonly<Uint32Array>
}

/** Draws slices so that all materials are seen: weights per material, cumulative over slices. */
export interface SliceTable {
  slices: readonly LabelledSlice[]
  /** Material indices that have labelled voxels. */
  materials: readonly number[]
  /** Per entry of `materials`: cumulative voxel counts over `slices`. */
  cumulative: readonly Float64Array[]
}

export function createSliceTable(slices: readonly LabelledSlice[], materialCount: number): SliceTable {
  const materials: number[] = []
  const cumulative: Float64Array[] = []
  for (let material = 1; material <= materialCount; material++) {
    const sums = new Float64Array(slices.length)
    let sum = 0
    slices.forEach((slice, index) => {
      sum += slice.counts[material] ?? 0
      sums[index] = sum
    })
    if (sum === 0) continue
    materials.push(material)
    cumulative.push(sums)
  }
  return { slices, materials, cumulative }
}

/**
 * Chooses the material and the slice of a patch. With probability `balance` every material is equally likely, otherwise
 * materials come as often as they are labelled: rare materials are seen often without the frequent ones being forgotten.
 */
export function chooseSlice(
  table: SliceTable,
  random: Random,
  balance: number,
): { slice: LabelledSlice; material: number } {
  const totals = table.cumulative.map((sums) => sums.at(-1)!)
  let choice: number
  if (random.next() < balance) choice = random.integer(table.materials.length)
  else {
    let target = random.next() * totals.reduce((a, b) => a + b, 0)
    choice = totals.findIndex((total) => (target -= total) < 0)
    if (choice < 0) choice = totals.length - 1
  }
  const sums = table.cumulative[choice]
  const target = random.next() * sums.at(-1)!
  return { slice: table.slices[firstAbove(sums, target)], material: table.materials[choice] }
}

/** First index whose value is greater than `target`, in an ascending array. */
function firstAbove(sums: Float64Array, target: number): number {
  let low = 0
  let high = sums.length - 1
  while (low < high) {
    const middle = (low + high) >> 1
    if (sums[middle] > target) high = middle
    else low = middle + 1
  }
  return low
}

/** Candidate positions kept per material and slice: enough that patches do not repeat, small enough for 500 slices. */
export const candidatesPerMaterial = 2048

/**
 * Positions (y × width + x) of labelled voxels of every material of a slice: all of them, or an even random choice.
 * Depends on the random stream given only.
 */
export function collectCandidates(
  labels: Uint8Array,
  counts: Readonly<Uint32Array>,
  random: Random,
): ReadonlyMap<number, Uint32Array> {
  const lists = new Map<number, Uint32Array>()
  const seen = new Uint32Array(counts.length)
  counts.forEach((count, material) => {
    if (material > 0 && count > 0)
      lists.set(material, new Uint32Array(Math.min(count, candidatesPerMaterial)))
  })
  for (let i = 0; i < labels.length; i++) {
    const material = labels[i]
    const list = lists.get(material)
    if (material === 0 || list === undefined) continue
    // Reservoir sampling (Vitter 1985, algorithm R).
    const number = seen[material]++
    if (number < list.length) list[number] = i
    else {
      const place = random.integer(number + 1)
      if (place < list.length) list[place] = i
    }
  }
  return lists
}
