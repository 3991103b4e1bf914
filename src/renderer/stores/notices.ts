import { defineStore } from 'pinia'
import { computed, ref } from 'vue'
import { asSentence } from '../format/sentence.ts'
import { isPhasemarkError, type ErrorTag } from '../../shared/errors.ts'

export type NoticeTone = 'ok' | 'warn' | 'err'

/** What can be done about a notice; the first is the primary one. */
export interface NoticeAction {
  label: string
  run: () => void | Promise<void>
  /** Leaves the notice where it is (Copy details). */
  keeps?: boolean
}

/** Title: what happened. Text: what is safe. Actions: what to do. */
export interface NewNotice {
  tone: NoticeTone
  title: string
  text: string
  actions?: readonly NoticeAction[]
  /** For a report; can be copied. */
  details?: string | null
  /** A notice with the same key takes the place of the earlier one. */
  key?: string
}

export interface Notice extends Required<Omit<NewNotice, 'key'>> {
  id: number
  at: Date
  key: string | null
  /** Whether it is shown over the window now; afterwards it is in the list of notices only. */
  shown: boolean
}

/** How long notices are shown; errors stay until they are closed. */
export const shownForMs: Record<NoticeTone, number> = { ok: 6000, warn: 12_000, err: Infinity }

/** Notices in the list; older ones are forgotten. */
const keptNotices = 50

/** What is said to the user, outside of where it happened. */
export const useNoticesStore = defineStore('notices', () => {
  const notices = ref<Notice[]>([])
  const unread = ref(0)
  const timers = new Map<number, ReturnType<typeof setTimeout>>()
  let lastId = 0

  const shown = computed(() => notices.value.filter((notice) => notice.shown))

  function add(notice: NewNotice): number {
    const { tone, title, text, actions = [], details = null, key = null } = notice
    if (key !== null) forgetKey(key)
    const id = ++lastId
    notices.value = [
      { id, at: new Date(), tone, title, text, actions, details, key, shown: true },
      ...notices.value,
    ].slice(0, keptNotices)
    unread.value += 1
    resume(id)
    return id
  }

  /**
   * Says that something failed. The message of an error names file, expectation and finding; `safe` adds what was not touched.
   * Stopping is no failure and says nothing.
   */
  function addError(
    title: string,
    error: unknown,
    { safe = '', actions = [], key }: { safe?: string; actions?: readonly NoticeAction[]; key?: string } = {},
  ): void {
    const described = describeError(error)
    if (described.tag === 'Cancelled') return
    add({
      tone: 'err',
      title,
      text: safe === '' ? described.message : `${described.message} ${safe}`,
      actions,
      details: described.details,
      ...(key === undefined ? {} : { key }),
    })
  }

  /** Stops the clock of a notice while somebody reads it. */
  function pause(id: number): void {
    clearTimeout(timers.get(id))
    timers.delete(id)
  }

  function resume(id: number): void {
    const notice = notices.value.find((candidate) => candidate.id === id)
    if (notice === undefined || !notice.shown || timers.has(id)) return
    const duration = shownForMs[notice.tone]
    if (Number.isFinite(duration))
      timers.set(
        id,
        setTimeout(() => hide(id), duration),
      )
  }

  /** Takes it away from over the window; it stays in the list. */
  function hide(id: number): void {
    pause(id)
    notices.value = notices.value.map((notice) => (notice.id === id ? { ...notice, shown: false } : notice))
  }

  function forgetKey(key: string): void {
    for (const notice of notices.value) if (notice.key === key) pause(notice.id)
    notices.value = notices.value.filter((notice) => notice.key !== key)
  }

  function forgetAll(): void {
    for (const id of [...timers.keys()]) pause(id)
    notices.value = []
    unread.value = 0
  }

  function markRead(): void {
    unread.value = 0
  }

  return { notices, shown, unread, add, addError, pause, resume, hide, forgetKey, forgetAll, markRead }
})

/** An error as a sentence and as text to copy; `tag` is `null` for what is not ours. */
export function describeError(error: unknown): {
  tag: ErrorTag | null
  message: string
  details: string
} {
  const raw = error instanceof Error || isPhasemarkError(error) ? error.message : String(error)
  const message = asSentence(raw)
  if (!isPhasemarkError(error))
    return { tag: null, message, details: error instanceof Error ? (error.stack ?? raw) : raw }
  const cause = error.cause === undefined ? [] : [`caused by: ${causeText(error.cause)}`]
  return {
    tag: error._tag,
    message,
    details: [`${error._tag}: ${raw}`, JSON.stringify(error.fields), ...cause].join('\n'),
  }
}

function causeText(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause)
}
