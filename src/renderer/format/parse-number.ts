/** What a number typed into a field has to be. */
export interface NumberRule {
  /** What it is, for the sentence: `Voxel size`. */
  name: string
  min?: number | undefined
  max?: number | undefined
  /** Whether `min` itself is excluded: `must be above 0`. */
  aboveMin?: boolean | undefined
  integer?: boolean | undefined
  /** Whether nothing at all is a value too. */
  optional?: boolean | undefined
  unit?: string | undefined
}

export type ParsedNumber = { value: number | null; problem: null } | { value: undefined; problem: string }

/**
 * Reads what a person typed: spaces of any width between thousands, a decimal point or comma, `−` as minus, an exponent.
 * Never rounds and never clamps: what does not fit is a problem, said in one sentence.
 */
export function parseNumber(text: string, rule: NumberRule): ParsedNumber {
  const plain = text.replace(/\s/gu, '').replace('−', '-').replace(',', '.')
  if (plain === '')
    return rule.optional ? { value: null, problem: null } : wrong(`${rule.name} must be a number`)
  if (!/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(plain)) return wrong(`${rule.name} must be a number`)
  const value = Number(plain)
  if (!Number.isFinite(value)) return wrong(`${rule.name} is too large`)
  if (rule.integer && !Number.isInteger(value)) return wrong(`${rule.name} must be a whole number`)
  const unit = rule.unit === undefined ? '' : ` ${rule.unit}`
  if (rule.min !== undefined && rule.aboveMin && value <= rule.min)
    return wrong(`${rule.name} must be above ${fieldText(rule.min)}${unit}`)
  if (rule.min !== undefined && value < rule.min)
    return wrong(`${rule.name} must be at least ${fieldText(rule.min)}${unit}`)
  if (rule.max !== undefined && value > rule.max)
    return wrong(`${rule.name} must be at most ${fieldText(rule.max)}${unit}`)
  return { value, problem: null }
}

/** A number as it stands in a field: all its digits up to 7, no thousands marks, so that it can be edited. */
export function fieldText(value: number | null): string {
  if (value === null) return ''
  return Number.isInteger(value) ? String(value) : String(Number(value.toPrecision(7)))
}

function wrong(problem: string): ParsedNumber {
  return { value: undefined, problem }
}
