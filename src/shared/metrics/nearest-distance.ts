/**
 * Squared Euclidean distance, in voxels, from each query voxel of a slice to the nearest target voxel. Exact.
 *
 * Method: the separable distance transform of Felzenszwalb & Huttenlocher, "Distance transforms of sampled functions",
 * Theory of Computing 8 (2012). Along the columns, where the function is 0 or infinite, the two linear scans of Meijster,
 * Roerdink & Hesselink, "A general algorithm for computing distance transforms in linear time" (2000), do. Along the rows
 * the nearest column is searched outwards from each query, which ends as soon as no farther column can be nearer: boundaries
 * of a fair segmentation are a few voxels apart. A row in which that takes long gets the lower envelope of parabolas, whose
 * cost does not depend on the distances. Only the bounding box of targets and queries is visited.
 */
export class NearestDistance {
  private column = new Int32Array(0)
  private apexes = new Int32Array(0)
  private heights = new Float64Array(0)
  private starts = new Float64Array(0)

  /**
   * @param targets positions y × width + x, ascending; kept
   * @param queries likewise
   * @param width voxels per row of the slice
   * @returns squared distances in order of `queries`; all -1 when there is no target
   */
  squared(targets: Int32Array, queries: Int32Array, width: number): Float64Array {
    const result = new Float64Array(queries.length)
    if (targets.length === 0) return result.fill(-1)
    if (queries.length === 0) return result

    const top = Math.floor(Math.min(targets[0], queries[0]) / width)
    const bottom = Math.floor(Math.max(targets[targets.length - 1], queries[queries.length - 1]) / width)
    let left = width
    let right = 0
    for (const positions of [targets, queries])
      for (let i = 0; i < positions.length; i++) {
        const x = positions[i] % width
        if (x < left) left = x
        if (x > right) right = x
      }
    const rows = bottom - top + 1
    const columns = right - left + 1
    this.scanColumns(targets, width, top, left, rows, columns)

    for (let next = 0; next < queries.length;) {
      const row = Math.floor(queries[next] / width) - top
      const origin = (top + row) * width + left
      const rowEnd = (top + row + 1) * width
      let steps = outwardSteps * columns
      for (; next < queries.length && queries[next] < rowEnd && steps > 0; next++) {
        const x = queries[next] - origin
        result[next] = this.searchOutwards(row * columns, columns, x)
        steps -= Math.sqrt(result[next])
      }
      if (next === queries.length || queries[next] >= rowEnd) continue
      const parabolas = this.envelope(row * columns, columns)
      for (let k = 0; next < queries.length && queries[next] < rowEnd; next++) {
        const x = queries[next] - origin
        while (k + 1 < parabolas && this.starts[k + 1] < x) k++
        const run = x - this.apexes[k]
        result[next] = run * run + this.heights[k]
      }
    }
    return result
  }

  /** Distance along its column from each voxel of the box to the nearest target; `far` where the column has none. */
  private scanColumns(
    targets: Int32Array,
    width: number,
    top: number,
    left: number,
    rows: number,
    columns: number,
  ): void {
    if (this.column.length < rows * columns) this.column = new Int32Array(rows * columns)
    const column = this.column
    column.fill(far, 0, rows * columns)
    for (let i = 0; i < targets.length; i++) {
      const y = Math.floor(targets[i] / width)
      column[(y - top) * columns + (targets[i] - y * width - left)] = 0
    }
    for (let i = columns; i < rows * columns; i++) {
      const along = column[i - columns] + 1
      if (along < column[i]) column[i] = along
    }
    for (let i = (rows - 1) * columns - 1; i >= 0; i--) {
      const along = column[i + columns] + 1
      if (along < column[i]) column[i] = along
    }
  }

  /** Squared distance from column `x` of the row at `offset`; takes about as many steps as the distance. */
  private searchOutwards(offset: number, columns: number, x: number): number {
    const column = this.column
    let reach = column[offset + x]
    let best = reach * reach
    for (let run = 1; run * run < best; run++) {
      if (x - run < 0 && x + run >= columns) break
      if (x - run >= 0) {
        reach = column[offset + x - run]
        if (reach * reach + run * run < best) best = reach * reach + run * run
      }
      if (x + run < columns) {
        reach = column[offset + x + run]
        if (reach * reach + run * run < best) best = reach * reach + run * run
      }
    }
    return best
  }

  /**
   * Lower envelope over one row of the parabolas (x - apex)² + height. Returns their number; parabola k is lowest from
   * `starts[k]` to `starts[k + 1]`.
   */
  private envelope(offset: number, columns: number): number {
    if (this.apexes.length < columns) {
      this.apexes = new Int32Array(columns)
      this.heights = new Float64Array(columns)
      this.starts = new Float64Array(columns)
    }
    const { column, apexes, heights, starts } = this
    let last = -1
    for (let x = 0; x < columns; x++) {
      const reach = column[offset + x]
      if (reach >= far) continue
      const height = reach * reach
      let start = Number.NEGATIVE_INFINITY
      while (last >= 0) {
        const apex = apexes[last]
        start = (height + x * x - heights[last] - apex * apex) / (2 * (x - apex))
        if (start > starts[last]) break
        last--
      }
      last++
      apexes[last] = x
      heights[last] = height
      starts[last] = last === 0 ? Number.NEGATIVE_INFINITY : start
    }
    return last + 1
  }
}

/** Farther than any edge of a slice, and small enough that counting on from it stays within 32 bits. */
const far = 1 << 28

/** Steps per column of a row after which an envelope, at some tens of steps per column, is the better way. */
const outwardSteps = 16
