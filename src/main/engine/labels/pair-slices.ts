import { badInput } from '../../../shared/errors.ts'
import type { LabelPairing } from './label-source.ts'

/** Names of slices and where they come from, for messages. */
export interface NamedSlices {
  path: string
  /** What the slices are, for messages: `label slice`, `truth slice`. */
  what: string
  /** File stem of each slice, in order. */
  names: readonly string[]
}

export interface SlicePairing {
  pairing: LabelPairing
  /** For each wanted slice the position of its partner, in order of `wanted`. */
  positions: number[]
}

/** How many names a message lists before it says how many more there are. */
const namesInMessage = 5

/**
 * Finds for each slice of `wanted` the slice of `available` with the same file stem. When not a single stem matches, slices
 * pair by position, and then both must have the same number.
 *
 * Throws `BadInput` when some stems match and others do not (the file names are then meaningful and a file is missing or
 * misnamed), when a stem that is needed occurs twice, or when slices would pair by position and the numbers differ.
 */
export function pairSlices(wanted: NamedSlices, available: NamedSlices): SlicePairing {
  return shareNames(wanted, available) ? pairByName(wanted, available) : pairByPosition(wanted, available)
}

/** Whether a single name occurs on both sides: then names mean something, and position nothing. */
export function shareNames(wanted: NamedSlices, available: NamedSlices): boolean {
  const names = new Set(available.names)
  return wanted.names.some((name) => names.has(name))
}

/** Pairs by file stem alone. Throws as {@link pairSlices}. */
export function pairByName(wanted: NamedSlices, available: NamedSlices): SlicePairing {
  const positionOf = new Map<string, number>()
  const repeated = new Set<string>()
  for (const [position, name] of available.names.entries()) {
    if (positionOf.has(name)) repeated.add(name)
    positionOf.set(name, position)
  }
  const missing = wanted.names.filter((name) => !positionOf.has(name))
  if (missing.length > 0)
    throw badInput(
      wanted.path,
      `a ${available.what} of the same name in ${available.path} for every ${wanted.what}`,
      `none for ${listNames(missing)}`,
    )
  const seen = new Set<string>()
  for (const name of wanted.names) {
    if (seen.has(name)) throw badInput(wanted.path, `one ${wanted.what} per name`, `${name} twice`)
    if (repeated.has(name)) throw badInput(available.path, `one ${available.what} per name`, `${name} twice`)
    seen.add(name)
  }
  return { pairing: 'stem', positions: wanted.names.map((name) => positionOf.get(name)!) }
}

/** Pairs by position alone. Throws `BadInput` with both numbers when they differ. */
export function pairByPosition(wanted: NamedSlices, available: NamedSlices): SlicePairing {
  if (wanted.names.length !== available.names.length)
    throw badInput(
      wanted.path,
      `${wanted.what}s named like the ${available.what}s of ${available.path} (such as ${available.names[0]}), ` +
        `or, paired by position, as many (${available.names.length})`,
      `${wanted.names.length} with other names (such as ${wanted.names[0]})`,
    )
  return { pairing: 'position', positions: wanted.names.map((_, position) => position) }
}

/** `a, b, c and 12 more` */
export function listNames(names: readonly (string | number)[]): string {
  if (names.length === 0) return 'none'
  const shown = names.slice(0, namesInMessage).join(', ')
  return names.length > namesInMessage ? `${shown} and ${names.length - namesInMessage} more` : shown
}
