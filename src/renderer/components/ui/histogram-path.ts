/** Counts of equally wide bins over [low, high]. */
export interface HistogramSeries {
  counts: ArrayLike<number>
  low: number
  high: number
}

/** Where and how high a histogram is drawn: a box of `width` × `height`, its bins over `from`…`to` of it (shares of the width). */
export interface HistogramBox {
  width: number
  height: number
  /** Count that reaches the top. */
  peak: number
  from: number
  to: number
}

/**
 * SVG path along the tops of the bins (one count per bin, equally wide). Square-root scale relative to `peak`, so that rare grey
 * values stay visible beside a tall background peak.
 */
export function linePath(counts: ArrayLike<number>, box: HistogramBox): string {
  return box.peak > 0 ? `M${tops(counts, box).join('L')}` : ''
}

/** The same, closed along the base line. */
export function areaPath(counts: ArrayLike<number>, box: HistogramBox): string {
  if (box.peak <= 0) return ''
  const { width, height, from, to } = box
  return `M${(from * width).toFixed(1)},${height}L${tops(counts, box).join('L')}L${(to * width).toFixed(1)},${height}Z`
}

function tops(counts: ArrayLike<number>, { width, height, peak, from, to }: HistogramBox): string[] {
  const binWidth = ((to - from) * width) / counts.length
  return Array.from(counts, (count, bin) => {
    const x = from * width + (bin + 0.5) * binWidth
    const y = height - Math.sqrt(Math.min(1, count / peak)) * height
    return `${x.toFixed(1)},${y.toFixed(1)}`
  })
}

/** The tallest bin, except that the first and last (where clipped values pile up) count only when nothing else is there. */
export function peakCount(counts: ArrayLike<number>): number {
  const all = Array.from(counts)
  const inner = Math.max(0, ...all.slice(1, -1))
  return inner > 0 ? inner : Math.max(0, ...all)
}
