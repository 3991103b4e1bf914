import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { PlaneData } from '../../../src/shared/contract/volumes.ts'
import { colourMapTable } from '../../../src/renderer/viewer/colour-maps.ts'
import { textureValues } from '../../../src/renderer/viewer/grey-format.ts'
import { paletteTable } from '../../../src/renderer/viewer/palette.ts'
import { lengthLabel, scaleBar } from '../../../src/renderer/viewer/scale-bar.ts'
import { tileAddress } from '../../../src/renderer/viewer/shaders/tile-address.ts'
import { windowUniforms, windowedInteger } from '../../../src/renderer/viewer/shaders/window-level.ts'
import { addRectangle, piecesOf, tileLayout } from '../../../src/renderer/viewer/tiling.ts'
import { WheelSteps, wheelZoom } from '../../../src/renderer/viewer/wheel.ts'
import { dragLimits, planeLimits, roundLimit } from '../../../src/renderer/viewer/window.ts'

const limits = { maxTextureSize: 8192, maxArrayLayers: 256 }
const rectangles = fc
  .tuple(fc.nat(200), fc.nat(200), fc.nat(60), fc.nat(60))
  .map(([top, left, height, width]) => ({ top, left, bottom: top + height, right: left + width }))

describe('tiles', () => {
  it('divides planes evenly into textures that every driver takes', () => {
    expect(tileLayout(2048, 2048, limits)).toMatchObject({
      down: 1,
      across: 1,
      tileRows: 2048,
      tileColumns: 2048,
    })
    expect(tileLayout(5000, 3000, limits)).toMatchObject({
      down: 3,
      across: 2,
      tileRows: 1667,
      tileColumns: 1500,
    })
    expect(tileLayout(1, 1, limits)).toMatchObject({ down: 1, across: 1 })
  })

  it('takes larger tiles when there would be too many, and says when the driver cannot hold the plane', () => {
    expect(tileLayout(40_000, 40_000, limits)).toMatchObject({ down: 10, across: 10 })
    expect(tileLayout(40_000, 40_000, { maxTextureSize: 2048, maxArrayLayers: 256 })).toBeNull()
  })

  it('cuts rectangles so that each voxel comes to its place exactly once', () => {
    const layout = tileLayout(250, 230, { maxTextureSize: 64, maxArrayLayers: 256 })!
    fc.assert(
      fc.property(rectangles, (rectangle) => {
        const seen = new Set<string>()
        for (const piece of piecesOf(layout, rectangle))
          for (let row = piece.source.top; row < piece.source.bottom; row++)
            for (let column = piece.source.left; column < piece.source.right; column++) {
              const place = [
                piece.column + column - piece.source.left,
                piece.row + row - piece.source.top,
                piece.layer,
              ]
              expect(place).toEqual(tileAddress(column, row, layout))
              seen.add(`${row},${column}`)
            }
        const height = Math.max(0, Math.min(rectangle.bottom, 250) - rectangle.top)
        const width = Math.max(0, Math.min(rectangle.right, 230) - rectangle.left)
        expect(seen.size).toBe(height * width)
      }),
      { numRuns: 50 },
    )
  })
})

describe('rectangles waiting for upload', () => {
  const area = (r: { top: number; left: number; bottom: number; right: number }): number =>
    (r.bottom - r.top) * (r.right - r.left)

  it('never cost more than the pieces, and cover them', () => {
    fc.assert(
      fc.property(fc.array(rectangles, { maxLength: 12 }), (added) => {
        let waiting: ReturnType<typeof addRectangle> = []
        for (const rectangle of added) waiting = addRectangle(waiting, rectangle)
        const sum = (list: typeof waiting): number => list.reduce((total, r) => total + area(r), 0)
        expect(sum(waiting)).toBeLessThanOrEqual(sum(added))
        for (const rectangle of added.filter((r) => area(r) > 0))
          expect(
            waiting.some(
              (r) =>
                r.top <= rectangle.top &&
                r.left <= rectangle.left &&
                r.bottom >= rectangle.bottom &&
                r.right >= rectangle.right,
            ),
          ).toBe(true)
      }),
    )
  })
})

describe('scale bar', () => {
  it.each([
    // 100 px at 1 px per µm: 100 µm fits exactly.
    [1, 100, 100, 'µm', 100],
    [1, 99, 50, 'µm', 50],
    [16, 100, 5, 'µm', 80],
    // 160 px at 4000 px per µm = 40 nm: 20 nm.
    [4000, 160, 20, 'nm', 80],
    [0.01, 150, 10, 'mm', 100],
  ])('%d px per µm in %d px is %d %s', (pixelsPerUm, room, value, unit, width) => {
    const bar = scaleBar(pixelsPerUm, room)!
    expect(bar.label).toBe(`${value}\u00a0${unit}`)
    expect(bar.width).toBeCloseTo(width)
  })

  it('is always a 1-2-5 length and as long as it can be', () => {
    fc.assert(
      fc.property(fc.double({ min: 1e-4, max: 1e4, noNaN: true }), (pixelsPerUm) => {
        const bar = scaleBar(pixelsPerUm, 150)!
        expect(bar.width).toBeLessThanOrEqual(150 * (1 + 1e-9))
        expect(bar.width).toBeGreaterThan(150 / 2.5 - 1e-6)
        expect(['1', '2', '5']).toContain(bar.lengthUm.toExponential(6)[0])
      }),
    )
  })

  it('is missing without a scale; uses thin spaces in thousands', () => {
    expect(scaleBar(0, 100)).toBeNull()
    expect(scaleBar(Number.NaN, 100)).toBeNull()
    expect(lengthLabel(5_000_000)).toBe('5\u202f000\u00a0mm')
  })
})

describe('window and level', () => {
  it('keeps every bit of 32-bit integers', () => {
    const uniforms = windowUniforms({ low: 4_294_967_000, high: 4_294_967_255 }, 'unsigned', 0)
    for (let at = 0; at < 256; at++)
      expect(Math.round(255 * windowedInteger(4_294_967_000 + at, uniforms, false))).toBe(at)
  })

  it('keeps the contrast of float64 far from zero', () => {
    const { elements, offset } = textureValues(Float64Array.of(1e9, 1e9 + 0.001, 1e9 + 1), 'float64')
    expect(elements[1] - elements[0]).toBeCloseTo(0.001, 6)
    expect(elements[2] + offset).toBe(1e9 + 1)
  })

  it('does not copy what goes to the texture as it is', () => {
    const data = Uint16Array.of(1, 2)
    expect(textureValues(data, 'uint16').elements).toBe(data)
  })

  it('survives limits without width', () => {
    const uniforms = windowUniforms({ low: 100, high: 100 }, 'unsigned', 0)
    expect(windowedInteger(99, uniforms, false)).toBeLessThan(0)
    expect(windowedInteger(101, uniforms, false)).toBeGreaterThan(1)
  })

  it('takes provisional limits from a plane, without outliers and what is no number', () => {
    const data = Float32Array.from({ length: 10_000 }, (_, at) => at)
    data[0] = Number.NaN
    data[1] = 1e30
    const plane: PlaneData = {
      axis: 'z',
      index: 0,
      level: 0,
      shape: [100, 100],
      dtype: 'float32',
      data,
      coverage: 1,
    }
    const found = planeLimits(plane)!
    expect(found.low).toBeCloseTo(11, -1)
    expect(found.high).toBeCloseTo(9990, -1)
    expect(planeLimits({ ...plane, data: new Float32Array(10_000) })).toBeNull()
  })

  it('widens by dragging down and brightens by dragging right', () => {
    expect(dragLimits({ low: 0, high: 100 }, 0, 200)).toEqual({ low: -50, high: 150 })
    expect(dragLimits({ low: 0, high: 100 }, 0, -200)).toEqual({ low: 25, high: 75 })
    expect(dragLimits({ low: 0, high: 100 }, 100, 0)).toEqual({ low: -50, high: 50 })
    expect(roundLimit(12.6, 'uint16')).toBe(13)
    expect(roundLimit(0.123456789, 'float32')).toBe(0.12346)
  })
})

describe('colours', () => {
  const ends = (name: Parameters<typeof colourMapTable>[0]): number[][] => {
    const table = colourMapTable(name)
    return [[...table.subarray(0, 3)], [...table.subarray(4 * 255, 4 * 255 + 3)]]
  }

  it('runs grey and inverted over all 256 levels', () => {
    const grey = colourMapTable('grey')
    const inverted = colourMapTable('inverted')
    for (let at = 0; at < 256; at++) {
      expect(grey[4 * at]).toBe(at)
      expect(inverted[4 * at]).toBe(255 - at)
    }
  })

  it('comes close to the published ends of viridis and inferno', () => {
    // Matplotlib's tables: viridis #440154…#fde725, inferno #000004…#fcffa4.
    const near = (found: number[][], expected: number[][]): void =>
      found
        .flat()
        .forEach((value, at) => expect(Math.abs(value - expected.flat()[at])).toBeLessThanOrEqual(5))
    near(ends('viridis'), [
      [0x44, 0x01, 0x54],
      [0xfd, 0xe7, 0x25],
    ])
    near(ends('inferno'), [
      [0x00, 0x00, 0x04],
      [0xfc, 0xff, 0xa4],
    ])
  })

  it('gets lighter with every grey value in ice', () => {
    const table = colourMapTable('ice')
    let last = -1
    for (let at = 0; at < 256; at++) {
      const linear = [0, 1, 2].map((channel) => {
        const value = table[4 * at + channel] / 255
        return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4
      })
      const luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
      expect(luminance).toBeGreaterThanOrEqual(last - 1e-3)
      last = luminance
    }
    expect(ends('ice')).toEqual([
      [0, 0, 0],
      [255, 255, 255],
    ])
  })

  it('puts colour, opacity, visibility and hatch of materials into the palette', () => {
    const table = paletteTable(
      [
        { index: 1, colour: '#0102ff', visible: true },
        { index: 9, colour: '#ffffff', visible: false, opacity: 1 },
      ],
      { visible: true, opacity: 0.6, style: 'fill' },
    )
    expect([...table.subarray(4, 8)]).toEqual([1, 2, 255, 153])
    expect([...table.subarray(4 * 257, 4 * 257 + 2)]).toEqual([255, 0])
    expect(table[4 * 9 + 3]).toBe(255)
    expect([...table.subarray(4 * 265, 4 * 265 + 2)]).toEqual([0, 255])
    // Materials nobody listed are not drawn.
    expect(table[4 * 258]).toBe(0)
  })
})

describe('wheel', () => {
  it('counts one step per notch and adds up what touchpads send', () => {
    const steps = new WheelSteps()
    expect(steps.add(120)).toBe(1)
    expect(steps.add(-53)).toBe(-1)
    expect([10, 10, 10, 10, 10].map((pixels) => steps.add(pixels))).toEqual([0, 0, 0, 1, 0])
    // Turning back starts anew.
    expect([-30, -10].map((pixels) => steps.add(pixels))).toEqual([0, -1])
  })

  it('zooms by a quarter per notch and smoothly for a pinch', () => {
    expect(wheelZoom(-120)).toBe(1.25)
    expect(wheelZoom(120)).toBeCloseTo(0.8)
    expect(wheelZoom(-5)).toBeCloseTo(1.0513, 3)
  })
})
