import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { areaTapsGlsl, tap, tapCount } from '../../src/renderer/viewer/shaders/area-taps.ts'
import { hatched, labelOverlayGlsl } from '../../src/renderer/viewer/shaders/label-overlay.ts'
import { tileAddress, tileAddressGlsl } from '../../src/renderer/viewer/shaders/tile-address.ts'
import {
  windowLevelGlsl,
  windowUniforms,
  windowedFloat,
  windowedInteger,
} from '../../src/renderer/viewer/shaders/window-level.ts'
import { tileLayout } from '../../src/renderer/viewer/tiling.ts'
import { findChromium, openViewerPage, type ViewerBrowser } from './browser.ts'
import type {} from './page/main.ts'

const chromium = findChromium()

describe.skipIf(chromium === null)('GLSL functions and their TypeScript twins (needs Chromium)', () => {
  let browser: ViewerBrowser

  beforeAll(async () => {
    browser = await openViewerPage(chromium!)
  }, 120_000)
  afterAll(async () => {
    await browser.close()
  }, 60_000)

  type Request = Parameters<typeof window.viewerPage.evaluateGlsl>[0]
  const evaluate = (request: Request): Promise<number[][]> =>
    browser.page.evaluate((asked) => window.viewerPage.evaluateGlsl(asked), request)

  const windowUniformValues = (
    uniforms: ReturnType<typeof windowUniforms>,
  ): NonNullable<Request['uniforms']> => ({
    uWindowBaseInteger: { type: 'uint', value: uniforms.baseInteger },
    uWindowBaseFloat: { type: 'float', value: uniforms.baseFloat },
    uWindowRest: { type: 'float', value: uniforms.rest },
    uWindowScale: { type: 'float', value: uniforms.scale },
  })

  // Inputs are two 16-bit halves, because a float input holds only 24 bits.
  it.each([
    { low: 4_000_000_000.25, high: 4_000_000_300.25, from: 3_999_999_990, signed: false },
    { low: -2_147_483_600, high: -2_147_483_000, from: -2_147_483_648, signed: true },
    { low: -500, high: 70_000, from: -3, signed: true },
    { low: -500.5, high: 70_000, from: 0, signed: false },
  ])('windowed: integers from $from in $low…$high', async ({ low, high, from, signed }) => {
    const uniforms = windowUniforms({ low, high }, signed ? 'signed' : 'unsigned', 0)
    const values = Array.from({ length: 64 }, (_, at) => from + at * 7)
    const results = await evaluate({
      chunk: windowLevelGlsl,
      expression: `vec4(windowed(${signed ? 'int' : ''}((uint(inputs.x) << 16u) | uint(inputs.y))), 0.0, 0.0, 0.0)`,
      inputs: values.map((value) => [(value >>> 16) & 0xffff, value & 0xffff, 0, 0]),
      uniforms: windowUniformValues(uniforms),
    })
    for (const [at, value] of values.entries()) {
      expect(results[at][0]).toBeCloseTo(windowedInteger(value, uniforms, signed), 6)
      // And both are what plain arithmetic in double precision gives.
      expect(results[at][0]).toBeCloseTo((value - low) / (high - low), 5)
    }
  })

  it('windowed: floats far from zero in a narrow window', async () => {
    const uniforms = windowUniforms({ low: 1000.1, high: 1000.6 }, 'float', 0)
    const values = Array.from({ length: 64 }, (_, at) => Math.fround(1000 + at / 64))
    const results = await evaluate({
      chunk: windowLevelGlsl,
      expression: 'vec4(windowed(inputs.x), 0.0, 0.0, 0.0)',
      inputs: values.map((value) => [value, 0, 0, 0]),
      uniforms: windowUniformValues(uniforms),
    })
    for (const [at, value] of values.entries()) {
      expect(results[at][0]).toBeCloseTo(windowedFloat(value, uniforms), 6)
      expect(results[at][0]).toBeCloseTo((value - 1000.1) / 0.5, 5)
    }
  })

  it('tileAddress', async () => {
    const layout = tileLayout(5000, 3000, { maxTextureSize: 2048, maxArrayLayers: 256 })!
    const places = [
      [0, 0],
      [1499, 1666],
      [1500, 1666],
      [1499, 1667],
      [1500, 1667],
      [2999, 4999],
    ] as const
    const results = await evaluate({
      chunk: tileAddressGlsl,
      expression: `vec4(tileAddress(ivec2(inputs.xy), ivec3(${layout.tileColumns}, ${layout.tileRows}, ${layout.across})), 0.0)`,
      inputs: places.map(([column, row]) => [column, row, 0, 0]),
    })
    expect(results.map((result) => result.slice(0, 3))).toEqual(
      places.map(([column, row]) => tileAddress(column, row, layout)),
    )
  })

  it('tapCount and tap', async () => {
    const inputs: number[][] = []
    for (const extent of [0.25, 1, 1.5, 2, 3.75, 8, 20])
      for (const start of [-0.5, 0, 0.25, 5.5, 100.75])
        for (const index of [0, 1, 5]) inputs.push([start, extent, index, 0])
    const results = await evaluate({
      chunk: areaTapsGlsl,
      expression: 'vec4(float(tapCount(inputs.x, inputs.y)), tap(inputs.x, inputs.y, int(inputs.z)), 0.0)',
      inputs,
    })
    for (const [at, [start = 0, extent = 0, index = 0]] of inputs.entries()) {
      const { element, weight } = tap(start, extent, index)
      expect(results[at].slice(0, 3)).toEqual([tapCount(start, extent), element, Math.fround(weight)])
    }
  })

  it('hatched', async () => {
    const inputs = Array.from({ length: 100 }, (_, at) => [at * 0.7 + 0.5, at * 0.3 + 0.5, 0, 0])
    const results = await evaluate({
      chunk: tileAddressGlsl + labelOverlayGlsl,
      expression: 'vec4(hatched(inputs.xy) ? 1.0 : 0.0)',
      inputs,
      uniforms: { uDevicePixelRatio: { type: 'float', value: 1.5 } },
    })
    expect(results.map(([value]) => value === 1)).toEqual(inputs.map(([x = 0, y = 0]) => hatched(x, y, 1.5)))
  })
})
