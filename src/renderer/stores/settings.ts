import { defineStore } from 'pinia'
import { computed, ref, shallowRef } from 'vue'
import { z } from 'zod'
import { useApi } from './api.ts'
import { useNoticesStore } from './notices.ts'

export const themeSchema = z.enum(['dark', 'light'])

type Json = z.infer<ReturnType<typeof z.json>>

/** How long changes are gathered before they are written: dragging a panel is many. */
const writeDelayMs = 400

/**
 * What the window remembers for its user on this computer, as one table. Values are checked where they are read; one that no
 * longer fits counts as not there.
 */
export const useSettingsStore = defineStore('settings', () => {
  const api = useApi()
  const notices = useNoticesStore()
  const values = shallowRef<Partial<Record<string, Json>>>({})
  const loaded = ref(false)
  const changed = new Set<string>()
  let timer: ReturnType<typeof setTimeout> | null = null

  const theme = computed(() => read('theme', themeSchema, 'dark'))

  /** Rejects when the data process does not answer; the window then goes on with the defaults. */
  async function load(): Promise<void> {
    const stored = await api.data.settings.read({})
    // What was changed before the answer came is newer.
    const kept = Object.fromEntries([...changed].map((key) => [key, values.value[key] ?? null]))
    values.value = { ...stored, ...kept }
    loaded.value = true
  }

  function read<Value>(key: string, schema: z.ZodType<Value>, fallback: Value): Value {
    const value = values.value[key]
    if (value === undefined) return fallback
    const parsed = schema.safeParse(value)
    return parsed.success ? parsed.data : fallback
  }

  /** `null` forgets the key. */
  function write(key: string, value: Json): void {
    // A copy: what the caller has may be reactive, and such objects cannot cross to another process.
    const copy = value === null ? undefined : (JSON.parse(JSON.stringify(value)) as Json)
    values.value = { ...values.value, [key]: copy }
    changed.add(key)
    timer ??= setTimeout(() => void flush(), writeDelayMs)
  }

  /** Writes what has changed now. */
  async function flush(): Promise<void> {
    if (timer !== null) clearTimeout(timer)
    timer = null
    const keys = [...changed]
    changed.clear()
    try {
      for (const key of keys) await api.data.settings.write({ key, value: values.value[key] ?? null })
    } catch (error) {
      notices.addError('Settings could not be saved', error, {
        key: 'settings',
        safe: 'They hold until the window is closed.',
      })
    }
  }

  return { values, loaded, theme, load, read, write, flush }
})
