import os from 'node:os'
import { badInput, cancelled, throwIfCancelled } from '../../../shared/errors.ts'
import type { ProjectVolume } from '../../../shared/contract/projects.ts'
import type { VolumeMeta } from '../../../shared/volume.ts'
import { ByteCache } from './byte-cache.ts'
import { createFolderMemory } from './folder-memory.ts'
import { inspectVolume, openOptionsOf, summaryOf } from './inspect-volume.ts'
import { fingerprintOf } from './pyramid/cache-folder.ts'
import type { CachedPlane } from './slice-reader.ts'
import { openViewThread, ViewedVolume } from './viewed-volume.ts'
import type { VolumesEngine, VolumesServiceOptions } from './volumes-engine.ts'

const defaultMemoryCacheBytes = 256 * 2 ** 20
/** Never more of the computer's memory than this, whatever is asked for. */
const largestMemoryShare = 0.25

interface OpenEntry {
  volume: ViewedVolume
  path: string
  /** What the source was like when it was opened; `null` when that could not be told. */
  fingerprint: string | null
}

/**
 * Makes the `volumes` service of this process. Volumes are opened by their id in the project that is open, and let go when it
 * closes.
 */
export function createVolumesService(options: VolumesServiceOptions): VolumesEngine {
  const { project, emit, jobs, cacheFolder, cacheLimitBytes, memory = createFolderMemory() } = options
  const memoryBytes = Math.min(
    options.memoryCacheBytes ?? defaultMemoryCacheBytes,
    os.totalmem() * largestMemoryShare,
  )
  const cache = new ByteCache<CachedPlane>(memoryBytes)
  const entries = new Map<string, Promise<OpenEntry>>()
  const stopListening = project.onClosing(closeAll)

  async function openEntry(volumeId: string): Promise<OpenEntry> {
    const described = project.current().volume(volumeId)
    const { path, raw, name } = described
    // Looked at before the headers are read, so that no change in between is missed.
    const fingerprint = fingerprintOf(path).catch(() => null)
    const volume = await ViewedVolume.open({
      volumeId,
      title: name,
      path,
      raw: openOptionsOf(raw).raw,
      cache,
      memory,
      cacheFolder,
      limitBytes: cacheLimitBytes,
      marginBytes: options.cacheMarginBytes,
      layoutLimits: options.pyramidLimits,
      jobs,
      onPyramidChanged: (state) => {
        emit('pyramidChanged', state)
      },
    })
    try {
      requireSame(volume.meta, described)
    } catch (error) {
      await volume.close()
      throw error
    }
    // Whoever opens a volume is about to look at it.
    volume.pyramid.noteActivity()
    volume.pyramid.start()
    return { volume, path, fingerprint: await fingerprint }
  }

  /** The volume, opened when it is not. Callers at the same time share one opening. */
  function entryOf(volumeId: string): Promise<OpenEntry> {
    const known = entries.get(volumeId)
    if (known !== undefined) return known
    const opening = openEntry(volumeId)
    entries.set(volumeId, opening)
    opening.catch(() => {
      if (entries.get(volumeId) === opening) entries.delete(volumeId)
    })
    return opening
  }

  async function volumeOf(volumeId: string): Promise<ViewedVolume> {
    return (await entryOf(volumeId)).volume
  }

  /** Closes a volume whose source or description is no longer what it was opened with. Throws `NotFound` when it is gone. */
  async function closeIfChanged(volumeId: string): Promise<void> {
    const known = entries.get(volumeId)
    if (known === undefined) return
    const { path, fingerprint } = await known
    const now = await fingerprintOf(project.current().volume(volumeId).path)
    if (path === project.current().volume(volumeId).path && now === fingerprint) return
    await closeVolume(volumeId)
  }

  async function closeVolume(volumeId: string): Promise<void> {
    const entry = entries.get(volumeId)
    entries.delete(volumeId)
    // A volume that could not be opened is closed.
    const opened = await entry?.catch(() => null)
    await opened?.volume.close()
  }

  async function closeAll(): Promise<void> {
    await Promise.all([...entries.keys()].map(closeVolume))
  }

  return {
    implementation: {
      inspect: ({ path, raw }, { signal }) => inspectVolume(path, raw, { signal, memory }),
      async preview({ path, raw, maxExtent }, { signal }) {
        const { thread } = await openViewThread(path, openOptionsOf(raw).raw, memory, signal)
        try {
          return await thread.ask('preview', { maxExtent }, signal)
        } finally {
          await thread.end()
        }
      },
      async open({ volumeId }, { signal }) {
        await closeIfChanged(volumeId)
        const volume = await volumeOf(volumeId)
        throwIfCancelled(signal)
        return { summary: summaryOf(volume.meta), pyramid: volume.pyramid.state() }
      },
      async close({ volumeId }) {
        await closeVolume(volumeId)
        return {}
      },
      histogram: async ({ volumeId }, { signal }) => await (await volumeOf(volumeId)).histogram(signal),
      sliceLimits: async ({ volumeId, z }, { signal }) =>
        await (await volumeOf(volumeId)).sliceLimits(z, signal),
      async readPlane({ volumeId, ...request }, { signal }) {
        const volume = await volumeOf(volumeId)
        // Scrubbing drops most requests while they wait for the volume to open.
        if (signal.aborted) throw cancelled()
        return await volume.readPlane(request, signal)
      },
    },
    source: async (volumeId) => (await volumeOf(volumeId)).source(),
    async close() {
      stopListening()
      await closeAll()
    },
  }
}

/** A source of another shape or type has other voxels than the labels of the project were drawn on. */
function requireSame(meta: VolumeMeta, { path, summary }: ProjectVolume): void {
  const words = (shape: readonly number[], dtype: string) => `${shape.join(' × ')} ${dtype}`
  const expected = words(summary.shape, summary.dtype)
  const found = words(meta.shape, meta.dtype)
  if (expected !== found) throw badInput(path, `${expected} as when the volume was added`, found)
}
