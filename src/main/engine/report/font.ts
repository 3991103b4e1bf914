import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { PhasemarkError } from '../../../shared/errors.ts'

/** From this module, in `src` and in `dist` alike, to the root of the package. */
const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../../../..')
const fontFile = path.join(root, 'resources', 'fonts', 'inter-var.woff2')

/** The typeface of the interface (Inter, SIL Open Font Licence) as a style rule, so that a report looks the same everywhere. */
export async function fontRule(): Promise<string> {
  let font: Buffer
  try {
    font = await readFile(fontFile)
  } catch (cause) {
    throw new PhasemarkError(
      'Internal',
      `${fontFile}: expected the typeface that comes with Phasemark`,
      {},
      { cause },
    )
  }
  return `@font-face { font-family: Inter; font-weight: 400 700; src: url(data:font/woff2;base64,${font.toString('base64')}) format("woff2"); }\n`
}
