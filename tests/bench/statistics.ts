/** Median; the mean of the middle two for an even count. Throws on an empty list. */
export function median(values: readonly number[]): number {
  if (values.length === 0) throw new Error('median of no values')
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}

/** The value below which `share` (0…1) of the values lie. Throws on an empty list. */
export function percentile(values: readonly number[], share: number): number {
  if (values.length === 0) throw new Error('percentile of no values')
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]
}

/** Growth of `values` per unit of `times` as the slope of the least-squares line. */
export function slope(times: readonly number[], values: readonly number[]): number {
  const meanTime = mean(times)
  const meanValue = mean(values)
  let covariance = 0
  let variance = 0
  times.forEach((time, index) => {
    covariance += (time - meanTime) * (values[index] - meanValue)
    variance += (time - meanTime) ** 2
  })
  return variance === 0 ? 0 : covariance / variance
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length
}
