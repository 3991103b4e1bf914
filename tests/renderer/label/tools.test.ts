import { beforeEach, describe, expect, test } from 'vitest'
import { maxStrokePoints, type LabelEdit, type Plane } from '../../../src/shared/annotation/edit.ts'
import type { DrawableEdit } from '../../../src/renderer/annotate/plane-geometry.ts'
import { BrushTool, type BrushSettings } from '../../../src/renderer/annotate/tools/brush-tool.ts'
import type { EditSink } from '../../../src/renderer/annotate/tools/edit-sink.ts'
import { FillTool } from '../../../src/renderer/annotate/tools/fill-tool.ts'
import { PolygonTool } from '../../../src/renderer/annotate/tools/polygon-tool.ts'
import type { PlanePointerEvent, PointerTool } from '../../../src/renderer/viewer/interfaces.ts'
import { settle } from './support/simulation.ts'

const xy: Plane = { axis: 'z', index: 4 }

class Recorder implements EditSink {
  reason: string | null = null
  reasons: string[] = []
  parts: { id: string; part: DrawableEdit }[] = []
  edits: { id: string | null; edit: LabelEdit }[] = []
  #ids = 0

  refusal(): string | null {
    return this.reason
  }
  refused(reason: string): void {
    this.reasons.push(reason)
  }
  newStroke(): string {
    return `stroke-${++this.#ids}`
  }
  drawAhead(id: string, part: DrawableEdit): void {
    this.parts.push({ id, part })
  }
  finish(id: string, edit: LabelEdit): void {
    this.edits.push({ id, edit })
  }
  submit(edit: LabelEdit): void {
    this.edits.push({ id: null, edit })
  }
}

function pointer(
  tool: PointerTool,
  type: PlanePointerEvent['type'],
  points: number[],
  options: Partial<PlanePointerEvent> = {},
): void {
  tool.handle({
    type,
    plane: xy,
    points: Float32Array.from(points),
    inside: true,
    pixelsPerVoxel: { row: 1, column: 1 },
    shift: false,
    control: false,
    alt: false,
    timeStamp: 0,
    ...options,
  })
}

let sink: Recorder
beforeEach(() => {
  sink = new Recorder()
})

describe('brush', () => {
  let settings: BrushSettings
  let brush: BrushTool
  beforeEach(() => {
    settings = { size: 7, shape: 'round', volumetric: false, material: 2, greyRange: null }
    brush = new BrushTool({ settings: () => settings, sink })
  })

  test('a stroke is one edit with all coalesced points, equal neighbours left out', () => {
    pointer(brush, 'down', [10, 10])
    pointer(brush, 'move', [11, 10, 12, 11, 12, 11])
    pointer(brush, 'move', [13, 12])
    pointer(brush, 'up', [13, 12])
    expect(sink.edits).toEqual([
      {
        id: 'stroke-1',
        edit: {
          kind: 'brush',
          plane: xy,
          points: Float32Array.of(10, 10, 11, 10, 12, 11, 13, 12),
          // Seven voxels wide: three on either side of the one in the middle.
          radius: 3,
          shape: 'round',
          volumetric: false,
          material: 2,
          greyRange: null,
        },
      },
    ])
    expect(brush.cursor).toEqual({ radius: 3.5, shape: 'round' })
  })

  test('is drawn as it goes, each part from the last point drawn', () => {
    pointer(brush, 'down', [10, 10])
    pointer(brush, 'move', [11, 10, 12, 11])
    pointer(brush, 'up', [12, 11])
    expect(sink.parts.map(({ part }) => [...part.points])).toEqual([
      [10, 10],
      [10, 10, 11, 10, 12, 11],
    ])
  })

  test('a brush so small that it could miss every voxel paints at voxel centres', () => {
    settings.size = 1
    pointer(brush, 'down', [10.4, 9.6])
    pointer(brush, 'up', [10.4, 9.6])
    expect(sink.edits[0]?.edit).toMatchObject({ radius: 0, points: Float32Array.of(10, 10) })
  })

  test('keeps its settings to the end of the stroke', () => {
    pointer(brush, 'down', [10, 10])
    settings = { ...settings, size: 99, material: 1 }
    pointer(brush, 'move', [20, 20])
    pointer(brush, 'up', [20, 20])
    expect(sink.edits[0]?.edit).toMatchObject({ radius: 3, material: 2 })
  })

  test('another slice under the pointer ends the stroke where it was drawn and begins one there', () => {
    pointer(brush, 'down', [10, 10])
    pointer(brush, 'move', [11, 11])
    pointer(brush, 'move', [12, 12], { plane: { axis: 'z', index: 5 } })
    pointer(brush, 'up', [13, 13], { plane: { axis: 'z', index: 5 } })
    expect(
      sink.edits.map(({ edit }) => (edit.kind === 'brush' ? [edit.plane.index, ...edit.points] : [])),
    ).toEqual([
      [4, 10, 10, 11, 11],
      [5, 12, 12, 13, 13],
    ])
  })

  test('losing the pointer keeps what was drawn', () => {
    pointer(brush, 'down', [10, 10])
    pointer(brush, 'move', [12, 12])
    pointer(brush, 'cancel', [])
    pointer(brush, 'move', [50, 50])
    expect(sink.edits).toHaveLength(1)
    expect(sink.edits[0]?.edit).toMatchObject({ points: Float32Array.of(10, 10, 12, 12) })
  })

  test('a stroke longer than an edit may be goes on from its last point', () => {
    pointer(brush, 'down', [0, 0])
    const all = Float32Array.from(
      { length: 2 * (maxStrokePoints + 10) },
      (_, at) => 1 + Math.floor(at / 2) / 8,
    )
    brush.handle({ ...eventOf('move'), points: all })
    pointer(brush, 'up', [])
    const [first, second] = sink.edits.map(({ edit }) => (edit as { points: Float32Array }).points)
    expect(first).toHaveLength(2 * maxStrokePoints)
    expect([...second.subarray(0, 2)]).toEqual([...first.subarray(-2)])
    // One point was set by the press, the first one of the second edit is there twice.
    expect(second.length / 2).toBe(maxStrokePoints + 10 + 1 + 1 - maxStrokePoints)
    expect(sink.edits.map(({ id }) => id)).toEqual(['stroke-1', 'stroke-2'])
  })

  test('says why it does not paint and paints nothing', () => {
    sink.reason = 'CBD is hidden. Show it to paint with it.'
    pointer(brush, 'down', [10, 10])
    pointer(brush, 'move', [12, 12])
    pointer(brush, 'up', [12, 12])
    expect(sink.reasons).toEqual(['CBD is hidden. Show it to paint with it.'])
    expect([sink.edits, sink.parts]).toEqual([[], []])
  })

  test('a threshold stroke waits for the grey value under its beginning and loses nothing meanwhile', async () => {
    let learn: (range: { low: number; high: number }) => void = () => undefined
    const threshold = new BrushTool({
      settings: () => settings,
      sink,
      rangeAt: (_plane, row, column) => {
        expect([row, column]).toEqual([10, 20])
        return new Promise((resolve) => (learn = resolve))
      },
    })
    pointer(threshold, 'down', [10, 20])
    pointer(threshold, 'move', [11, 21])
    pointer(threshold, 'up', [12, 22])
    expect([sink.edits, sink.parts]).toEqual([[], []])
    learn({ low: 90, high: 110 })
    await settle()
    expect(sink.edits).toHaveLength(1)
    expect(sink.edits[0]?.edit).toMatchObject({
      greyRange: { low: 90, high: 110 },
      points: Float32Array.of(10, 20, 11, 21, 12, 22),
    })
  })

  test('a grey value that cannot be read is said and nothing is painted', async () => {
    const threshold = new BrushTool({
      settings: () => settings,
      sink,
      rangeAt: () => Promise.reject(new Error('slice-0004.tif is gone')),
    })
    pointer(threshold, 'down', [10, 20])
    await settle()
    pointer(threshold, 'up', [12, 22])
    expect(sink.reasons[0]).toContain('slice-0004.tif is gone')
    expect(sink.edits).toEqual([])
  })
})

describe('polygon and lasso', () => {
  let polygon: PolygonTool
  beforeEach(() => {
    pixelsPerVoxel = { row: 1, column: 1 }
    polygon = new PolygonTool({ settings: () => ({ material: 3, greyRange: null }), sink })
  })

  /** CSS pixels per step of a row and of a column. */
  let pixelsPerVoxel: PlanePointerEvent['pixelsPerVoxel']

  function click(row: number, column: number, timeStamp: number): void {
    pointer(polygon, 'down', [row, column], { timeStamp, pixelsPerVoxel })
    pointer(polygon, 'up', [row, column], { timeStamp: timeStamp + 50, pixelsPerVoxel })
  }

  function corners(): number[] {
    const edit = sink.edits.at(0)?.edit
    return edit?.kind === 'polygon' ? [...edit.points] : []
  }

  test('clicks set corners and Enter closes', () => {
    click(10, 10, 0)
    click(10, 40, 1000)
    click(40, 40, 2000)
    expect(sink.edits).toEqual([])
    expect(polygon.close()).toBe(true)
    expect(corners()).toEqual([10, 10, 10, 40, 40, 40])
    expect(sink.parts).toHaveLength(1)
    expect(polygon.sketch).toBeNull()
  })

  test('a drag draws freely between corners', () => {
    click(10, 10, 0)
    pointer(polygon, 'down', [10, 40], { timeStamp: 1000 })
    pointer(polygon, 'move', [20, 45, 30, 42], { timeStamp: 1100 })
    pointer(polygon, 'up', [40, 40], { timeStamp: 1200 })
    polygon.close()
    expect(corners()).toEqual([10, 10, 10, 40, 20, 45, 30, 42, 40, 40])
  })

  test('a double click closes, without a corner of its own', () => {
    click(10, 10, 0)
    click(10, 40, 1000)
    click(40, 40, 2000)
    click(41, 40, 2200)
    expect(corners()).toEqual([10, 10, 10, 40, 40, 40])
  })

  test('a click on the first corner closes', () => {
    click(10, 10, 0)
    click(10, 40, 1000)
    click(40, 40, 2000)
    click(11, 11, 3000)
    expect(corners()).toEqual([10, 10, 10, 40, 40, 40])
  })

  test.each([
    { zoom: 'far in', row: 8, column: 8, at: [11, 10], closes: false },
    { zoom: 'far out', row: 0.25, column: 0.25, at: [25, 10], closes: true },
    { zoom: 'tall voxels, along the column', row: 6, column: 2, at: [11, 10], closes: false },
    { zoom: 'tall voxels, along the row', row: 6, column: 2, at: [10, 12], closes: true },
  ])('how near is near is counted on screen: $zoom', ({ row, column, at, closes }) => {
    pixelsPerVoxel = { row, column }
    click(10, 10, 0)
    click(10, 90, 1000)
    click(90, 90, 2000)
    click(at[0], at[1], 3000)
    expect(sink.edits).toHaveLength(closes ? 1 : 0)
    expect(polygon.isDrawing).toBe(!closes)
  })

  test('takes back a corner, a whole free line, and at last the outline', () => {
    click(10, 10, 0)
    pointer(polygon, 'down', [10, 40], { timeStamp: 1000 })
    pointer(polygon, 'move', [20, 45, 30, 42], { timeStamp: 1100 })
    pointer(polygon, 'up', [40, 40], { timeStamp: 1200 })
    polygon.removeLast()
    pointer(polygon, 'leave', [])
    expect([...(polygon.sketch?.points ?? [])]).toEqual([10, 10])
    polygon.removeLast()
    expect(polygon.isDrawing).toBe(false)
  })

  test('fewer than three corners enclose nothing; Esc gives up', () => {
    click(10, 10, 0)
    click(10, 40, 1000)
    expect(polygon.close()).toBe(false)
    polygon.cancel()
    expect(polygon.isDrawing).toBe(false)
    expect(sink.edits).toEqual([])
  })

  test('what cannot be painted keeps its outline', () => {
    click(10, 10, 0)
    click(10, 40, 1000)
    click(40, 40, 2000)
    sink.reason = 'CBD is locked.'
    expect(polygon.close()).toBe(false)
    expect(sink.reasons).toEqual(['CBD is locked.'])
    sink.reason = null
    expect(polygon.close()).toBe(true)
  })

  test('tells when it looks different', () => {
    let looks = 0
    const forget = polygon.onLookChanged(() => looks++)
    click(10, 10, 0)
    expect(looks).toBe(2)
    forget()
    click(20, 20, 1000)
    expect(looks).toBe(2)
  })
})

describe('fill', () => {
  test('fills from the voxel clicked', () => {
    const fill = new FillTool({ settings: () => ({ tolerance: 120, material: 1 }), sink })
    pointer(fill, 'down', [10.4, 19.6])
    pointer(fill, 'move', [30, 30])
    pointer(fill, 'up', [30, 30])
    expect(sink.edits).toEqual([
      { id: null, edit: { kind: 'fill', plane: xy, seed: [10, 20], tolerance: 120, material: 1 } },
    ])
  })

  test('does nothing outside the plane', () => {
    const fill = new FillTool({ settings: () => ({ tolerance: 120, material: 1 }), sink })
    pointer(fill, 'down', [-10, 5], { inside: false })
    expect(sink.edits).toEqual([])
  })
})

function eventOf(type: PlanePointerEvent['type']): PlanePointerEvent {
  return {
    type,
    plane: xy,
    points: new Float32Array(),
    inside: true,
    pixelsPerVoxel: { row: 1, column: 1 },
    shift: false,
    control: false,
    alt: false,
    timeStamp: 0,
  }
}
