import {
  ArrowLeftRight,
  Bookmark,
  Brush,
  ChevronLeft,
  ChevronRight,
  Contrast,
  Copy,
  Eraser,
  Eye,
  EyeOff,
  FileDown,
  FileUp,
  GitMerge,
  Layers,
  MousePointer2,
  PaintBucket,
  Pencil,
  Pentagon,
  Plus,
  Redo2,
  Trash,
  Undo2,
  Wand,
} from '@lucide/vue'
import type { Component } from 'vue'
import { materialDigits, useMaterialsStore } from '../../stores/materials.ts'
import type { Command } from '../../stores/commands.ts'
import { maxBrushSize, useLabelsStore, type LabelTool } from '../../stores/labels.ts'
import { useViewStore } from '../../stores/view.ts'
import type { LabelActions } from './label-actions.ts'
import type { LabelWorkView } from './use-label-work.ts'

/** Tools in the order of the toolbar. */
export const toolList: readonly {
  tool: LabelTool
  title: string
  name: string
  keys: string
  icon: Component
}[] = [
  { tool: 'inspect', title: 'Inspect and pan', name: 'Inspect', keys: 'V', icon: MousePointer2 },
  { tool: 'brush', title: 'Brush', name: 'Brush', keys: 'B', icon: Brush },
  { tool: 'eraser', title: 'Eraser', name: 'Eraser', keys: 'E', icon: Eraser },
  { tool: 'polygon', title: 'Polygon and lasso', name: 'Polygon', keys: 'P', icon: Pentagon },
  { tool: 'fill', title: 'Fill connected grey', name: 'Fill', keys: 'F', icon: PaintBucket },
  { tool: 'threshold', title: 'Threshold brush', name: 'Threshold brush', keys: 'T', icon: Wand },
]

/** Steps of `[` and `]`; large brushes grow faster, or they would never arrive. */
export function resized(size: number, steps: number): number {
  const step = Math.abs(steps) >= 10 || size < 40 ? 1 : Math.round(size / 40)
  return Math.min(maxBrushSize, Math.max(1, size + steps * step))
}

/** Everything that can be done in Label, for keys, menus, palette and the sheet of keys. For the set-up of the workspace. */
export function labelCommands(work: LabelWorkView, actions: LabelActions): Command[] {
  const labels = useLabelsStore()
  const materials = useMaterialsStore()
  const views = useViewStore()

  const needsLabels = (): string | null => (labels.facts === null ? 'The labels are not open yet' : null)
  const needsWriting = (): string | null => needsLabels() ?? work.pausedReason.value
  const z = (): number => work.view.value.position.z

  function chooseMaterial(index: number): void {
    materials.choose(index)
    if (labels.tool === 'eraser' || labels.tool === 'inspect') labels.tool = 'brush'
  }

  const tools = toolList.map(({ tool, title, keys, icon }): Command => ({
    id: `label.tool.${tool}`,
    title,
    menu: 'Edit',
    keys: [keys],
    icon,
    words: 'tool paint label',
    checked: () => labels.tool === tool,
    run: () => {
      labels.tool = tool
    },
  }))

  const digits = Array.from({ length: materialDigits }, (_, position): Command => {
    const material = (): ReturnType<typeof materials.find> => materials.materials[position]
    return {
      id: `label.material.${position + 1}`,
      title: `Paint material ${position + 1}`,
      menu: 'Edit',
      keys: [String(position + 1)],
      words: 'choose material',
      blocked: () => (material() === undefined ? `There is no material ${position + 1}` : null),
      checked: () => material() !== undefined && material()?.index === materials.active?.index,
      run: () => {
        const found = material()
        if (found !== undefined) chooseMaterial(found.index)
      },
    }
  })

  function sizeCommand(id: string, title: string, keys: string[], steps: number): Command {
    return {
      id,
      title,
      menu: 'Edit',
      keys,
      repeats: true,
      run: () => labels.setTools({ size: resized(labels.tools.size, steps) }),
    }
  }

  function jumpCommand(direction: -1 | 1, title: string, keys: string, icon: Component): Command {
    return {
      id: `label.slice.${direction > 0 ? 'next' : 'previous'}-labelled`,
      title,
      menu: 'Go',
      keys: [keys],
      icon,
      repeats: true,
      blocked: () =>
        labels.labelledSliceFrom(z(), direction) === null ? 'There is no labelled slice that way' : null,
      run: () => {
        actions.goToLabelled(direction)
      },
    }
  }

  return [
    ...tools,
    ...digits,
    {
      id: 'label.material.0',
      title: 'Paint unlabelled (eraser)',
      menu: 'Edit',
      keys: ['0'],
      icon: Eraser,
      run: () => {
        labels.tool = 'eraser'
      },
    },
    // Where the brackets need AltGr (German and other layouts), the browser reports Ctrl and Alt as pressed.
    sizeCommand('label.brush.smaller', 'Smaller brush', ['[', 'Ctrl+Alt+['], -1),
    sizeCommand('label.brush.larger', 'Larger brush', [']', 'Ctrl+Alt+]'], 1),
    sizeCommand('label.brush.smaller-10', 'Smaller brush by 10', ['{', 'Shift+[', 'Ctrl+Alt+{'], -10),
    sizeCommand('label.brush.larger-10', 'Larger brush by 10', ['}', 'Shift+]', 'Ctrl+Alt+}'], 10),
    {
      id: 'label.undo',
      title: 'Undo',
      menu: 'Edit',
      keys: ['Ctrl+Z', 'Z'],
      icon: Undo2,
      repeats: true,
      blocked: () => needsWriting() ?? (actions.canUndo() ? null : 'There is nothing to undo'),
      run: () => {
        actions.undo()
      },
    },
    {
      id: 'label.redo',
      title: 'Redo',
      menu: 'Edit',
      keys: ['Ctrl+Shift+Z', 'Shift+Z', 'Ctrl+Y'],
      icon: Redo2,
      repeats: true,
      blocked: () => needsWriting() ?? (actions.canRedo() ? null : 'There is nothing to redo'),
      run: () => {
        actions.redo()
      },
    },
    {
      id: 'label.interpolate',
      title: 'Interpolate between labelled slices',
      menu: 'Edit',
      keys: ['I'],
      icon: GitMerge,
      blocked: () =>
        needsWriting() ??
        (labels.slicesToInterpolate(z()) === null ? 'There are no labelled slices on both sides' : null),
      run: () => {
        actions.interpolate(null)
      },
    },
    {
      id: 'label.copy-previous',
      title: 'Copy labels from the slice before',
      menu: 'Edit',
      icon: Copy,
      blocked: () => needsWriting() ?? (z() === 0 ? 'This is the first slice' : null),
      run: () => {
        actions.copyFromPrevious()
      },
    },
    {
      id: 'label.clear-slice',
      title: 'Clear the labels of this slice',
      menu: 'Edit',
      icon: Trash,
      blocked: needsWriting,
      run: () => {
        actions.clearSlice()
      },
    },
    {
      id: 'label.material.add',
      title: 'Add a material',
      menu: 'Edit',
      icon: Plus,
      blocked: () => work.pausedReason.value,
      run: () => {
        actions.startNaming('new')
      },
    },
    {
      id: 'label.material.rename',
      title: 'Rename the material',
      menu: 'Edit',
      keys: ['F2'],
      icon: Pencil,
      blocked: () => work.pausedReason.value ?? (materials.active === null ? 'There is no material' : null),
      run: () => {
        if (materials.active !== null) actions.startNaming(materials.active.index)
      },
    },
    {
      id: 'label.material.hide',
      title: 'Hide or show the material',
      menu: 'View',
      keys: ['H'],
      icon: EyeOff,
      blocked: () => (materials.active === null ? 'There is no material' : null),
      run: async () => {
        const { active } = materials
        if (active !== null) await materials.change(active.index, { visible: !active.visible })
      },
    },
    {
      id: 'label.overlay.hold',
      title: 'Plain grey while held',
      menu: 'View',
      keys: ['O'],
      icon: Eye,
      words: 'overlay off labels',
      run: () => {
        views.overlay = { ...views.overlay, visible: false }
      },
      release: () => {
        views.overlay = { ...views.overlay, visible: true }
      },
    },
    {
      id: 'label.overlay.style',
      title: 'Fill or outline',
      menu: 'View',
      keys: ['Shift+O'],
      icon: Layers,
      words: 'overlay labels',
      run: () => {
        actions.nextOverlayStyle()
      },
    },
    jumpCommand(-1, 'Previous labelled slice', 'PageUp', ChevronLeft),
    jumpCommand(1, 'Next labelled slice', 'PageDown', ChevronRight),
    {
      id: 'label.slice.next',
      title: 'Next slice',
      menu: 'Go',
      keys: ['ArrowDown'],
      repeats: true,
      run: () => {
        actions.step(1)
      },
    },
    {
      id: 'label.slice.before',
      title: 'Slice before',
      menu: 'Go',
      keys: ['ArrowUp'],
      repeats: true,
      run: () => {
        actions.step(-1)
      },
    },
    {
      id: 'label.plane.next',
      title: 'Next plane',
      menu: 'View',
      keys: ['X'],
      icon: ArrowLeftRight,
      run: () => {
        actions.nextPlane()
      },
    },
    {
      id: 'label.window.auto',
      title: 'Auto window from the volume',
      menu: 'View',
      keys: ['A'],
      icon: Contrast,
      run: () => work.autoWindow('volume'),
    },
    {
      id: 'label.window.auto-slice',
      title: 'Auto window from this slice',
      menu: 'View',
      keys: ['Shift+A'],
      icon: Contrast,
      run: () => work.autoWindow('slice'),
    },
    {
      id: 'label.version.save',
      title: 'Save a version of the labels…',
      menu: 'Edit',
      keys: ['Ctrl+S'],
      icon: Bookmark,
      blocked: needsWriting,
      run: () => {
        actions.startSavingVersion()
      },
    },
    {
      id: 'label.import',
      title: 'Import labels…',
      menu: 'Project',
      icon: FileDown,
      blocked: needsWriting,
      run: () => {
        actions.startImport()
      },
    },
    {
      id: 'label.export',
      title: 'Export labels…',
      menu: 'Project',
      keys: ['Ctrl+E'],
      icon: FileUp,
      blocked: needsLabels,
      run: () => {
        actions.startExport()
      },
    },
  ]
}
