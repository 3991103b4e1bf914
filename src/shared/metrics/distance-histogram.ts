/** Distances up to this many voxels are counted exactly; beyond, in steps of 1/16 voxel, so that memory stays bounded. */
const exactVoxels = 256
const stepsPerVoxel = 16

/** Counts of distances from boundary voxels to the other boundary, pooled over any number of slices. */
export class DistanceHistogram {
  /** Number of distances. */
  count = 0
  /** Sum of the distances, in voxels. */
  sum = 0
  private nearCounts = new Float64Array(64)
  private readonly farCounts = new Map<number, number>()

  /**
   * @param squared squared distances in voxels, -1 where there is nothing to measure to; kept
   * @param missing squared distance that stands for -1
   */
  add(squared: Float64Array, missing: number): void {
    this.count += squared.length
    let sum = 0
    for (let i = 0; i < squared.length; i++) {
      const value = squared[i] < 0 ? missing : squared[i]
      const distance = Math.sqrt(value)
      sum += distance
      if (value > exactVoxels * exactVoxels) {
        const bin = Math.round(distance * stepsPerVoxel)
        this.farCounts.set(bin, (this.farCounts.get(bin) ?? 0) + 1)
        continue
      }
      if (value >= this.nearCounts.length) this.grow(value)
      this.nearCounts[value]++
    }
    this.sum += sum
  }

  /**
   * The distance in voxels below which the given fraction of the distances lies, interpolated linearly between neighbours
   * in rank (type 7 of Hyndman & Fan 1996, NumPy's default). `null` when there are no distances.
   */
  quantile(fraction: number): number | null {
    if (this.count === 0) return null
    const rank = fraction * (this.count - 1)
    const lower = Math.floor(rank)
    const [below, above] = this.valuesAtRanks(lower, Math.min(lower + 1, this.count - 1))
    return below + (above - below) * (rank - lower)
  }

  private valuesAtRanks(first: number, second: number): [number, number] {
    let seen = 0
    let atFirst: number | null = null
    for (const [distance, count] of this.ascending()) {
      seen += count
      if (atFirst === null && seen > first) atFirst = distance
      if (atFirst !== null && seen > second) return [atFirst, distance]
    }
    throw new RangeError(`rank ${second} of ${this.count} distances`)
  }

  private *ascending(): Iterable<[distance: number, count: number]> {
    for (const [squared, count] of this.nearCounts.entries()) if (count > 0) yield [Math.sqrt(squared), count]
    const bins = [...this.farCounts].sort(([a], [b]) => a - b)
    for (const [bin, count] of bins) yield [bin / stepsPerVoxel, count]
  }

  private grow(value: number): void {
    const length = Math.min(exactVoxels * exactVoxels + 1, Math.max(value + 1, this.nearCounts.length * 2))
    const grown = new Float64Array(length)
    grown.set(this.nearCounts)
    this.nearCounts = grown
  }
}
