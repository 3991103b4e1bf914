import { describe, expect, it } from 'vitest'
import { html, safeColour } from '../../../src/main/engine/report/html.ts'
import { renderReport } from '../../../src/main/engine/report/report.ts'
import type { LayeredPicture, ReportPictures } from '../../../src/main/engine/report/pictures.ts'
import { sampleComparison } from './sample-comparison.ts'

const picture: LayeredPicture = {
  ...{ width: 2, height: 1, grey: 'data:image/png;base64,AAAA', truth: 'data:image/png;base64,AAAB' },
  ...{ A: 'data:image/png;base64,AAAC', B: 'data:image/png;base64,AAAD' },
  difference: 'data:image/png;base64,AAAE',
  wrong: { onlyA: 0.1, onlyB: 0.2, both: 0.05 },
}

function picturesOf(comparison: ReturnType<typeof sampleComparison>): ReportPictures {
  return {
    slices: comparison.tables
      .filter(({ primary }) => primary)
      .map((table) => ({ ...picture, kind: 'worst', dataSet: table.dataSet, slice: table.slices[0] })),
    regions: comparison.worstRegions.map((region) => ({ ...picture, region })),
  }
}

const render = async (comparison: ReturnType<typeof sampleComparison>) =>
  await renderReport(comparison, picturesOf(comparison))

/** What a stranger may call a file or a material. */
const hostile = `"><script>alert(1)</script><img src=x onerror=alert(2)>'\`&\u202e`

describe('html', () => {
  it('escapes text and attributes, and joins lists', () => {
    expect(html`<p title="${hostile}">${['a<', html`<b>${'b&'}</b>`, null, false, 1]}</p>`.markup).toBe(
      '<p title="&quot;&gt;&lt;script&gt;alert(1)&lt;/script&gt;&lt;img src=x onerror=alert(2)&gt;&#39;&#96;&amp;\ufffd">a&lt;<b>b&amp;</b>1</p>',
    )
  })
  it('lets nothing but colours into styles', () => {
    expect(safeColour('#56B4E9')).toBe('#56B4E9')
    for (const bad of ['red;background:url(//x)', '#56b4e', 'url(x)', '#56b4e9;'])
      expect(safeColour(bad)).toBe('#8a8a8a')
  })
})

describe('report', () => {
  it('is one page that loads and runs nothing', async () => {
    const page = await render(sampleComparison())
    expect(page).toMatch(/^<!doctype html>/)
    expect(page).toContain(
      `http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; font-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"`,
    )
    expect(page).not.toMatch(/<script|<iframe|<link|<object|<form|https?:|\son\w+=|@import/i)
    for (const [, source] of page.matchAll(/\ssrc="([^"]*)"/g))
      expect(source).toMatch(/^data:image\/png;base64,/)
    for (const [, source] of page.matchAll(/url\(([^)]*)\)/g)) expect(source).toMatch(/^(data:|#bc)/)
  })

  it('escapes every name', async () => {
    const page = await render(sampleComparison({ name: hostile }))
    expect(page).not.toMatch(/<script|<img src=x|\u202e/i)
    // Without quoted values, which hold no quote of their own, no tag has a handler left.
    expect(page.replace(/"[^"]*"/g, '""')).not.toMatch(/<[^>]*\sonerror/i)
    expect(page.match(/&lt;script&gt;alert\(1\)/g)!.length).toBeGreaterThan(10)
  })

  it('shows the numbers of the reference study, the worst material first', async () => {
    const comparison = sampleComparison()
    const page = await render(comparison)
    const text = page
      .replace(/<style>[\s\S]*?<\/style>/g, '')
      .replace(/<[^>]*>/g, ' ')
      .replace(/\s+/g, ' ')
    for (const shown of ['80.00 %', '60.00 %', '1.94 M', '65.9 k', '1 h 52 min', '3 min 40 s', 'Mvoxel/s'])
      expect(text).toContain(shown)
    expect(text).toContain('seen data set, held-out slices')
    const table = page.slice(page.indexOf('Material, worst first'))
    expect(table.indexOf('binder')).toBeLessThan(table.indexOf('pore'))
  })

  it('says that data is synthetic, and repeats warnings', async () => {
    const comparison = sampleComparison()
    expect(await render(comparison)).not.toContain('synthetic')
    comparison.dataSets[0].synthetic = true
    comparison.warnings.push({ kind: 'other', message: 'the lamp was off' })
    const page = await render(comparison)
    expect(page).toMatch(/<b>Synthetic data\.<\/b>\s+The\s+seen\s+data set was\s+generated/)
    expect(page).toContain('the lamp was off')
  })

  it('calls no model better when the interval holds zero', async () => {
    const comparison = sampleComparison()
    comparison.tables[0].difference.confidence.macroF1 = [-0.1, 0.3]
    expect(await render(comparison)).toMatch(
      /<b>No certain difference<\/b> in\s+macro-F1\s+on the seen data set/,
    )
  })

  it('plots score against labels only when there is something to plot', async () => {
    const comparison = sampleComparison()
    expect(await render(comparison)).not.toContain('How many labels were needed')
    for (const labelledVoxels of [1000, 100_000])
      for (const model of ['A', 'B'] as const)
        comparison.labelCurve.push({
          ...{
            model,
            labelledVoxels,
            dataSet: 'seen',
            split: 'held-out',
            seed: 1,
            macroF1: 0.8,
            interval: null,
          },
        })
    const page = await render(comparison)
    expect(page).toContain('How many labels were needed')
    expect(page).toContain('macro-F1 against labelled voxels, seen data set')
  })
})
