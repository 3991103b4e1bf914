import { primaryTable, type Comparison, type ComparisonTable } from '../../../shared/comparison/comparison.ts'
import { probability, signed } from './format.ts'
import { html, type Html } from './html.ts'

/** A factor below which two speeds are the same. */
const sameSpeed = 1.1

/**
 * What the numbers say, in sentences. A model is called better only when the paired interval of the difference leaves out
 * zero; otherwise the sentence says that the difference is not certain.
 */
export function findings(comparison: Comparison): Html[] {
  const tables = (['seen', 'unseen'] as const)
    .map((dataSet) => primaryTable(comparison, dataSet))
    .filter((table) => table !== null)
  return [
    ...tables.flatMap((table) => tableFindings(comparison, table)),
    ...generalisation(comparison),
    ...speed(comparison),
  ]
}

function tableFindings({ dataSets }: Comparison, table: ComparisonTable): Html[] {
  const { difference, models, dataSet, slices } = table
  const found: Html[] = [
    verdict(
      `on the ${dataSet} data set`,
      'macro-F1',
      difference.macroF1,
      difference.confidence.macroF1,
      `paired test over ${slices.length} slices: p ${withSign(probability(difference.tests.macroF1.signFlip.pValue))}`,
    ),
  ]
  const materials = models.A.perMaterial
    .map(({ name }, k) => ({ name, ...difference.perMaterial[k] }))
    .filter(({ f1, confidence }) => f1 !== null && isCertain(confidence.f1))
    .sort((a, b) => Math.abs(b.f1!) - Math.abs(a.f1!))
  const strongest = materials.at(0)
  const map = dataSets.find(({ kind }) => kind === dataSet)?.materialMap?.entries ?? []
  const others = map.filter(({ target, name }) => target?.value === strongest?.id && name !== target?.name)
  const alias = others.length === 0 ? '' : ` (there: ${others.map(({ name }) => name).join(', ')})`
  if (strongest !== undefined)
    found.push(
      html`<b>${strongest.f1! > 0 ? 'A' : 'B'} finds ${strongest.name}${alias} better</b> by
        ${Math.abs(strongest.f1!).toFixed(3)} F1 (${dataSet}): the largest difference of a single material.`,
    )
  found.push(
    verdict(
      `on the ${dataSet} data set`,
      `boundary F1 at ${table.tolerance} voxels`,
      difference.macroBoundaryF1,
      difference.confidence.macroBoundaryF1,
      null,
    ),
  )
  return found
}

function verdict(
  place: string,
  what: string,
  difference: number | null,
  interval: readonly [number, number] | null,
  test: string | null,
): Html {
  const tail = test === null ? '' : `; ${test}`
  if (difference === null) return html`No ${what} can be given ${place}.`
  if (difference === 0 && (interval === null || (interval[0] === 0 && interval[1] === 0)))
    return html`<b>No difference</b> in ${what} ${place}${tail}.`
  const range =
    interval === null ? 'no interval' : `95 % interval ${signed(interval[0])} to ${signed(interval[1])}`
  const better = difference > 0 ? 'A' : 'B'
  if (!isCertain(interval))
    return html`<b>No certain difference</b> in ${what} ${place}: A − B = ${signed(difference)}
      (${range}${tail}).`
  return html`<b>${better} is better</b> in ${what} ${place}: A − B = ${signed(difference)} (${range}${tail}).`
}

function isCertain(interval: readonly [number, number] | null): boolean {
  return interval !== null && (interval[0] > 0 || interval[1] < 0)
}

function withSign(text: string): string {
  return text.startsWith('<') ? text : `= ${text}`
}

function generalisation(comparison: Comparison): Html[] {
  const [seen, unseen] = [primaryTable(comparison, 'seen'), primaryTable(comparison, 'unseen')]
  if (seen === null || unseen === null) return []
  const drop = (letter: 'A' | 'B') => {
    const [from, to] = [seen.models[letter].macroF1, unseen.models[letter].macroF1]
    return from === null || to === null ? null : to - from
  }
  const [a, b] = [drop('A'), drop('B')]
  if (a === null || b === null) return []
  return [html`<b>From seen to unseen</b> macro-F1 changes by ${signed(a)} for A and ${signed(b)} for B.`]
}

function speed({ models }: Comparison): Html[] {
  const [a, b] = [models.A.costs.at(0), models.B.costs.at(0)]
  const faster = (what: string, valueA: number, valueB: number) => {
    if (!(valueA > 0) || !(valueB > 0)) return null
    const ratio = Math.max(valueA / valueB, valueB / valueA)
    if (ratio < sameSpeed) return null
    return html`<b>${valueA > valueB ? 'A' : 'B'} ${what}</b>
      ${ratio < 10 ? ratio.toPrecision(2) : Math.round(ratio)} × faster.`
  }
  return [
    faster('trained', 1 / models.A.training.seconds, 1 / models.B.training.seconds),
    a === undefined || b === undefined ? null : faster('predicts', a.voxelsPerSecond, b.voxelsPerSecond),
  ].filter((finding) => finding !== null)
}
