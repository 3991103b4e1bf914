import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { findChromium, openViewerPage, type ViewerBrowser } from './browser.ts'
import type { ViewRequest } from './page/view-handle.ts'
import type {} from './page/main.ts'

const chromium = findChromium()

describe.skipIf(chromium === null)('plane view on WebGL 2 (needs Chromium)', () => {
  let browser: ViewerBrowser

  beforeAll(async () => {
    browser = await openViewerPage(chromium!)
  })
  afterAll(async () => {
    await browser.close()
  })
  afterEach(async () => {
    await browser.page.evaluate(() => {
      window.viewerPage.view?.close()
      window.viewerPage.view = null
    })
  })

  /** Opens a view and reads all its pixels as [r, g, b] by row. */
  async function draw(request: ViewRequest): Promise<number[][][]> {
    const bytes = await browser.page.evaluate((asked) => {
      window.viewerPage.view = window.viewerPage.openView(asked)
      return window.viewerPage.view.pixels()
    }, request)
    return grid(bytes, Math.round(request.canvas.width * (request.canvas.devicePixelRatio ?? 1)))
  }

  function grid(bytes: number[], width: number): number[][][] {
    const rows: number[][][] = []
    for (let at = 0; at < bytes.length; at += 4) {
      const row = Math.floor(at / 4 / width)
      ;(rows[row] ??= []).push(bytes.slice(at, at + 3))
    }
    return rows
  }
  const grey = (value: number): number[] => [value, value, value]

  it('draws 8-bit values as they are at 1:1', async () => {
    const values = Array.from({ length: 256 }, (_, at) => at)
    const rows = await draw({
      rows: 16,
      columns: 16,
      dtype: 'uint8',
      values,
      canvas: { width: 16, height: 16 },
      camera: { zoom: 1, row: 7.5, column: 7.5 },
    })
    expect(rows.flat()).toEqual(values.map(grey))
  })
})
