import path from 'node:path'
import { z } from 'zod'

/** Paths that the user asked to open outside the window: command line, second start, file manager. */

/** More than anybody gives on a command line, few enough for a hostile second start not to matter. */
const mostPaths = 64
const longestPath = 32_768

/** What a second start hands to the first. */
export const secondStartSchema = z.object({
  paths: z.array(z.string().min(1).max(longestPath)).max(mostPaths),
})
export type SecondStart = z.infer<typeof secondStartSchema>

/**
 * Paths among the arguments of a command line, absolute. Switches (`--…`) belong to Electron.
 *
 * @param options.ownArguments how many leading arguments are the program's: 1 when packaged, 2 for `electron .`
 */
export function pathsFromArguments(
  argv: readonly string[],
  options: { ownArguments: number; workingFolder: string },
): string[] {
  return argv
    .filter((argument) => !argument.startsWith('-') && argument !== '')
    .slice(options.ownArguments)
    .slice(0, mostPaths)
    .map((argument) => path.resolve(options.workingFolder, argument))
}

/** Keeps requests until the window takes them, so that one that comes before the window is ready is not lost. */
export class OpenRequests {
  readonly #announce: () => void
  #waiting: string[] = []

  /** `announce` is called after each request that came. */
  constructor(announce: () => void) {
    this.#announce = announce
  }

  add(paths: readonly string[]): void {
    if (paths.length === 0) return
    this.#waiting.push(...paths)
    this.#announce()
  }

  /** All that came since the last call, in order. */
  take(): string[] {
    const taken = this.#waiting
    this.#waiting = []
    return taken
  }
}
