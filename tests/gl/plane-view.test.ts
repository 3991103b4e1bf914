import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { colourMapTable } from '../../src/renderer/viewer/colour-maps.ts'
import type { ColourMapName } from '../../src/renderer/viewer/interfaces.ts'
import type { Dtype } from '../../src/shared/volume.ts'
import { findChromium, openViewerPage, type ViewerBrowser } from './browser.ts'
import type {} from './page/main.ts'
import type { ViewRequest } from './page/view-handle.ts'

const chromium = findChromium()
const voidColour = [12, 12, 12]
const orange = '#e69f00'
const orangeColour = [230, 159, 0]

describe.skipIf(chromium === null)('plane view on WebGL 2 (needs Chromium)', () => {
  let browser: ViewerBrowser

  beforeAll(async () => {
    browser = await openViewerPage(chromium!)
  }, 120_000)
  afterAll(async () => {
    await browser.close()
  }, 60_000)
  afterEach(async () => {
    await browser.page.evaluate(() => {
      window.viewerPage.view?.close()
      window.viewerPage.view = null
    })
  })

  async function open(request: ViewRequest): Promise<void> {
    await browser.page.evaluate((asked) => {
      window.viewerPage.view = window.viewerPage.openView(asked)
    }, request)
  }

  /** All pixels as [r, g, b] by row, drawn anew. */
  async function pixels(): Promise<number[][][]> {
    const { bytes, width } = await browser.page.evaluate(() => {
      const view = window.viewerPage.view!
      return { bytes: view.pixels(), width: view.canvas.width }
    })
    const rows: number[][][] = []
    for (let at = 0; at < bytes.length; at += 4) {
      const row = Math.floor(at / 4 / width)
      rows[row] ??= []
      rows[row].push(bytes.slice(at, at + 3))
    }
    return rows
  }

  async function draw(request: ViewRequest): Promise<number[][][]> {
    await open(request)
    return await pixels()
  }

  const grey = (value: number): number[] => [value, value, value]

  /** A plane drawn 1:1 into a canvas of its size. */
  function atOneToOne(rows: number, columns: number, dtype: Dtype, values: number[]): ViewRequest {
    return {
      rows,
      columns,
      dtype,
      values,
      canvas: { width: columns, height: rows },
      camera: { zoom: 1, row: (rows - 1) / 2, column: (columns - 1) / 2 },
    }
  }

  describe('window and level', () => {
    // Each case walks through 256 neighbouring values (or 256 steps) inside a window of exactly that width: entry k of the colour map
    // belongs to value k, so anything lost before the shader makes neighbours equal.
    const cases: [Dtype, number, number][] = [
      ['uint8', 0, 1],
      ['int8', -128, 1],
      ['uint16', 30_000, 1],
      ['int16', -20_000, 1],
      ['uint32', 4_000_000_000, 1],
      ['int32', -2_147_483_648, 1],
      ['float32', 1000, 0.25],
      ['float64', 1e9, 1 / 1024],
    ]
    it.each(cases)('tells neighbouring values of %s from %d on apart', async (dtype, from, step) => {
      const values = Array.from({ length: 256 }, (_, at) => from + at * step)
      const rows = await draw({
        ...atOneToOne(16, 16, dtype, values),
        display: { window: { low: from, high: from + 255 * step } },
      })
      expect(rows.flat()).toEqual(values.map((_, at) => grey(at)))
    })

    it('clamps outside the limits, also where the limits lie outside the type', async () => {
      const request = atOneToOne(1, 4, 'uint8', [0, 100, 200, 255])
      // (v + 100) / 400: 0.25, 0.5, 0.75, 0.8875 of 255, rounded: worked by hand.
      const wide = await draw({ ...request, display: { window: { low: -100, high: 300 } } })
      expect(wide[0]).toEqual([64, 128, 191, 226].map(grey))
      const narrow = await browser.page.evaluate(() => {
        window.viewerPage.view!.setDisplay({ window: { low: 100, high: 200 } })
        return window.viewerPage.view!.pixels()
      })
      expect(narrow.filter((_, at) => at % 4 === 0)).toEqual([0, 0, 255, 255])
    })

    it('shows values that are no numbers as void', async () => {
      const [row] = await draw({
        ...atOneToOne(1, 4, 'float32', [0, 255, 0, 0]),
        notFinite: [2, 3],
      })
      expect(row).toEqual([grey(0), grey(255), voidColour, voidColour])
    })
  })

  it.each<ColourMapName>(['grey', 'inverted', 'viridis', 'inferno', 'ice'])(
    'draws the colour map %s from end to end',
    async (colourMap) => {
      const values = Array.from({ length: 256 }, (_, at) => at)
      const [row] = await draw({ ...atOneToOne(1, 256, 'uint8', values), display: { colourMap } })
      const table = colourMapTable(colourMap)
      expect(row).toEqual(values.map((at) => [...table.subarray(4 * at, 4 * at + 3)]))
    },
  )

  describe('labels', () => {
    const plain: ViewRequest = {
      ...atOneToOne(16, 16, 'uint8', new Array<number>(256).fill(100)),
      materials: [{ index: 2, colour: orange, visible: true }],
      labels: [{ rectangle: { top: 4, left: 4, bottom: 12, right: 12 }, material: 2 }],
    }

    it('blends the fill with its opacity', async () => {
      const rows = await draw({
        ...plain,
        display: { overlay: { visible: true, opacity: 0.6, style: 'fill' } },
      })
      // 100 × 0.4 + colour × 0.6: opacity 0.6 is 153 of 255 exactly.
      expect(rows[8][8]).toEqual([178, 135, 40])
      expect(rows[1][1]).toEqual(grey(100))
      // The dark edge outside: 100 × 0.45.
      expect(rows[8][12]).toEqual(grey(45))
    })

    it('draws the outline one pixel wide inside the edge, at any zoom', async () => {
      const rows = await draw({
        ...plain,
        canvas: { width: 64, height: 64 },
        camera: { zoom: 4, row: 7.5, column: 7.5 },
        display: { overlay: { visible: true, opacity: 1, style: 'outline' } },
      })
      // Voxels 4…11 cover screen pixels 16…47.
      const line = rows[32]
      expect(line[14]).toEqual(grey(100))
      expect(line[15]).toEqual(grey(45))
      expect(line[16]).toEqual(orangeColour)
      expect(line[17]).toEqual(grey(100))
      expect(line[46]).toEqual(grey(100))
      expect(line[47]).toEqual(orangeColour)
      expect(line[48]).toEqual(grey(45))
    })

    it('outlines where two materials meet', async () => {
      const rows = await draw({
        ...plain,
        materials: [
          { index: 1, colour: '#0000ff', visible: true },
          { index: 2, colour: orange, visible: true },
        ],
        labels: [
          { rectangle: { top: 0, left: 0, bottom: 16, right: 8 }, material: 1 },
          { rectangle: { top: 0, left: 8, bottom: 16, right: 16 }, material: 2 },
        ],
        display: { overlay: { visible: true, opacity: 0, style: 'outline' } },
      })
      expect(rows[8].slice(5, 11)).toEqual([
        grey(100),
        grey(100),
        [0, 0, 255],
        orangeColour,
        grey(100),
        grey(100),
      ])
    })

    it('does not draw hidden materials, nor any while the overlay is off', async () => {
      const hidden = await draw({ ...plain, materials: [{ index: 2, colour: orange, visible: false }] })
      expect(hidden[8][8]).toEqual(grey(100))
      expect(hidden[8][12]).toEqual(grey(100))
      await browser.page.evaluate(() => window.viewerPage.view!.close())
      const off = await draw({
        ...plain,
        display: { overlay: { visible: false, opacity: 1, style: 'fill' } },
      })
      expect(off[8][8]).toEqual(grey(100))
    })

    it('lets one material have its own opacity', async () => {
      const rows = await draw({
        ...plain,
        materials: [{ index: 2, colour: orange, visible: true, opacity: 1 }],
        display: { overlay: { visible: true, opacity: 0.2, style: 'fill' } },
      })
      expect(rows[8][8]).toEqual(orangeColour)
    })

    it('hatches materials from the ninth on', async () => {
      const rows = await draw({
        ...atOneToOne(16, 16, 'uint8', new Array<number>(256).fill(100)),
        materials: [
          { index: 8, colour: orange, visible: true },
          { index: 9, colour: orange, visible: true },
        ],
        labels: [
          { rectangle: { top: 0, left: 0, bottom: 8, right: 16 }, material: 8 },
          { rectangle: { top: 8, left: 0, bottom: 16, right: 16 }, material: 9 },
        ],
      })
      const colours = (row: number): Set<string> => new Set(rows[row].map(String))
      expect(colours(3)).toEqual(new Set([String(orangeColour)]))
      expect(colours(12)).toEqual(new Set([String(orangeColour), '232,232,232']))
    })

    it('uploads exactly the rectangle that changed', async () => {
      await open({ ...plain, labels: [] })
      const before = await browser.page.evaluate(() => {
        const view = window.viewerPage.view!
        view.pixels()
        // More is painted than announced: only what was announced may reach the screen.
        view.paint({ top: 0, left: 0, bottom: 16, right: 16 }, 2, { top: 3, left: 5, bottom: 6, right: 12 })
        return view.counters().planeBytes
      })
      const rows = await pixels()
      const painted = rows.flatMap((line, y) =>
        line.flatMap((colour, x) => (colour[2] === 0 ? [`${y},${x}`] : [])),
      )
      const expected: string[] = []
      for (let y = 3; y < 6; y++) for (let x = 5; x < 12; x++) expected.push(`${y},${x}`)
      expect(painted).toEqual(expected)
      const counters = await browser.page.evaluate(() => window.viewerPage.view!.counters())
      expect(counters).toMatchObject({
        uploadedBytes: 21,
        lastUploadRectangle: { top: 3, left: 5, bottom: 6, right: 12 },
        planeBytes: before,
      })
    })

    it.each([
      ['enlarged', 3.3, 1, 'fill-and-outline'],
      ['reduced', 0.37, 1, 'fill-and-outline'],
      ['with two screen pixels per CSS pixel', 1.4, 2, 'outline'],
    ] as const)(
      'draws anew no more than what changed, and nothing less: %s',
      async (_, zoom, devicePixelRatio, style) => {
        const found = await browser.page.evaluate(
          (request) => {
            const view = window.viewerPage.openView(request)
            window.viewerPage.view = view
            view.pixels()
            const draws: { differing: number; drawn: number; all: number }[] = []
            let seed = 1
            const random = (below: number): number => (seed = (seed * 48_271) % 2_147_483_647) % below
            for (let turn = 0; turn < 40; turn++) {
              const [top, left] = [random(55), random(55)]
              const before = view.counters().drawnPixels
              for (let part = 0; part <= turn % 3; part++)
                view.paint(
                  { top: top + part, left, bottom: top + part + 1 + random(5), right: left + 1 + random(5) },
                  random(4),
                )
              const shown = view.pixelsAsTheyAre()
              const drawn = view.counters().drawnPixels - before
              const whole = view.pixels()
              const differing = whole.filter((value, at) => value !== shown[at]).length
              draws.push({ differing, drawn, all: whole.length / 4 })
            }
            return draws
          },
          {
            rows: 60,
            columns: 60,
            dtype: 'uint8' as const,
            values: { rowStep: 7, columnStep: 13, modulo: 251 },
            canvas: { width: 120, height: 90, devicePixelRatio },
            camera: { zoom, row: 30, column: 30 },
            display: { overlay: { visible: true, opacity: 0.6, style } },
            materials: [
              { index: 1, colour: orange, visible: true },
              { index: 2, colour: '#56b4e9', visible: true },
              { index: 3, colour: '#009e73', visible: false },
            ],
          },
        )
        expect(found.filter(({ differing }) => differing > 0)).toEqual([])
        for (const { drawn, all } of found) expect(drawn).toBeLessThan(all / 2)
        expect(found.some(({ drawn }) => drawn > 0)).toBe(true)
      },
    )

    it('uploads no more for a diagonal stroke than its pieces', async () => {
      const uploaded = await browser.page.evaluate(
        (request) => {
          const view = window.viewerPage.openView(request)
          window.viewerPage.view = view
          view.pixels()
          for (let at = 0; at < 10; at++)
            view.paint({ top: 100 * at, left: 100 * at, bottom: 100 * at + 20, right: 100 * at + 20 }, 2)
          view.view.draw()
          return view.counters().uploadedBytes
        },
        {
          ...atOneToOne(1000, 1000, 'uint8', new Array<number>(1_000_000).fill(100)),
          canvas: { width: 50, height: 50 },
        },
      )
      expect(uploaded).toBe(10 * 20 * 20)
    })
  })

  describe('geometry', () => {
    it('draws a plane larger than a tile without seams', async () => {
      // 5000 × 3000: three tiles of 1667 rows down, two of 1500 columns across; the view stands over the corner of four.
      const rowStep = 7
      const columnStep = 13
      const rows = await draw({
        rows: 5000,
        columns: 3000,
        dtype: 'uint16',
        values: { rowStep, columnStep, modulo: 251 },
        display: { window: { low: 0, high: 255 } },
        canvas: { width: 40, height: 30 },
        camera: { zoom: 1, row: 1666.5, column: 1499.5 },
        labels: [{ rectangle: { top: 1660, left: 1500, bottom: 1667, right: 1510 }, material: 2 }],
        materials: [{ index: 2, colour: orange, visible: true }],
      })
      for (let y = 0; y < 30; y++)
        for (let x = 0; x < 40; x++) {
          const row = 1652 + y
          const column = 1480 + x
          const labelled = row >= 1660 && row < 1667 && column >= 1500 && column < 1510
          const nearLabel = row >= 1659 && row <= 1667 && column >= 1499 && column <= 1510
          if (nearLabel && !labelled) continue
          expect(rows[y][x], `row ${row}, column ${column}`).toEqual(
            labelled ? orangeColour : grey((row * rowStep + column * columnStep) % 251),
          )
        }
      // The rest of the plane is there too, up to its last row and column.
      const corner = await browser.page.evaluate(() => {
        window.viewerPage.view!.setCamera({ zoom: 1, row: 4999.5, column: 2999.5 })
        return [window.viewerPage.view!.pixel(19, 14), window.viewerPage.view!.pixel(20, 14)]
      })
      expect(corner[0].slice(0, 3)).toEqual(grey((4999 * rowStep + 2999 * columnStep) % 251))
      expect(corner[1].slice(0, 3)).toEqual(voidColour)
    })

    it('draws a coarse level in the place and size of the voxels it stands for', async () => {
      // 10 × 10 voxels at level 2: 3 × 3 elements of 4 × 4 voxels, the last row and column of 2.
      const rows = await draw({
        rows: 10,
        columns: 10,
        dtype: 'uint8',
        level: 2,
        values: [10, 20, 30, 40, 50, 60, 70, 80, 90],
        canvas: { width: 44, height: 44 },
        camera: { zoom: 4, row: 4.5, column: 4.5 },
      })
      // 4 px per voxel and 2 px of void around: elements start at 2, 18 and 34 and end at 42.
      expect([1, 2, 17, 18, 33, 34, 41, 42].map((x) => rows[10][x][0])).toEqual([
        12, 10, 10, 20, 20, 30, 30, 12,
      ])
      expect([1, 2, 17, 18, 33, 34, 41, 42].map((y) => rows[y][10][0])).toEqual([
        12, 10, 10, 40, 40, 70, 70, 12,
      ])
    })

    it('draws voxels that are not square in their shape', async () => {
      const rows = await draw({
        rows: 2,
        columns: 4,
        dtype: 'uint8',
        values: [10, 20, 30, 40, 50, 60, 70, 80],
        voxelSize: { z: 1, y: 3, x: 1, unit: 'um' },
        canvas: { width: 8, height: 12 },
        camera: { zoom: 2, row: 0.5, column: 1.5 },
      })
      expect(rows[0].map(([value]) => value)).toEqual([10, 10, 20, 20, 30, 30, 40, 40])
      expect(rows.map((line) => line[0][0])).toEqual([
        ...new Array<number>(6).fill(10),
        ...new Array<number>(6).fill(50),
      ])
    })

    it('keeps hard edges when enlarged, also with two screen pixels per CSS pixel', async () => {
      const rows = await draw({
        rows: 2,
        columns: 2,
        dtype: 'uint8',
        values: [10, 200, 90, 30],
        canvas: { width: 4, height: 4, devicePixelRatio: 2 },
        camera: { zoom: 2, row: 0.5, column: 0.5 },
      })
      const upper = [...new Array<number[]>(4).fill(grey(10)), ...new Array<number[]>(4).fill(grey(200))]
      const lower = [...new Array<number[]>(4).fill(grey(90)), ...new Array<number[]>(4).fill(grey(30))]
      expect(rows).toEqual([upper, upper, upper, upper, lower, lower, lower, lower])
    })

    it('shows the mean of the area when reduced', async () => {
      // 3 × 3 voxels on 2 × 2 screen pixels: each covers 1.5 × 1.5 voxels. Top left: (0·1 + 90·½ + 90·½ + 180·¼) / 2.25 = 60.
      const rows = await draw({
        rows: 3,
        columns: 3,
        dtype: 'uint8',
        values: [0, 90, 0, 90, 180, 90, 0, 90, 0],
        canvas: { width: 2, height: 2 },
        camera: { zoom: 2 / 3, row: 1, column: 1 },
      })
      expect(rows).toEqual([
        [grey(60), grey(60)],
        [grey(60), grey(60)],
      ])
    })
  })

  it('draws the same after the driver lost and restored the context', async () => {
    await open({
      ...atOneToOne(
        16,
        16,
        'uint16',
        Array.from({ length: 256 }, (_, at) => at),
      ),
      materials: [{ index: 2, colour: orange, visible: true }],
      labels: [{ rectangle: { top: 2, left: 2, bottom: 9, right: 9 }, material: 2 }],
    })
    const before = await pixels()
    await browser.page.evaluate(async () => {
      const { canvas } = window.viewerPage.view!
      const extension = canvas.getContext('webgl2')!.getExtension('WEBGL_lose_context')!
      const heard = (name: string): Promise<unknown> =>
        new Promise((resolve) => canvas.addEventListener(name, resolve, { once: true }))
      const lost = heard('webglcontextlost')
      extension.loseContext()
      await lost
      // Painted while there was no context: must not be missing afterwards.
      window.viewerPage.view!.paint({ top: 12, left: 12, bottom: 14, right: 14 }, 2)
      await new Promise((resolve) => setTimeout(resolve, 50))
      const restored = heard('webglcontextrestored')
      extension.restoreContext()
      await restored
    })
    const after = await pixels()
    expect(after[5]).toEqual(before[5])
    expect(after[13][13]).toEqual(orangeColour)
  })

  it('frees everything when it is closed', async () => {
    await open({
      ...atOneToOne(16, 16, 'uint16', new Array<number>(256).fill(1)),
      labels: [{ rectangle: { top: 2, left: 2, bottom: 9, right: 9 }, material: 2 }],
    })
    await pixels()
    const { open: held, closed } = await browser.page.evaluate(() => {
      const view = window.viewerPage.view!
      const held = view.view.gpuObjects
      window.viewerPage.view = null
      return { open: held, closed: view.close() }
    })
    expect(held).toEqual({ textures: 4, geometries: 1, programs: 1 })
    expect(closed).toEqual({ textures: 0, geometries: 0, programs: 0 })
  })

  it('draws only when something changed', async () => {
    await open(atOneToOne(16, 16, 'uint8', new Array<number>(256).fill(1)))
    const draws = await browser.page.evaluate(async () => {
      const view = window.viewerPage.view!
      const frames = (count: number): Promise<void> =>
        new Promise((resolve) => {
          const next = (left: number): unknown =>
            left === 0 ? resolve() : requestAnimationFrame(() => next(left - 1))
          next(count)
        })
      await frames(3)
      const still = view.counters().draws
      await frames(5)
      const later = view.counters().draws
      for (let at = 0; at < 20; at++) view.setCamera({ zoom: 1, row: at, column: 0 })
      await frames(3)
      return [later - still, view.counters().draws - later]
    })
    expect(draws).toEqual([0, 1])
  })
})
