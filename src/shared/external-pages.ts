/**
 * Pages that the product itself links to. Nothing else is ever opened in the user's browser: an address may come from a
 * project file, a model card or a report that a stranger wrote.
 */
export const externalPages = {
  nvidiaDrivers: 'https://www.nvidia.com/drivers/',
} as const

const allowed: ReadonlySet<string> = new Set(Object.values(externalPages))

/** Whether `address`, to the letter, is one of {@link externalPages}. */
export function isExternalPage(address: string): boolean {
  return allowed.has(address)
}
