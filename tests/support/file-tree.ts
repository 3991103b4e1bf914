import { createHash } from 'node:crypto'
import { existsSync, lstatSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterAll } from 'vitest'

/** A folder for one test file, removed after its tests. */
export function scratchFolder(name: string): string {
  const folder = mkdtempSync(path.join(os.tmpdir(), `phasemark-${name}-`))
  afterAll(() => {
    rmSync(folder, { recursive: true, force: true })
  })
  return folder
}

/**
 * SHA-256 of every file below `places`, by path; folders and links are listed too, what does not exist is `missing`. Two
 * equal trees are the same to the last byte.
 */
export function contentOf(...places: string[]): Record<string, string> {
  const content: Record<string, string> = {}
  const visit = (place: string) => {
    const status = lstatSync(place)
    if (status.isSymbolicLink()) content[place] = `link to ${readlinkSync(place)}`
    else if (status.isDirectory()) {
      content[place] = 'folder'
      for (const name of readdirSync(place)) visit(path.join(place, name))
    } else content[place] = createHash('sha256').update(readFileSync(place)).digest('hex')
  }
  for (const place of places) {
    if (existsSync(place)) visit(place)
    else content[place] = 'missing'
  }
  return content
}

/** As {@link contentOf} for one place, with paths relative to it, to compare two places. */
export function treeOf(place: string): Record<string, string> {
  return Object.fromEntries(
    Object.entries(contentOf(place)).map(([file, hash]) => [path.relative(place, file), hash]),
  )
}
