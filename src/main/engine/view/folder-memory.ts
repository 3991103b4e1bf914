import { stat } from 'node:fs/promises'
import path from 'node:path'
import type { KnownSlices } from '../volume/known-slices.ts'
import { maxSlices } from '../volume/limits.ts'
import { untilAborted } from './until-aborted.ts'

/** Folders that are remembered: a project and what is looked at for importing rarely have more at a time. */
const mostFolders = 8

/**
 * What was found out about folders of slices lately, so that the headers of thousands of files are read once and not by each part of the
 * process that opens them. Whoever uses it compares all files with it: see `openVolume`.
 */
export interface FolderMemory {
  /**
   * Opens a path through `open`, which gets what is known of it, and remembers what `open` found. Others that use the same folder
   * meanwhile wait, and then know it. Throws what `open` throws, `Cancelled` through the signal while it waits.
   */
  use<Opened extends { readonly known?: KnownSlices | undefined }>(
    source: string,
    open: (known: KnownSlices | undefined) => Promise<Opened>,
    signal?: AbortSignal,
  ): Promise<Opened>
}

export function createFolderMemory(): FolderMemory {
  /** The one used last is the last. */
  const folders = new Map<string, KnownSlices>()
  /** Settle, and never reject, when a folder has been read. */
  const reading = new Map<string, Promise<unknown>>()

  function recall(folder: string): KnownSlices | undefined {
    const known = folders.get(folder)
    if (known !== undefined) remember(folder, known)
    return known
  }

  function remember(folder: string, known: KnownSlices | undefined): void {
    folders.delete(folder)
    if (known !== undefined) folders.set(folder, known)
    const slices = () => [...folders.values()].reduce((sum, { files }) => sum + files.length, 0)
    while (folders.size > mostFolders || slices() > maxSlices) folders.delete(folders.keys().next().value!)
  }

  return {
    async use(source, open, signal) {
      // A file is opened with a look at its start; nobody should wait for that.
      const isFolder = (await stat(source).catch(() => null))?.isDirectory() ?? false
      if (!isFolder) return await open(undefined)
      const folder = path.resolve(source)
      const others = reading.get(folder)
      if (others !== undefined) await (signal === undefined ? others : untilAborted(others, signal))
      const known = recall(folder)
      const opening = open(known)
      const settled = opening.catch(() => undefined)
      if (known === undefined) reading.set(folder, settled)
      try {
        const opened = await opening
        remember(folder, opened.known)
        return opened
      } finally {
        if (reading.get(folder) === settled) reading.delete(folder)
      }
    },
  }
}
