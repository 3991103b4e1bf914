/** Text that is HTML already. Everything else is escaped when it is put into a page. */
export interface Html {
  readonly markup: string
}

/** What may stand in a template: text and numbers are escaped, lists are joined, `null` and `false` leave nothing. */
export type HtmlPart = Html | string | number | null | false | readonly HtmlPart[]

/**
 * Builds HTML. Names of files, materials and models come from strangers: every value is escaped, in text and in quoted
 * attributes alike, unless it was made by this function itself.
 */
export function html(strings: TemplateStringsArray, ...parts: HtmlPart[]): Html {
  let markup = strings[0]
  for (const [index, part] of parts.entries()) markup += render(part) + strings[index + 1]
  return { markup }
}

/** Markup of this program's own making that needs no escaping, such as a style sheet. */
export function trusted(markup: string): Html {
  return { markup }
}

function render(part: HtmlPart): string {
  if (part === null || part === false) return ''
  if (typeof part === 'string') return escape(part)
  if (typeof part === 'number') return escape(String(part))
  if ('markup' in part) return part.markup
  return part.map(render).join('')
}

const entities: Record<string, string> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
  '`': '&#96;',
}

/** Control characters show as nothing and can reorder what is read; they become a visible replacement. */
function escape(text: string): string {
  return text
    .replace(/[&<>"'`]/g, (character) => entities[character])
    .replace(/[\p{Cc}\u202a-\u202e\u2066-\u2069]/gu, (character) => (character === '\n' ? ' ' : '\ufffd'))
}

const colourPattern = /^#[0-9a-f]{6}$/i

/** A colour for a `style` or `fill` attribute; anything but `#rrggbb` becomes a neutral grey, because styles are code too. */
export function safeColour(colour: string): string {
  return colourPattern.test(colour) ? colour : '#8a8a8a'
}
