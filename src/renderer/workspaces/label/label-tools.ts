import { PhasemarkError } from '../../../shared/errors.ts'
import { unlabelledIndex } from '../../../shared/materials.ts'
import { BrushTool, type BrushSettings } from '../../annotate/tools/brush-tool.ts'
import type { EditSink, GreyRange } from '../../annotate/tools/edit-sink.ts'
import { FillTool } from '../../annotate/tools/fill-tool.ts'
import { PolygonTool } from '../../annotate/tools/polygon-tool.ts'
import type { LabelTool, ToolSettings } from '../../stores/labels.ts'
import type { PointerTool } from '../../viewer/interfaces.ts'
import type { LabelWork } from './label-sessions.ts'

/** Share of the display's grey range that threshold brush and fill reach to when nothing else was set. */
const defaultReachShare = 0.05

/** What tools ask for when they are used. */
export interface ToolSituation {
  settings(): ToolSettings
  /** Material to paint. */
  material(): number
  /** Grey values shown black and white. */
  window(): { low: number; high: number }
  refusal(material: number): string | null
  refused(reason: string): void
}

export interface LabelTools {
  /** What the primary button does with that tool; `null` moves the crosshair. */
  of(tool: LabelTool): PointerTool | null
  readonly polygon: PolygonTool
  /** Settings have changed: cursors look different. */
  lookChanged(): void
}

/** Grey values between which painting acts, if it is limited. */
export function greyLimits(settings: ToolSettings, window: { low: number; high: number }): GreyRange {
  if (!settings.greyLimited) return null
  return { low: settings.greyLow ?? window.low, high: settings.greyHigh ?? window.high }
}

/** How far grey values may differ: what was set, else a share of what the display spans. */
export function reachOf(set: number | null, window: { low: number; high: number }): number {
  return set ?? Number(((window.high - window.low) * defaultReachShare).toPrecision(2))
}

/** The tools of one volume's labels. */
export function createLabelTools(work: LabelWork, situation: ToolSituation): LabelTools {
  const { session, grey } = work
  const sink: EditSink = {
    refusal: (material) => situation.refusal(material),
    refused: (reason) => {
      situation.refused(reason)
    },
    newStroke: () => crypto.randomUUID(),
    drawAhead: (id, part) => {
      session.drawAhead(id, part)
    },
    finish: (id, edit) => {
      session.submit(edit, id)
    },
    submit: (edit) => {
      session.submit(edit)
    },
  }

  function brushSettings(material: number): BrushSettings {
    const settings = situation.settings()
    const { size, shape, volumetric } = settings
    return { size, shape, volumetric, material, greyRange: greyLimits(settings, situation.window()) }
  }

  /** A stroke between two grey values is drawn once the values of its plane are at hand. */
  const limited = (material: () => number): ConstructorParameters<typeof BrushTool>[0] => ({
    settings: () => brushSettings(material()),
    sink,
    rangeAt: async (plane) => {
      const range = brushSettings(material()).greyRange
      if (range !== null) await grey.load(plane)
      return range
    },
    waitsForRange: () => situation.settings().greyLimited,
  })

  const brush = new BrushTool(limited(() => situation.material()))
  const eraser = new BrushTool(limited(() => unlabelledIndex))
  const threshold = new BrushTool({
    settings: () => brushSettings(situation.material()),
    sink,
    rangeAt: async (plane, row, column) => {
      const value = await grey.valueAt(plane, row, column)
      if (value === null) throw new PhasemarkError('WrongUsage', 'there is no grey value at that place', {})
      const reach = reachOf(situation.settings().thresholdReach, situation.window())
      return { low: value - reach, high: value + reach }
    },
  })
  const polygon = new PolygonTool({
    settings: () => {
      const { material, greyRange } = brushSettings(situation.material())
      return { material, greyRange }
    },
    sink,
  })
  const fill = new FillTool({
    settings: () => ({
      tolerance: reachOf(situation.settings().fillTolerance, situation.window()),
      material: situation.material(),
    }),
    sink,
  })
  const tools: Record<LabelTool, PointerTool | null> = {
    inspect: null,
    brush,
    eraser,
    polygon,
    fill,
    threshold,
  }

  return {
    of: (tool) => tools[tool],
    polygon,
    lookChanged() {
      for (const tool of [brush, eraser, threshold]) tool.lookChanged()
    },
  }
}
