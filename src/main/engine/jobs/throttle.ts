/** Lets something happen at once and then at most once per interval, never losing the last wish. */
export interface Throttle {
  touch(): void
  /** Drops what still waits. */
  stop(): void
}

export function throttle(intervalMs: number, action: () => void): Throttle {
  let timer: ReturnType<typeof setTimeout> | null = null
  let last = Number.NEGATIVE_INFINITY
  const act = (): void => {
    timer = null
    last = performance.now()
    action()
  }
  return {
    touch() {
      if (timer !== null) return
      const waitMs = last + intervalMs - performance.now()
      if (waitMs <= 0) act()
      else timer = setTimeout(act, waitMs)
    },
    stop() {
      if (timer !== null) clearTimeout(timer)
      timer = null
    },
  }
}
