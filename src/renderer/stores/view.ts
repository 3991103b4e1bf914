import { defineStore } from 'pinia'
import { ref, shallowRef } from 'vue'
import { z } from 'zod'
import { planeAxisSchema, type PlaneAxis } from '../../shared/annotation/edit.ts'
import type { Shape3 } from '../../shared/volume.ts'
import { clampVoxel } from '../viewer/geometry.ts'
import type { OverlayOptions, PlaneLayout, VolumeView } from '../components/viewer/types.ts'

/** Volumes whose view is remembered; the one not looked at for longest is forgotten first. */
const rememberedVolumes = 200

const cameraSchema = z.object({ zoom: z.number().positive(), row: z.number(), column: z.number() }).nullable()

const volumeViewSchema = z.object({
  position: z.object({
    z: z.number().int().min(0),
    y: z.number().int().min(0),
    x: z.number().int().min(0),
  }),
  cameras: z.object({ z: cameraSchema, y: cameraSchema, x: cameraSchema }),
  scaleLinked: z.boolean(),
  window: z.object({ low: z.number(), high: z.number() }).nullable(),
  colourMap: z.enum(['grey', 'inverted', 'viridis', 'inferno', 'ice']),
})

/** What is written to and read from the settings; anything else that is found there is refused as a whole. */
export const rememberedViewSchema = z.object({
  version: z.literal(1),
  layout: z.enum(['large', 'grid', 'single']),
  activeAxis: planeAxisSchema,
  overlay: z.object({
    opacity: z.number().min(0).max(1),
    style: z.enum(['fill', 'outline', 'fill-and-outline']),
  }),
  /** Newest last. */
  volumes: z.array(z.tuple([z.string(), volumeViewSchema])).max(rememberedVolumes),
})
export type RememberedView = z.infer<typeof rememberedViewSchema>

/** Default fill of labels that ui.md §5 names. */
export const defaultOverlayOpacity = 0.62

/** The middle of a volume, everything in sight, limits not known yet. */
export function initialView(shape: Shape3): VolumeView {
  return {
    position: clampVoxel({ z: (shape[0] - 1) / 2, y: (shape[1] - 1) / 2, x: (shape[2] - 1) / 2 }, shape),
    cameras: { z: null, y: null, x: null },
    scaleLinked: true,
    window: null,
    colourMap: 'grey',
  }
}

/**
 * Where the user looks: place, zoom, limits and colours per volume; layout and overlay for all. Workspaces share it, so going from
 * one to the other shows the same place. Plain data; `remembered` and `restore` connect it to the settings.
 */
export const useViewStore = defineStore('view', () => {
  const layout = ref<PlaneLayout>('large')
  const activeAxis = ref<PlaneAxis>('z')
  const overlay = ref<OverlayOptions>({
    visible: true,
    opacity: defaultOverlayOpacity,
    style: 'fill-and-outline',
  })
  /** Oldest first. */
  const volumes = shallowRef<ReadonlyMap<string, VolumeView>>(new Map())

  /** The view of a volume; the default one until it was changed. Positions are kept inside `shape` (the source may have changed). */
  function viewOf(volumeId: string, shape: Shape3): VolumeView {
    const view = volumes.value.get(volumeId)
    return view === undefined ? initialView(shape) : { ...view, position: clampVoxel(view.position, shape) }
  }

  /** Remembers the view of a volume, as the newest. */
  function setView(volumeId: string, view: VolumeView): void {
    const next = new Map(volumes.value)
    next.delete(volumeId)
    next.set(volumeId, view)
    for (const oldest of next.keys()) {
      if (next.size <= rememberedVolumes) break
      next.delete(oldest)
    }
    volumes.value = next
  }

  /** What should survive a restart, as JSON. */
  function remembered(): RememberedView {
    return {
      version: 1,
      layout: layout.value,
      activeAxis: activeAxis.value,
      overlay: { opacity: overlay.value.opacity, style: overlay.value.style },
      volumes: [...volumes.value],
    }
  }

  /** Takes over what was remembered. Returns whether it could be used; what cannot be read changes nothing. */
  function restore(value: unknown): boolean {
    const parsed = rememberedViewSchema.safeParse(value)
    if (!parsed.success) return false
    layout.value = parsed.data.layout
    activeAxis.value = parsed.data.activeAxis
    overlay.value = { ...overlay.value, ...parsed.data.overlay }
    volumes.value = new Map(parsed.data.volumes)
    return true
  }

  return { layout, activeAxis, overlay, volumes, viewOf, setView, remembered, restore }
})
