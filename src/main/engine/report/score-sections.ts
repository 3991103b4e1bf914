import {
  modelLetters,
  primaryTable,
  worstMaterialsFirst,
  type ComparedDataSet,
  type Comparison,
  type ComparisonTable,
  type ModelLetter,
} from '../../../shared/comparison/comparison.ts'
import { isNamed } from '../../../shared/comparison/material-map.ts'
import { badge, intervalAxis, intervalPlot, scoreAxis, sliceChart, slopeChart } from './charts.ts'
import {
  compact,
  duration,
  figures,
  grouped,
  percent,
  probability,
  range,
  score,
  signed,
  undefinedMark,
} from './format.ts'
import { html, safeColour, type Html } from './html.ts'

/** `held-out slices of the seen data set`. */
export function placeOf({ dataSet, split }: Pick<ComparisonTable, 'dataSet' | 'split'>): string {
  return `${dataSet} data set, ${split} slices`
}

export function swatch(colour: string): Html {
  return html`<i class="sw" style="background:${safeColour(colour)}"></i>`
}

/** The table of the reference study: both models, seen against unseen, quality against cost. */
export function studySection(comparison: Comparison): Html {
  const [seen, unseen] = [primaryTable(comparison, 'seen'), primaryTable(comparison, 'unseen')]
  const tables = [seen, unseen].filter((table) => table !== null)
  return html`<section class="keep">
    <div class="head">
      <h2>At a glance</h2>
      <span class="hint"
        >macro means over materials; boundary within ${comparison.tolerance} voxels; 95 % intervals over
        slices</span
      >
    </div>
    <div class="scroll">
      <table class="study">
        <thead>
          <tr>
            <th class="t" colspan="2">Model</th>
            ${tables.map((table) => html`<th>F1 ${table.dataSet}<br />${table.split}, ${table.slices.length} ${table.slices.length === 1 ? 'slice' : 'slices'}</th>`)}
            ${tables.map((table) => html`<th>Boundary F1 ${table.dataSet}<br />@ ${table.tolerance} voxels</th>`)}
            <th>Parameters</th>
            <th>Training</th>
            <th>Throughput<br />end to end</th>
            <th>Labels used</th>
          </tr>
        </thead>
        <tbody>
          ${modelLetters.map((letter) => studyRow(comparison, letter, tables))}
        </tbody>
      </table>
    </div>
  </section>`
}

function studyRow({ models }: Comparison, letter: ModelLetter, tables: readonly ComparisonTable[]): Html {
  const { title, parameters, training, costs } = models[letter]
  // Nothing is set off that the paired interval does not tell apart.
  const isBest = (interval: readonly [number, number] | null) => betterModel(interval) === letter
  const cost = costs.at(0)
  return html`<tr>
    <td class="t" style="min-width:0">${badge(letter)}</td>
    <td class="t" style="padding-left:0"><b>${title}</b></td>
    ${tables.map(({ models: scores, difference }) => {
      const { macroF1, confidence } = scores[letter]
      return html`<td>
        <span class="${isBest(difference.confidence.macroF1) ? 'big' : ''}">${percent(macroF1)} %</span
        ><br /><span class="ci">${interval(confidence.macroF1)}</span>
      </td>`
    })}
    ${tables.map(({ models: scores, difference }) => {
      const { macroBoundaryF1, confidence } = scores[letter]
      return html`<td class="${isBest(difference.confidence.macroBoundaryF1) ? 'best' : ''}">
        ${score(macroBoundaryF1)}<br /><span class="ci">${range(confidence.macroBoundaryF1)}</span><br /><span
          class="ci"
          >precision ${score(meanBoundaryPrecision(scores[letter]))}</span
        >
      </td>`
    })}
    <td>${compact(parameters)}</td>
    <td>${duration(training.seconds)}<br /><span class="ci">${grouped(training.steps)} steps</span></td>
    <td>
      ${cost === undefined ? undefinedMark : rate(cost.voxelsPerSecond)}<br /><span class="ci"
        >network only ${cost === undefined ? undefinedMark : rate(cost.networkVoxelsPerSecond)}</span
      >
    </td>
    <td>
      ${compact(training.labelledVoxels)} voxels<br /><span class="ci"
        >${grouped(training.labelledSlices)} slices</span
      >
    </td>
  </tr>`
}

/** The model that the interval of A − B calls better; `null` when it holds zero. */
function betterModel(interval: readonly [number, number] | null): ModelLetter | null {
  if (interval === null) return null
  if (interval[0] > 0) return 'A'
  return interval[1] < 0 ? 'B' : null
}

function interval(values: readonly [number, number] | null): string {
  return values === null ? 'no interval' : `${percent(values[0])}–${percent(values[1])}`
}

function meanBoundaryPrecision({ perMaterial }: ComparisonTable['models']['A']): number | null {
  const values = perMaterial.flatMap(({ boundaryF1, boundaryPrecision }) =>
    boundaryF1 === null || boundaryPrecision === null ? [] : [boundaryPrecision],
  )
  return values.length === 0 ? null : values.reduce((sum, value) => sum + value, 0) / values.length
}

function rate(voxelsPerSecond: number): string {
  return `${figures(voxelsPerSecond / 1e6)} Mvoxel/s`
}

/** Everything about one table: materials worst first, paired difference, slices, confusion. */
export function tableSection(comparison: Comparison, table: ComparisonTable): Html {
  const dataSet = comparison.dataSets.find(({ kind }) => kind === table.dataSet)!
  const title = table.dataSet === 'seen' ? 'Seen data set' : 'Unseen data set'
  return html`<section>
    <div class="head">
      <h2>${title}, ${table.split} slices</h2>
      ${dataSet.synthetic && html`<span class="chip warn">synthetic data</span>`}
      ${table.split !== 'held-out' && html`<span class="chip warn">${splitMeaning[table.split]}</span>`}
      <span class="hint"
        >${table.volumes.map(({ volume }) => volume).join(', ')} · ${table.slices.length} slices ·
        ${grouped(table.models.A.labelledVoxels)} labelled voxels</span
      >
    </div>
    <div class="scroll">${materialTable(dataSet, table)}</div>
    <div class="cols" style="padding-top:14px">
      <div>${differenceList(table)}</div>
      <div>${differenceTests(table)}</div>
    </div>
    ${
      table.slices.length > 1 &&
      html`<div class="pad">
        <h3>Macro-F1 of every slice</h3>
        ${sliceChart(table)}
      </div>`
    }
    <div class="cols">${modelLetters.map((letter) => confusionTable(comparison, table, letter))}</div>
    <p class="pad hint">
      Confusion: percent of the truth of a material; rows are ground truth, columns predicted, only mistakes
      are shaded.
    </p>
  </section>`
}

const splitMeaning: Record<ComparisonTable['split'], string> = {
  'held-out': 'never trained on',
  unknown: 'training slices unknown: may be too good',
  validation: 'best checkpoint chosen here: too good',
  gap: 'beside validation slices',
  training: 'trained on: too good',
}

function materialTable(dataSet: ComparedDataSet, table: ComparisonTable): Html {
  const order = worstMaterialsFirst(table)
  const scores = modelLetters.map((letter) => table.models[letter])
  const f1Axis = scoreAxis(
    scores.flatMap(({ perMaterial, confidence, macroF1 }) => [
      macroF1,
      confidence.macroF1?.[0],
      ...perMaterial.flatMap((material) => [material.f1, material.confidence.f1?.[0]]),
    ]),
  )
  const boundaryAxis = scoreAxis(
    scores.flatMap(({ perMaterial, macroBoundaryF1, confidence }) => [
      macroBoundaryF1,
      confidence.macroBoundaryF1?.[0],
      ...perMaterial.flatMap((material) => [material.boundaryF1, material.confidence.boundaryF1?.[0]]),
    ]),
  )
  const inUm = scores.some(({ perMaterial }) => perMaterial.some(({ assdUm }) => assdUm !== null))
  const unit = inUm ? 'µm' : 'voxels'
  return html`<table>
    <thead>
      <tr>
        <th class="t">Material, worst first</th>
        <th></th>
        <th>F1 (= Dice)</th>
        <th class="p">${intervalAxis(f1Axis)}</th>
        <th>IoU</th>
        <th>Precision</th>
        <th>Recall</th>
        <th>Boundary F1<br />@ ${table.tolerance} voxels</th>
        <th class="p">${intervalAxis(boundaryAxis)}</th>
        <th>ASSD<br />${unit}</th>
        <th>HD95<br />${unit}</th>
        <th>Volume fraction<br />error, points</th>
      </tr>
    </thead>
    ${order.map((k) => {
      const { name, colour, support, id } = table.models.A.perMaterial[k]
      const certain = table.difference.perMaterial[k].confidence
      return html`<tbody>
        ${modelLetters.map((letter, row) => {
          const material = table.models[letter].perMaterial[k]
          return html`<tr class="${row === 1 ? 'last' : ''}">
            ${row === 0 && html`<td class="t span" rowspan="2">${swatch(colour)}${name}${mappedFrom(dataSet, id)}<br /><span class="hint">${grouped(support)} voxels</span></td>`}
            <td>${badge(letter)}</td>
            <td class="${betterModel(certain.f1) === letter ? 'best' : ''}">${score(material.f1)}</td>
            <td class="p">${intervalPlot(letter, material.f1, material.confidence.f1, f1Axis)}</td>
            <td>${score(material.iou)}</td>
            <td>${score(material.precision)}</td>
            <td>${score(material.recall)}</td>
            <td class="${betterModel(certain.boundaryF1) === letter ? 'best' : ''}">
              ${score(material.boundaryF1)}
            </td>
            <td class="p">
              ${intervalPlot(letter, material.boundaryF1, material.confidence.boundaryF1, boundaryAxis)}
            </td>
            <td>${figures(inUm ? material.assdUm : material.assd)}</td>
            <td>${figures(inUm ? material.hd95Um : material.hd95)}</td>
            <td>
              ${signed(material.volumeFraction === null ? null : 100 * material.volumeFraction.error, 2)}
            </td>
          </tr>`
        })}
      </tbody>`
    })}
    <tbody class="mean">
      ${modelLetters.map((letter, row) => {
        const { macroF1, meanIoU, macroBoundaryF1, confidence, weightedF1, accuracy } = table.models[letter]
        return html`<tr>
          ${row === 0 && html`<td class="t" rowspan="2">Mean of materials<br /><span class="hint">unweighted</span></td>`}
          <td>${badge(letter)}</td>
          <td>${score(macroF1)}</td>
          <td class="p">${intervalPlot(letter, macroF1, confidence.macroF1, f1Axis)}</td>
          <td>${score(meanIoU)}</td>
          <td></td>
          <td></td>
          <td>${score(macroBoundaryF1)}</td>
          <td class="p">
            ${intervalPlot(letter, macroBoundaryF1, confidence.macroBoundaryF1, boundaryAxis)}
          </td>
          <td colspan="3">weighted F1 ${score(weightedF1)} · accuracy ${score(accuracy)}</td>
        </tr>`
      })}
    </tbody>
  </table>`
}

/** Names of the unseen materials that count as this one. */
function mappedFrom({ materialMap }: ComparedDataSet, id: number): Html | null {
  const names = (materialMap?.entries ?? []).filter(
    (entry) => entry.target?.value === id && entry.target.name !== entry.name && isNamed(entry),
  )
  return names.length === 0
    ? null
    : html` <span class="hint">← ${names.map(({ name }) => name).join(', ')}</span>`
}

function differenceList({ difference, models }: ComparisonTable): Html {
  const rows = models.A.perMaterial
    .map(({ name, colour }, k) => ({ name, colour, ...difference.perMaterial[k] }))
    .sort((a, b) => Math.abs(b.f1 ?? 0) - Math.abs(a.f1 ?? 0))
  return html`<h3>Difference A − B</h3>
    <table style="margin-top:4px">
      <thead>
        <tr>
          <th class="t" style="padding-left:0">Material</th>
          <th>F1</th>
          <th>95 % interval</th>
          <th>Boundary F1</th>
          <th>95 % interval</th>
        </tr>
      </thead>
      <tbody>
        ${rows.map(
          ({ name, colour, f1, boundaryF1, confidence }) =>
            html`<tr>
              <td class="t" style="padding-left:0">${swatch(colour)}${name}</td>
              <td>${signed(f1)}</td>
              <td class="ci">${signedRange(confidence.f1)}</td>
              <td>${signed(boundaryF1)}</td>
              <td class="ci">${signedRange(confidence.boundaryF1)}</td>
            </tr>`,
        )}
        <tr class="mean">
          <td class="t" style="padding-left:0">Mean of materials</td>
          <td>${signed(difference.macroF1)}</td>
          <td class="ci">${signedRange(difference.confidence.macroF1)}</td>
          <td>${signed(difference.macroBoundaryF1)}</td>
          <td class="ci">${signedRange(difference.confidence.macroBoundaryF1)}</td>
        </tr>
      </tbody>
    </table>`
}

function signedRange(values: readonly [number, number] | null): string {
  return values === null ? undefinedMark : `${signed(values[0])} to ${signed(values[1])}`
}

function differenceTests({ difference: { tests }, tolerance }: ComparisonTable): Html {
  const rows = [
    ['macro-F1', tests.macroF1] as const,
    [`macro boundary F1 @ ${tolerance}`, tests.macroBoundaryF1] as const,
  ]
  return html`<h3>Paired tests over slices</h3>
    <table style="margin-top:4px">
      <thead>
        <tr>
          <th class="t" style="padding-left:0">Score of each slice</th>
          <th>Mean A − B</th>
          <th>Sign flips, p</th>
          <th>Wilcoxon, p</th>
          <th>Slices</th>
        </tr>
      </thead>
      <tbody>
        ${rows.map(
          ([name, { signFlip, wilcoxon }]) =>
            html`<tr>
              <td class="t" style="padding-left:0">${name}</td>
              <td>${signed(signFlip.mean)}</td>
              <td>${probability(signFlip.pValue)} <span class="ci">${signFlip.method}</span></td>
              <td>${probability(wilcoxon.pValue)}</td>
              <td>${signFlip.pairs}</td>
            </tr>`,
        )}
      </tbody>
    </table>
    <p class="hint" style="margin-top:6px">
      p: how often slices would differ at least this much if both models were equally good. Two-sided. It
      speaks of these slices, not of other samples or of models trained with another seed.
    </p>`
}

/** Truth × predicted, in percent of the truth. Shading grows with the square root, so that small mistakes show. */
function confusionTable(comparison: Comparison, table: ComparisonTable, letter: ModelLetter): Html {
  const { confusion, confusionRows, confusionColumns, perMaterial } = table.models[letter]
  const nameOf = (value: number | 'outside') => perMaterial.find(({ id }) => id === value)
  const head = (value: number | 'outside') => {
    const material = nameOf(value)
    return material === undefined ? html`outside` : html`${swatch(material.colour)}${material.name}`
  }
  return html`<div class="cmw">
    <div class="cmt">${badge(letter)} ${comparison.models[letter].title}</div>
    <table class="cm">
      <thead>
        <tr>
          <td></td>
          ${confusionColumns.map((value) => html`<th scope="col">${head(value)}</th>`)}
        </tr>
      </thead>
      <tbody>
        ${confusionRows.map((value, row) => {
          const total = confusion[row].reduce((sum, voxels) => sum + voxels, 0)
          return html`<tr>
            <th scope="row">${head(value)}</th>
            ${confusion[row].map((voxels, column) => {
              const share = total === 0 ? null : voxels / total
              const text = share === null ? undefinedMark : (100 * share).toFixed(1)
              return confusionColumns[column] === value
                ? html`<td class="dg" title="${grouped(voxels)} voxels">${text}</td>`
                : html`<td
                    style="--k:${Math.round(48 * Math.sqrt(share ?? 0))}%"
                    title="${grouped(voxels)} voxels"
                  >
                    ${text}
                  </td>`
            })}
          </tr>`
        })}
      </tbody>
    </table>
  </div>`
}

/** How much each model loses from seen to unseen: as a whole, and for the materials that both sets have. */
export function seenUnseenSection(comparison: Comparison): Html | null {
  const [seen, unseen] = [primaryTable(comparison, 'seen'), primaryTable(comparison, 'unseen')]
  if (seen === null || unseen === null) return null
  const materials = seen.models.A.perMaterial.filter(({ id }) =>
    unseen.models.A.perMaterial.some((other) => other.id === id),
  )
  const f1 = (table: ComparisonTable, letter: ModelLetter, id: number) =>
    table.models[letter].perMaterial.find((material) => material.id === id)?.f1 ?? null
  const pairs = (pick: (table: ComparisonTable, letter: ModelLetter) => number | null) => ({
    A: { seen: pick(seen, 'A'), unseen: pick(unseen, 'A') },
    B: { seen: pick(seen, 'B'), unseen: pick(unseen, 'B') },
  })
  return html`<section class="keep">
    <div class="head">
      <h2>Seen → unseen</h2>
      <span class="hint">F1; ${placeOf(seen)} against ${placeOf(unseen)}</span>
    </div>
    <div
      class="pad"
      style="display:grid;grid-template-columns:repeat(auto-fill,minmax(250px,1fr));gap:12px 24px"
    >
      <div>
        <h3>Mean of materials</h3>
        ${slopeChart(
          'Mean of materials',
          pairs((table, letter) => table.models[letter].macroF1),
        )}
      </div>
      ${materials.map(
        ({ id, name, colour }) =>
          html`<div>
            <h3>${swatch(colour)}${name}</h3>
            ${slopeChart(
              name,
              pairs((table, letter) => f1(table, letter, id)),
            )}
          </div>`,
      )}
    </div>
  </section>`
}
