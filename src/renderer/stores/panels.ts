import { defineStore } from 'pinia'
import { z } from 'zod'
import { useSettingsStore } from './settings.ts'

export type PanelSide = 'left' | 'right'

const panelSchema = z.object({ folded: z.boolean(), width: z.number().nullable() })
const panelsSchema = z.record(z.string(), panelSchema)
const sectionsSchema = z.record(z.string(), z.boolean())

/** Limits between which a panel can be drawn, in px. */
export const panelWidths = { min: 180, max: 560 } as const

/** Which panels and sections are folded and how wide panels are, per workspace; remembered. */
export const usePanelsStore = defineStore('panels', () => {
  const settings = useSettingsStore()

  function panel(workspace: string, side: PanelSide): z.infer<typeof panelSchema> {
    return settings.read('panels', panelsSchema, {})[`${workspace}.${side}`] ?? { folded: false, width: null }
  }

  function change(workspace: string, side: PanelSide, part: Partial<z.infer<typeof panelSchema>>): void {
    const all = settings.read('panels', panelsSchema, {})
    settings.write('panels', { ...all, [`${workspace}.${side}`]: { ...panel(workspace, side), ...part } })
  }

  function toggle(workspace: string, side: PanelSide): void {
    change(workspace, side, { folded: !panel(workspace, side).folded })
  }

  /** `null` = the width of the design. */
  function setWidth(workspace: string, side: PanelSide, width: number | null): void {
    change(workspace, side, {
      width: width === null ? null : Math.round(Math.min(panelWidths.max, Math.max(panelWidths.min, width))),
    })
  }

  /** Shows the data only, or brings both panels back. */
  function toggleBoth(workspace: string): void {
    const folded = !(panel(workspace, 'left').folded && panel(workspace, 'right').folded)
    change(workspace, 'left', { folded })
    change(workspace, 'right', { folded })
  }

  /** @param id `label.history` */
  function isSectionFolded(id: string): boolean {
    return settings.read('sections', sectionsSchema, {})[id] ?? false
  }

  function foldSection(id: string, folded: boolean): void {
    settings.write('sections', { ...settings.read('sections', sectionsSchema, {}), [id]: folded })
  }

  return { panel, toggle, setWidth, toggleBoth, isSectionFolded, foldSection }
})
