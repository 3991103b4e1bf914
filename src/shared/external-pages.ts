/**
 * Pages that the product itself links to. Nothing else is ever opened in the user's browser: an address may come from a
 * project file, a model card or a report that a stranger wrote.
 */
export const externalPages = {
  nvidiaDrivers: 'https://www.nvidia.com/drivers/',
  vgg16Authors: 'https://www.robots.ox.ac.uk/~vgg/research/very_deep/',
  vgg16Licence: 'https://creativecommons.org/licenses/by/4.0/',
  kerasVgg16: 'https://keras.io/api/applications/vgg/',
  interLicence: 'https://openfontlicense.org/',
} as const

const allowed: ReadonlySet<string> = new Set(Object.values(externalPages))

/** Whether `address`, to the letter, is one of {@link externalPages}. */
export function isExternalPage(address: string): boolean {
  return allowed.has(address)
}
