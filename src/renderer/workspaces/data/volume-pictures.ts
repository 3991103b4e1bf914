import { markRaw, onScopeDispose, shallowReactive, watch } from 'vue'
import type { VolumeEntry } from '../../../shared/contract/projects.ts'
import type { GreyHistogram, PlaneData } from '../../../shared/contract/volumes.ts'
import { hasTag } from '../../../shared/errors.ts'
import { useApi } from '../../stores/api.ts'
import { describeError } from '../../stores/notices.ts'

/** The middle slice, small, and the sampled grey values of a volume; or why they could not be had. */
export interface VolumePicture {
  plane: PlaneData | null
  histogram: GreyHistogram | null
  problem: string | null
}

const thumbnailExtent = 84

/**
 * Small pictures and histograms of the volumes of a list, read one after the other in the background, so that a long list does
 * not keep the disk from what is looked at. They are kept as long as the calling component.
 *
 * @param mayBegin whether what is looked at has been read
 */
export function useVolumePictures(
  volumes: () => readonly VolumeEntry[],
  mayBegin: () => boolean,
): ReadonlyMap<string, VolumePicture> {
  const api = useApi()
  const pictures = shallowReactive(new Map<string, VolumePicture>())
  const abort = new AbortController()
  let wanted: readonly VolumeEntry[] = []
  let reading = false

  /** A volume whose place or header was changed is another picture. */
  const keys = new Map<string, string>()
  const keyOf = (volume: VolumeEntry): string =>
    JSON.stringify([volume.path, volume.raw, volume.source.state])

  async function readWanted(): Promise<void> {
    if (reading) return
    reading = true
    try {
      for (;;) {
        const next = wanted.find((volume) => keys.get(volume.id) !== keyOf(volume))
        if (next === undefined || abort.signal.aborted) return
        keys.set(next.id, keyOf(next))
        const picture = await read(next)
        if (picture === null) return
        pictures.set(next.id, picture)
      }
    } finally {
      reading = false
    }
  }

  /** `null` when the process went away: asked again when the list is told again. */
  async function read(volume: VolumeEntry): Promise<VolumePicture | null> {
    if (volume.source.state !== 'ok')
      return { plane: null, histogram: null, problem: volume.source.message ?? 'The source cannot be read.' }
    try {
      const request = {
        path: volume.path,
        maxExtent: thumbnailExtent,
        ...(volume.raw && { raw: volume.raw }),
      }
      const { planes, histogram } = await api.data.volumes.preview(request, { signal: abort.signal })
      const plane = planes.find(({ axis }) => axis === 'z')
      return {
        plane: plane === undefined ? null : markRaw(plane),
        histogram: markRaw(histogram),
        problem: null,
      }
    } catch (error) {
      if (hasTag(error, 'Disconnected') || abort.signal.aborted) {
        keys.delete(volume.id)
        return null
      }
      return { plane: null, histogram: null, problem: describeError(error).message }
    }
  }

  watch(
    [volumes, mayBegin],
    ([list, begins]) => {
      wanted = list
      if (begins) void readWanted()
    },
    { immediate: true },
  )
  onScopeDispose(() => abort.abort())
  return pictures
}
