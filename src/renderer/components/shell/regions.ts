/**
 * Regions of the window, moved between with F6: elements with `data-region`, in the order title bar, activity, toolbar, left,
 * centre, right, status. Each remembers what had the focus in it.
 */
const order = ['titlebar', 'activity', 'toolbar', 'left', 'centre', 'right', 'status'] as const

const focusable =
  'a[href], button:not([disabled]), input:not([disabled]), [tabindex]:not([tabindex="-1"]), summary'
const lastFocused = new WeakMap<Element, HTMLElement>()

function isVisible(element: Element): boolean {
  return element.getClientRects().length > 0
}

/** What receives the focus when the region is entered; `null` when nothing in it can. */
function entryOf(region: Element): HTMLElement | null {
  const last = lastFocused.get(region)
  if (last?.isConnected && region.contains(last) && isVisible(last)) return last
  for (const element of region.querySelectorAll<HTMLElement>(focusable))
    if (isVisible(element)) return element
  return null
}

/** Moves the focus to the next region (`step` 1) or the one before (−1) that has something to focus. */
export function cycleRegions(root: ParentNode, step: 1 | -1): void {
  const regions = [...root.querySelectorAll('[data-region]')]
    .map((element) => ({
      element,
      place: order.findIndex((name) => name === element.getAttribute('data-region')),
    }))
    .sort((a, b) => a.place - b.place)
    .map(({ element }) => element)
  const active = document.activeElement
  const current = regions.findIndex((region) => region.contains(active))
  const from = regions.at(current)
  if (current >= 0 && from !== undefined && active instanceof HTMLElement) lastFocused.set(from, active)
  for (let tried = 1; tried <= regions.length; tried++) {
    const start = current < 0 ? (step > 0 ? -1 : 0) : current
    const target = entryOf(regions[(start + step * tried + regions.length * 2) % regions.length])
    if (target !== null) {
      target.focus({ focusVisible: true })
      return
    }
  }
}
