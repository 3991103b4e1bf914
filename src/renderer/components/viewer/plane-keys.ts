/** Keys of a plane (ui.md §5), as data: what a press asks for, or `null` when it is not ours. */
export type PlaneKeyAction =
  | { kind: 'step'; slices: number }
  | { kind: 'jump-labelled'; direction: -1 | 1 }
  | { kind: 'next-plane' }
  | { kind: 'auto-window'; scope: 'volume' | 'slice' }
  | { kind: 'hold-overlay' }
  | { kind: 'overlay-style' }
  | { kind: 'fit' }
  | { kind: 'zoom'; factor: number }
  | { kind: 'pan'; dx: number; dy: number }

interface KeyPress {
  key: string
  shiftKey: boolean
  ctrlKey: boolean
  altKey: boolean
  metaKey: boolean
}

/** CSS pixels that Alt + arrow moves the plane. */
const panPixels = 64
const zoomFactor = 1.25
/** Slices of Shift + arrow. */
export const coarseStep = 10

const pans: Partial<Record<string, [dx: number, dy: number]>> = {
  ArrowUp: [0, panPixels],
  ArrowDown: [0, -panPixels],
  ArrowLeft: [panPixels, 0],
  ArrowRight: [-panPixels, 0],
}

export function planeKeyAction(event: KeyPress): PlaneKeyAction | null {
  if (event.ctrlKey || event.metaKey) return null
  if (event.altKey) {
    const pan = pans[event.key]
    return pan === undefined ? null : { kind: 'pan', dx: pan[0], dy: pan[1] }
  }
  const step = event.shiftKey ? coarseStep : 1
  switch (event.key) {
    case 'ArrowUp':
      return { kind: 'step', slices: -step }
    case 'ArrowDown':
      return { kind: 'step', slices: step }
    case 'PageUp':
      return { kind: 'jump-labelled', direction: -1 }
    case 'PageDown':
      return { kind: 'jump-labelled', direction: 1 }
    case 'Home':
      return { kind: 'fit' }
    case '+':
    case '=':
      return { kind: 'zoom', factor: zoomFactor }
    case '-':
      return { kind: 'zoom', factor: 1 / zoomFactor }
    case 'x':
      return { kind: 'next-plane' }
    case 'a':
      return { kind: 'auto-window', scope: 'volume' }
    case 'A':
      return { kind: 'auto-window', scope: 'slice' }
    case 'o':
      return { kind: 'hold-overlay' }
    case 'O':
      return { kind: 'overlay-style' }
    default:
      return null
  }
}

/** The nearest labelled slice before or after `index`; `null` when there is none. `slices` in any order. */
export function nextLabelled(slices: ArrayLike<number>, index: number, direction: -1 | 1): number | null {
  let best: number | null = null
  for (let at = 0; at < slices.length; at++) {
    const slice = slices[at] ?? index
    if ((slice - index) * direction > 0 && (best === null || (best - slice) * direction > 0)) best = slice
  }
  return best
}
