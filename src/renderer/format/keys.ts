/**
 * Keys are written as `Ctrl+Shift+K`: modifiers in that order (Ctrl, Alt, Shift), then `KeyboardEvent.key`, letters in upper
 * case. `Ctrl` stands for Cmd on a Mac.
 */

const shown: Record<string, string> = {
  ArrowUp: '↑',
  ArrowDown: '↓',
  ArrowLeft: '←',
  ArrowRight: '→',
  Enter: '↵',
  Escape: 'Esc',
  PageUp: 'Page Up',
  PageDown: 'Page Down',
  Delete: 'Del',
  ' ': 'Space',
}

/** The caps to draw for a combination: `Ctrl+ArrowUp` → `Ctrl`, `↑`. */
export function keyCaps(keys: string): string[] {
  return splitKeys(keys).map((key) => shown[key] ?? key)
}

/** A plus sign as the key itself is the last character: `Ctrl++`. */
function splitKeys(keys: string): string[] {
  if (keys === '+') return ['+']
  if (keys.endsWith('++')) return [...keys.slice(0, -2).split('+'), '+']
  return keys.split('+')
}

interface KeyPress {
  readonly key: string
  readonly ctrlKey: boolean
  readonly metaKey: boolean
  readonly altKey: boolean
  readonly shiftKey: boolean
}

/** Keys that exist only with Shift on some keyboards: there Shift is no modifier of its own. */
const symbol = /^[^a-z0-9\s]$/i

/** The combination of a keyboard event, in the form in which commands state theirs. */
export function keysOfEvent(event: KeyPress): string {
  const key = event.key.length === 1 ? event.key.toUpperCase() : event.key
  const parts: string[] = []
  if (event.ctrlKey || event.metaKey) parts.push('Ctrl')
  if (event.altKey) parts.push('Alt')
  if (event.shiftKey && !symbol.test(key)) parts.push('Shift')
  parts.push(key)
  return parts.join('+')
}

/** For screen readers: the value of `aria-keyshortcuts`. */
export function ariaKeys(keys: string): string {
  return splitKeys(keys)
    .map((key) => (key === 'Ctrl' ? 'Control' : key === ' ' ? 'Space' : key === '+' ? 'Plus' : key))
    .join('+')
}
