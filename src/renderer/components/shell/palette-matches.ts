/** A line of the palette. */
export interface PaletteItem {
  id: string
  group: 'Go to' | 'Commands' | 'Volumes'
  title: string
  /** Other words by which it is found. */
  words: string
  keys: string | null
  /** At the right, in the third text colour: why it cannot be done now, the shape of a volume. */
  note: string | null
  disabled: boolean
  run: () => void
}

export type PlaceAxis = 'z' | 'y' | 'x'

/** `z 308`, `y=12`, `x 7`; several at once in any order: `z 308 y 12`. `null` when it is no place. */
export function parsePlace(query: string): Partial<Record<PlaceAxis, number>> | null {
  const text = query.trim().toLowerCase()
  if (!/^([zyx]\s*=?\s*\d{1,9}\s*,?\s*)+$/.test(text)) return null
  const place: Partial<Record<PlaceAxis, number>> = {}
  for (const [, axis, index] of text.matchAll(/([zyx])\s*=?\s*(\d+)/g))
    if (axis === 'z' || axis === 'y' || axis === 'x') place[axis] = Number(index)
  return place
}

/**
 * How well `query` fits: each of its words must begin a word of `text` (2), be inside one (1), or its letters must follow one
 * another in it (0.5); `null` when one does not. Higher is better.
 */
export function matchScore(query: string, text: string): number | null {
  const haystack = text.toLowerCase()
  let score = 0
  for (const word of query.toLowerCase().split(/\s+/).filter(Boolean)) {
    const at = haystack.indexOf(word)
    if (at >= 0) score += at === 0 || /[^a-z0-9]/.test(haystack.charAt(at - 1)) ? 2 : 1
    else if (hasLettersInOrder(word, haystack)) score += 0.5
    else return null
  }
  return score
}

function hasLettersInOrder(word: string, text: string): boolean {
  let from = 0
  for (const letter of word) {
    const at = text.indexOf(letter, from)
    if (at < 0) return false
    from = at + 1
  }
  return true
}

/** What fits the query, best first within each group; groups stay together. `>` at the beginning leaves commands only. */
export function matchItems(query: string, items: readonly PaletteItem[], limit = 60): PaletteItem[] {
  const commandsOnly = query.trimStart().startsWith('>')
  const words = commandsOnly ? query.trimStart().slice(1) : query
  const scored = items
    .filter((item) => !commandsOnly || item.group === 'Commands')
    .flatMap((item, position) => {
      const score = matchScore(words, `${item.title} ${item.words}`)
      return score === null ? [] : [{ item, score, position }]
    })
    .sort((a, b) => b.score - a.score || a.position - b.position)
    .slice(0, limit)
  const groups = [...new Set(scored.map(({ item }) => item.group))]
  return groups.flatMap((group) => scored.filter(({ item }) => item.group === group).map(({ item }) => item))
}
