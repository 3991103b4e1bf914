import { computed, ref, watch, type ComputedRef, type Ref } from 'vue'
import { useApi } from '../../stores/api.ts'
import { describeError } from '../../stores/notices.ts'
import { useProjectStore } from '../../stores/project.ts'

/** Where a first import makes its project. */
export interface ImportTarget {
  /** Whether a project has to be made. */
  isNeeded: ComputedRef<boolean>
  path: Ref<string | null>
  problem: Ref<string | null>
  /** Waits until the path is the one for the name as it is now. */
  settled: () => Promise<void>
  /** The user's own choice holds, whatever the name of the volume becomes. */
  choosePath: (path: string) => void
}

const suggestDelayMs = 250

/** Follows the name of the volume with a free place for a project of that name, until the user chooses one. */
export function useImportTarget(name: Ref<string>): ImportTarget {
  const api = useApi()
  const project = useProjectStore()
  const path = ref<string | null>(null)
  const problem = ref<string | null>(null)
  const chosen = ref(false)
  const isNeeded = computed(() => project.project === null)
  let asked = 0
  let timer: ReturnType<typeof setTimeout> | null = null
  let suggesting: Promise<void> = Promise.resolve()

  function suggestNow(): void {
    if (timer !== null) clearTimeout(timer)
    timer = null
    suggesting = suggest()
  }

  async function suggest(): Promise<void> {
    const current = ++asked
    try {
      const suggestion = await api.data.projects.suggestPath({ name: name.value })
      if (current !== asked || chosen.value) return
      path.value = suggestion.path
      problem.value = null
    } catch (error) {
      if (current === asked) problem.value = describeError(error).message
    }
  }

  watch(
    name,
    () => {
      if (!isNeeded.value || chosen.value || name.value.trim() === '') return
      if (timer !== null) clearTimeout(timer)
      timer = setTimeout(suggestNow, path.value === null ? 0 : suggestDelayMs)
    },
    { immediate: true },
  )

  return {
    isNeeded,
    path,
    problem,
    async settled() {
      if (timer !== null) suggestNow()
      await suggesting
    },
    choosePath(next) {
      chosen.value = true
      path.value = /\.phasemark$/i.test(next) ? next : `${next}.phasemark`
      problem.value = null
    },
  }
}
