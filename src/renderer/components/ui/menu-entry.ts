import type { Component } from 'vue'

/** A line of a menu: something to do, a group of more lines, or a separator. */
export type MenuEntry =
  | {
      kind?: 'item'
      id: string
      label: string
      icon?: Component | undefined
      keys?: string | undefined
      danger?: boolean
      /** Why it cannot be done now; it is shown dimmed with this as its hint. */
      reason?: string | null
      checked?: boolean | undefined
      run: () => void
    }
  | { kind: 'group'; id: string; label: string; icon?: Component | undefined; entries: readonly MenuEntry[] }
  | { kind: 'separator'; id: string }
