import {
  modelLetters,
  type ComparisonTable,
  type CurvePoint,
  type ModelLetter,
} from '../../../shared/comparison/comparison.ts'
import { score } from './format.ts'
import { html, type Html } from './html.ts'

/** Charts as inline SVG. Models differ by letter, shape and line, not by hue alone. */

/** The mark of a model at (x, y): A a circle, B a diamond. */
function mark(letter: ModelLetter, x: number, y: number, size = 4.5): Html {
  return letter === 'A'
    ? html`<circle class="mk-a" cx="${x.toFixed(1)}" cy="${y.toFixed(1)}" r="${size}" />`
    : html`<path
        class="mk-b"
        d="M${x.toFixed(1)} ${(y - size - 1).toFixed(1)}l${size + 1} ${size + 1}l${-size - 1} ${size + 1}l${-size - 1} ${-size - 1}z"
      />`
}

/** Badge of a model in running text. */
export function badge(letter: ModelLetter): Html {
  return html`<svg class="bd" viewBox="-9 -9 18 18" role="img" aria-label="model ${letter}">
    ${letter === 'A' ? html`<circle class="mk-a" r="8" />` : html`<path class="mk-b" d="M0-9 9 0 0 9-9 0z" />`}
    <text class="bt" y="3.4" text-anchor="middle">${letter}</text>
  </svg>`
}

/** An axis of scores that shows differences: from a round number below the lowest value to 1. */
export function scoreAxis(values: readonly (number | null | undefined)[]): { low: number; ticks: number[] } {
  const lowest = Math.min(1, ...values.filter((value) => value !== null && value !== undefined))
  const step = lowest > 0.9 ? 0.02 : lowest > 0.75 ? 0.05 : lowest > 0.5 ? 0.1 : 0.2
  const low = Math.max(0, Math.floor(lowest / step - 1e-9) * step)
  const count = Math.round((1 - low) / step)
  const every = Math.max(1, Math.ceil(count / 5))
  const ticks = Array.from({ length: count + 1 }, (_, i) => 1 - i * step)
    .filter((_, i) => i % every === 0)
    .toReversed()
  return { low, ticks }
}

/** The axis of a chart of its own: from a round number below the lowest value to one above the highest. */
function chartAxis(values: readonly (number | null | undefined)[]): {
  low: number
  high: number
  ticks: number[]
} {
  const { low, ticks } = scoreAxis(values)
  const highest = Math.max(low, ...values.filter((value) => value !== null && value !== undefined))
  const above = ticks.findIndex((tick) => tick > highest + 1e-9)
  const shown = above < 0 ? ticks : ticks.slice(0, above + 1)
  return { low, high: Math.max(shown.at(-1) ?? 1, low + 1e-6), ticks: shown }
}

/** Width of an interval plot in the units of its view box. */
const plotWidth = 200

function position(value: number, low: number): number {
  return low >= 1 ? 0 : ((Math.max(low, Math.min(1, value)) - low) / (1 - low)) * plotWidth
}

/** The axis that stands above a column of interval plots. */
export function intervalAxis({ low, ticks }: ReturnType<typeof scoreAxis>): Html {
  return html`<svg class="ip" viewBox="-14 0 ${plotWidth + 28} 14" aria-hidden="true">
    ${ticks.map(
      (tick) =>
        html`<text x="${position(tick, low).toFixed(1)}" y="11" text-anchor="middle"
          >${tick.toFixed(2)}</text
        >`,
    )}
  </svg>`
}

/** One value with its interval on the axis of its column. */
export function intervalPlot(
  letter: ModelLetter,
  value: number | null,
  interval: readonly [number, number] | null,
  { low, ticks }: ReturnType<typeof scoreAxis>,
): Html {
  const grid = ticks.map((tick) => {
    const x = position(tick, low).toFixed(1)
    return html`<line class="gr" x1="${x}" x2="${x}" y1="0" y2="22" />`
  })
  if (value === null)
    return html`<svg class="ip" viewBox="-14 0 ${plotWidth + 28} 22" aria-hidden="true">${grid}</svg>`
  const label = `${letter}: ${score(value)}${interval === null ? '' : `, 95 % interval ${score(interval[0])} to ${score(interval[1])}`}`
  return html`<svg class="ip" viewBox="-14 0 ${plotWidth + 28} 22" role="img" aria-label="${label}">
    ${grid}
    ${
      interval === null
        ? null
        : html`<line
            class="ln-${letter.toLowerCase()}"
            x1="${position(interval[0], low).toFixed(1)}"
            x2="${position(interval[1], low).toFixed(1)}"
            y1="11"
            y2="11"
          />`
    }
    ${mark(letter, position(value, low), 11)}
  </svg>`
}

/** Seen against unseen, one line per model: how much a model loses on data that it never saw. */
export function slopeChart(
  title: string,
  points: Record<ModelLetter, { seen: number | null; unseen: number | null }>,
): Html {
  const all = modelLetters.flatMap((letter) => [points[letter].seen, points[letter].unseen])
  const { low, high } = chartAxis(all)
  const y = (value: number) => 14 + ((high - value) / (high - low)) * 92
  const apart = labelPositions(points, y)
  return html`<svg class="ch" viewBox="0 0 300 140" role="img" aria-label="${title}, seen and unseen">
    <line class="gr" x1="96" x2="96" y1="8" y2="112" />
    <line class="gr" x1="204" x2="204" y1="8" y2="112" />
    <text x="96" y="130" text-anchor="middle">seen</text>
    <text x="204" y="130" text-anchor="middle">unseen</text>
    ${modelLetters.map((letter) => {
      const { seen, unseen } = points[letter]
      if (seen === null || unseen === null) return null
      return html`<line
          class="ln-${letter.toLowerCase()}"
          x1="96"
          x2="204"
          y1="${y(seen).toFixed(1)}"
          y2="${y(unseen).toFixed(1)}"
        />
        ${mark(letter, 96, y(seen))}${mark(letter, 204, y(unseen))}
        <text x="82" y="${(apart.seen[letter] + 3.5).toFixed(1)}" text-anchor="end">
          ${letter} <tspan class="hi">${score(seen)}</tspan>
        </text>
        <text x="218" y="${(apart.unseen[letter] + 3.5).toFixed(1)}">
          <tspan class="hi">${score(unseen)}</tspan>
          ${unseen - seen < 0 ? '−' : '+'}${Math.abs(unseen - seen).toFixed(3)}
        </text>`
    })}
  </svg>`
}

/** Heights of labels that would lie on each other are moved apart. */
function labelPositions(
  points: Record<ModelLetter, { seen: number | null; unseen: number | null }>,
  y: (value: number) => number,
): Record<'seen' | 'unseen', Record<ModelLetter, number>> {
  const place = (side: 'seen' | 'unseen') => {
    const [a, b] = [y(points.A[side] ?? 0), y(points.B[side] ?? 0)]
    const gap = 13 - Math.abs(a - b)
    if (gap <= 0) return { A: a, B: b }
    return a <= b ? { A: a - gap / 2, B: b + gap / 2 } : { A: a + gap / 2, B: b - gap / 2 }
  }
  return { seen: place('seen'), unseen: place('unseen') }
}

/** Macro-F1 of every slice, both models: shows whether a difference is everywhere or in a few slices. */
export function sliceChart({ slices, dataSet, split }: ComparisonTable): Html {
  const [width, height, left, bottom] = [1180, 170, 44, 24]
  const { low, high, ticks } = chartAxis(slices.flatMap(({ A, B }) => [A.macroF1, B.macroF1]))
  const y = (value: number) => 10 + ((high - value) / (high - low)) * (height - bottom - 16)
  const step = (width - left - 16) / Math.max(1, slices.length)
  const x = (index: number) => left + step * (index + 0.5)
  const labelEvery = Math.max(1, Math.ceil(slices.length / 16))
  return html`<svg
    class="ch wide"
    viewBox="0 0 ${width} ${height}"
    role="img"
    aria-label="macro-F1 of every slice of the ${dataSet} data set, ${split}"
  >
    ${ticks.map(
      (tick) =>
        html`<line
            class="gr"
            x1="${left}"
            x2="${width - 8}"
            y1="${y(tick).toFixed(1)}"
            y2="${y(tick).toFixed(1)}"
          />
          <text x="${left - 8}" y="${(y(tick) + 3.5).toFixed(1)}" text-anchor="end"
            >${tick.toFixed(2)}</text
          >`,
    )}
    ${slices.map(
      ({ A, B, z }, index) =>
        html`${
          A.macroF1 !== null &&
          B.macroF1 !== null &&
          html`<line
            class="ax"
            x1="${x(index).toFixed(1)}"
            x2="${x(index).toFixed(1)}"
            y1="${y(A.macroF1).toFixed(1)}"
            y2="${y(B.macroF1).toFixed(1)}"
          />`
        }
        ${A.macroF1 !== null && mark('A', x(index), y(A.macroF1), 3.6)}
        ${B.macroF1 !== null && mark('B', x(index), y(B.macroF1), 3.6)}
        ${index % labelEvery === 0 && html`<text x="${x(index).toFixed(1)}" y="${height - 6}" text-anchor="middle">${z}</text>`}`,
    )}
    <text x="${left - 8}" y="${height - 6}" text-anchor="end">z</text>
  </svg>`
}

/** Score against number of labelled voxels, on a logarithmic axis. */
export function labelChart(points: readonly CurvePoint[], dataSet: 'seen' | 'unseen'): Html | null {
  const shown = points.filter((point) => point.dataSet === dataSet && point.macroF1 !== null)
  if (new Set(shown.map(({ labelledVoxels }) => labelledVoxels)).size < 2) return null
  const [width, height, left, bottom] = [560, 230, 44, 28]
  const { low, high, ticks } = chartAxis(shown.flatMap(({ macroF1, interval }) => [macroF1, interval?.[0]]))
  const logs = shown.map(({ labelledVoxels }) => Math.log10(labelledVoxels))
  const [from, to] = [Math.min(...logs), Math.max(...logs)]
  const x = (voxels: number) => left + 14 + ((Math.log10(voxels) - from) / (to - from)) * (width - left - 34)
  const y = (value: number) => 10 + ((high - value) / (high - low)) * (height - bottom - 16)
  const decades = Array.from(
    { length: Math.floor(to) - Math.ceil(from) + 1 },
    (_, i) => 10 ** (Math.ceil(from) + i),
  )
  return html`<svg
    class="ch"
    viewBox="0 0 ${width} ${height}"
    role="img"
    aria-label="macro-F1 against labelled voxels, ${dataSet} data set"
  >
    ${ticks.map(
      (tick) =>
        html`<line
            class="gr"
            x1="${left}"
            x2="${width - 8}"
            y1="${y(tick).toFixed(1)}"
            y2="${y(tick).toFixed(1)}"
          />
          <text x="${left - 8}" y="${(y(tick) + 3.5).toFixed(1)}" text-anchor="end"
            >${tick.toFixed(2)}</text
          >`,
    )}
    ${decades.map((voxels) => html`<text x="${x(voxels).toFixed(1)}" y="${height - 8}" text-anchor="middle">10${superscript(Math.round(Math.log10(voxels)))}</text>`)}
    ${modelLetters.map((letter) => {
      const own = shown.filter(({ model }) => model === letter)
      const means = meansByVoxels(own)
      return html`<polyline
          class="pl-${letter.toLowerCase()}"
          points="${means.map(([voxels, value]) => `${x(voxels).toFixed(1)},${y(value).toFixed(1)}`).join(' ')}"
        />
        ${own.map(({ labelledVoxels, macroF1 }) => mark(letter, x(labelledVoxels), y(macroF1!), 3.6))}`
    })}
  </svg>`
}

/** Mean score per number of labelled voxels, over seeds; ascending. */
function meansByVoxels(points: readonly CurvePoint[]): [voxels: number, mean: number][] {
  const groups = new Map<number, number[]>()
  for (const { labelledVoxels, macroF1 } of points)
    groups.set(labelledVoxels, [...(groups.get(labelledVoxels) ?? []), macroF1!])
  return [...groups]
    .map(([voxels, scores]): [number, number] => [
      voxels,
      scores.reduce((sum, value) => sum + value, 0) / scores.length,
    ])
    .sort(([one], [two]) => one - two)
}

function superscript(exponent: number): string {
  return Array.from(String(exponent), (digit) => '⁰¹²³⁴⁵⁶⁷⁸⁹'[Number(digit)]).join('')
}
