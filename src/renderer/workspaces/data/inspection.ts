import { markRaw, onScopeDispose, ref, shallowRef, watch, type Ref } from 'vue'
import { parentOf } from '../../components/shell/choose-path.ts'
import { useApi } from '../../stores/api.ts'
import { describeError } from '../../stores/notices.ts'
import type {
  GreyHistogram,
  PlaneData,
  RawDescription,
  VolumeSummary,
} from '../../../shared/contract/volumes.ts'

/** How long typing a raw header may go on before the file is looked at with it. */
const rawDelayMs = 350

export interface Inspection {
  /** What the headers say; `null` until they are read. */
  summary: Ref<VolumeSummary | null>
  preview: Ref<{ planes: PlaneData[]; histogram: GreyHistogram } | null>
  failure: Ref<ReturnType<typeof describeError> | null>
  /** Size of the file, for raw files; `null` when it is a folder or not known. */
  fileBytes: Ref<number | null>
  isFolder: Ref<boolean>
  /** Reading headers or planes now. */
  reading: Ref<boolean>
  retry: () => void
  /** Stops looking; what was found stays. The machine has something better to do. */
  stop: () => void
}

/**
 * Looks at a volume before it is imported: headers first, then planes through the middle and grey values. `raw` is the header to
 * use: `undefined` = the file has its own, `null` = one is needed and not complete yet. Ends with the calling component.
 */
export function useInspection(path: string, raw: Ref<RawDescription | null | undefined>): Inspection {
  const api = useApi()
  const summary = shallowRef<VolumeSummary | null>(null)
  const preview = shallowRef<{ planes: PlaneData[]; histogram: GreyHistogram } | null>(null)
  const failure = ref<ReturnType<typeof describeError> | null>(null)
  const fileBytes = ref<number | null>(null)
  const isFolder = ref(false)
  const reading = ref(false)
  let abort = new AbortController()
  let timer: ReturnType<typeof setTimeout> | null = null

  async function look(): Promise<void> {
    abort.abort()
    abort = new AbortController()
    const { signal } = abort
    const header = raw.value
    failure.value = null
    if (header === null) {
      summary.value = null
      preview.value = null
      return
    }
    reading.value = true
    try {
      const request = { path, ...(header === undefined ? {} : { raw: header }) }
      summary.value = await api.data.volumes.inspect(request, { signal })
      preview.value = markRaw(await api.data.volumes.preview({ ...request, maxExtent: 512 }, { signal }))
    } catch (error) {
      if (signal.aborted) return
      failure.value = describeError(error)
      preview.value = null
    } finally {
      if (!signal.aborted) reading.value = false
    }
  }

  /** Which kind of thing the path is and how large: what the folder that it lies in says of it. */
  async function lookAround(): Promise<void> {
    try {
      const parent = parentOf(path)
      const { entries } = await api.data.files.list({ path: parent, limit: 5000 })
      const entry = entries.find((candidate) => candidate.path === path)
      isFolder.value = entry?.kind === 'folder'
      fileBytes.value = entry?.kind === 'file' ? entry.sizeBytes : null
    } catch {
      // The folder above may lie outside of what may be read; the size then stays unknown, and that is shown.
      fileBytes.value = null
    }
  }

  watch(raw, () => {
    if (timer !== null) clearTimeout(timer)
    timer = setTimeout(() => void look(), rawDelayMs)
  })
  void look()
  void lookAround()

  function stop(): void {
    abort.abort()
    reading.value = false
    if (timer !== null) clearTimeout(timer)
  }
  onScopeDispose(stop)

  return { summary, preview, failure, fileBytes, isFolder, reading, retry: () => void look(), stop }
}
