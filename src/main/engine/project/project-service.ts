import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ServiceImplementation } from '../../../shared/contract/definition.ts'
import type { ProjectState, projectsService, VolumeImport } from '../../../shared/contract/projects.ts'
import type { VolumeSummary } from '../../../shared/contract/volumes.ts'
import { badInput, isPhasemarkError, PhasemarkError, throwIfCancelled } from '../../../shared/errors.ts'
import { createFolderMemory } from '../view/folder-memory.ts'
import { openOptionsOf } from '../view/inspect-volume.ts'
import type { OpenProject, ProjectHolder } from './project-holder.ts'
import { addMaterial, orderMaterials, updateMaterial } from './project-materials.ts'
import { freeProjectPath, realPathOrSame } from './project-paths.ts'
import { ProjectSession, withProjectEnding } from './project-session.ts'
import { describeProject } from './project-state.ts'
import { addVolume, describeChange, removeVolume, updateVolume } from './project-volumes.ts'
import type { ProjectService, ProjectServiceOptions } from './projects-engine.ts'
import { lacksThumbnail, RecentProjects } from './recent-projects.ts'
import { createSampleProject } from './sample-project.ts'
import { SourceStates } from './source-states.ts'
import { readThumbnail } from './thumbnail.ts'

/** The picture in the list of projects can wait: it is not seen while the project is open. */
const thumbnailDelayMs = 1000

/** The project that is open, with what belongs to it only. */
interface OpenState {
  session: ProjectSession
  sources: SourceStates
  /** Fires when the project closes: ends what goes on in the background. */
  closing: AbortController
}

/**
 * The `projects` service: one project open at a time. Opening another closes the first once the other is known to open.
 */
export function createProjectService(options: ProjectServiceOptions): ProjectService {
  const { guard, inspect, labelSummary, memory = createFolderMemory() } = options
  const recent = new RecentProjects(options.stateFolder)
  const listeners = new Set<() => Promise<void>>()
  const openedListeners = new Set<() => void>()
  let open: OpenState | null = null
  let switching: Promise<unknown> = Promise.resolve()

  const holder: ProjectHolder = {
    current: (): OpenProject => requireOpen().session,
    onClosing(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    onOpened(listener) {
      openedListeners.add(listener)
      return () => openedListeners.delete(listener)
    },
  }

  function requireOpen(): OpenState {
    if (open === null)
      throw new PhasemarkError('WrongUsage', 'No project is open. Open or make one first.', {})
    return open
  }

  /** Opening and closing one after the other, so that never two are open. */
  async function inTurn<Result>(action: () => Promise<Result>): Promise<Result> {
    const done = switching.then(action)
    switching = done.catch(() => undefined)
    return await done
  }

  async function describe(state: OpenState): Promise<ProjectState> {
    return await describeProject(state.session, state.sources, labelSummary)
  }

  async function announce(state: OpenState): Promise<ProjectState> {
    const described = await describe(state)
    if (open === state) options.emit('changed', described)
    return described
  }

  async function closeCurrent(): Promise<void> {
    if (open === null) return
    const closing = open
    closing.closing.abort()
    // Journals end before the project is given free. What they answered is on disk already, so that trouble at their end must not
    // keep the project open for ever.
    for (const listener of listeners) await warnInstead(listener)
    open = null
    await closing.session.close()
  }

  async function replaceWith(session: ProjectSession): Promise<ProjectState> {
    await closeCurrent()
    const state: OpenState = { session, sources: new SourceStates(options), closing: new AbortController() }
    session.onMaterialsAdded = async () => {
      await announce(state)
    }
    await state.sources.locate(session)
    open = state
    const described = await announce(state)
    for (const listener of [...openedListeners]) listener()
    await noteOpened(described)
    inBackground(async () => {
      if (await state.sources.verify(session, state.closing.signal)) await announce(state)
      await drawThumbnail(state)
    })
    return described
  }

  /** The list is a convenience: that it cannot be written must not keep a project from opening. */
  async function noteOpened({ path: place, name, volumes }: ProjectState): Promise<void> {
    await warnInstead(() => recent.opened({ path: place, name, volumes: volumes.length }))
  }

  async function drawThumbnail(state: OpenState): Promise<void> {
    const { session, sources, closing } = state
    // Whoever added or opened a volume waits for its first slice.
    await sleep(thumbnailDelayMs, undefined, { signal: closing.signal, ref: false }).catch(() => undefined)
    if (closing.signal.aborted) return
    const first = session.volumes.find(({ id }) => sources.of(id).state === 'ok')
    if (first === undefined || !lacksThumbnail(await recent.list(), session.folder)) return
    const picture = await readThumbnail(first.path, {
      ...openOptionsOf(first.raw),
      memory,
      signal: closing.signal,
    })
    await recent.update(session.folder, { thumbnail: picture })
  }

  async function inspectWanted(
    wanted: Pick<VolumeImport, 'path' | 'raw'>,
    signal: AbortSignal,
  ): Promise<{ path: string; summary: VolumeSummary }> {
    const place = await guard.check(wanted.path)
    return { path: place, summary: await inspect(place, wanted.raw, { signal }) }
  }

  /** Changes the project, saves it, and tells everybody. */
  async function change(
    state: OpenState,
    apply: (session: ProjectSession) => Promise<void>,
  ): Promise<ProjectState> {
    await apply(state.session)
    return await announce(state)
  }

  const implementation: ServiceImplementation<typeof projectsService> = {
    recent: async (_, { signal }) => {
      const all = await recent.list(signal)
      const reachable = await Promise.all(all.map((entry) => guard.allows(entry.path)))
      return all.filter((_entry, position) => reachable[position])
    },
    forgetRecent: async ({ path: place }) => {
      await recent.forget(place)
      return {}
    },
    suggestPath: async ({ name }) => ({ path: await freeProjectPath(options.defaultFolder, name) }),
    create: ({ path: place, name }) =>
      inTurn(async () => {
        const folder = await guard.check(withProjectEnding(place))
        return await replaceWith(await ProjectSession.create(folder, name))
      }),
    open: ({ path: place }) =>
      inTurn(async () => {
        const folder = await guard.check(projectFolderOf(place))
        // One that is open for looking only is opened anew: it may be free by now.
        if (open?.session.readOnly === null && (await isSamePlace(open.session.folder, folder)))
          return await describe(open)
        return await replaceWith(await ProjectSession.open(folder))
      }),
    current: () => inTurn(async () => (open === null ? null : await describe(open))),
    close: () =>
      inTurn(async () => {
        const wasOpen = open !== null
        await closeCurrent()
        if (wasOpen) options.emit('changed', null)
        return {}
      }),
    rename: async ({ name }) => {
      const state = requireOpen()
      const described = await change(state, (session) => session.update((project) => ({ ...project, name })))
      await warnInstead(() => recent.update(described.path, { name }))
      return described
    },
    addVolume: async (wanted, { signal }) => {
      const state = requireOpen()
      state.session.requireWritable()
      const { path: place, summary } = await inspectWanted(wanted, signal)
      let volumeId = ''
      const project = await change(state, async (session) => {
        await session.update(async (stored) => {
          const added = await addVolume(session.folder, stored, { ...wanted, path: place }, summary)
          volumeId = added.volumeId
          return added.project
        })
        state.sources.settle(volumeId)
      })
      await noteVolumes(state, project)
      return { project, volumeId }
    },
    updateVolume: async ({ volumeId, change: wanted }, { signal }) => {
      const state = requireOpen()
      state.session.requireWritable()
      const defined = definedOf(wanted)
      // Also one whose source may not be read: this is how it gets another place.
      const current = state.session.described(volumeId)
      const isElsewhere = defined.path !== undefined || defined.raw !== undefined
      const found = isElsewhere
        ? await inspectWanted({ path: current.path, raw: current.raw, ...defined }, signal)
        : null
      if (found !== null) await requireSuitedSource(state.session, volumeId, found.summary)
      return await change(state, async (session) => {
        await session.update((project) =>
          updateVolume(
            session.folder,
            project,
            volumeId,
            found === null ? defined : { ...defined, path: found.path },
            found?.summary ?? null,
          ),
        )
        if (found === null) return
        state.session.permit(volumeId)
        state.sources.settle(volumeId)
      })
    },
    removeVolume: async ({ volumeId }) => {
      const state = requireOpen()
      const described = await change(state, (session) =>
        session.update((project) => removeVolume(session.folder, project, volumeId)),
      )
      await noteVolumes(state, described)
      return described
    },
    lookAgain: async ({ volumeId }, { signal }) => {
      const state = requireOpen()
      state.session.described(volumeId)
      await state.sources.lookAgain(state.session, volumeId, signal)
      throwIfCancelled(signal)
      return await announce(state)
    },
    addMaterial: async (wanted) => {
      const state = requireOpen()
      let index = 0
      const project = await change(state, (session) =>
        session.update((stored) => {
          const { materials, added } = addMaterial(session.folder, stored.materials, wanted)
          index = added.index
          return { ...stored, materials }
        }),
      )
      return { project, index }
    },
    updateMaterial: async ({ index, change: wanted }) =>
      await change(requireOpen(), (session) =>
        session.update((stored) => ({
          ...stored,
          materials: updateMaterial(session.folder, stored.materials, index, definedOf(wanted)),
        })),
      ),
    orderMaterials: async ({ indices }) =>
      await change(requireOpen(), (session) =>
        session.update((stored) => ({
          ...stored,
          materials: orderMaterials(session.folder, stored.materials, indices),
        })),
      ),
    createSample: async ({ recipe }, { signal }) => {
      await guard.check(options.defaultFolder)
      // Takes seconds; only opening it has to wait for others, and they for it.
      const sample = await createSampleProject({
        ...{ recipe, folder: options.defaultFolder, inspect, signal },
        onProgress: (progress) => {
          options.emit('sampleProgress', { recipe, progress })
        },
      })
      return await inTurn(async () => {
        const described = await replaceWith(sample.session)
        await options.startImport({ volumeId: sample.volumeId, path: sample.scribbles, keepExisting: true })
        return described
      })
    },
  }

  /** A source of another size would carry labels that mean nothing. */
  async function requireSuitedSource(
    session: ProjectSession,
    volumeId: string,
    summary: VolumeSummary,
  ): Promise<void> {
    const current = session.described(volumeId)
    if (describeChange(current.summary, summary) === null) return
    const labels = await labelSummary(volumeId)
    if (labels.labelledVoxels === 0) return
    throw badInput(
      summary.path,
      `${current.summary.shape.join(' × ')} ${current.summary.dtype} (z, y, x) as when "${current.name}" was labelled`,
      `${summary.shape.join(' × ')} ${summary.dtype}`,
    )
  }

  async function noteVolumes(state: OpenState, project: ProjectState): Promise<void> {
    const volumes = project.volumes.length
    await warnInstead(() =>
      recent.update(project.path, volumes === 0 ? { volumes, thumbnail: null } : { volumes }),
    )
    if (volumes > 0) inBackground(() => drawThumbnail(state))
  }

  return {
    implementation,
    holder,
    async refresh() {
      if (open !== null) await announce(open)
    },
    close: () => inTurn(closeCurrent),
  }
}

/** Work that nobody waits for. What goes wrong there is written to the log of the process. */
function inBackground(action: () => Promise<void>): void {
  void warnInstead(action)
}

async function warnInstead(action: () => Promise<void>): Promise<void> {
  try {
    await action()
  } catch (error) {
    if (isPhasemarkError(error) && error._tag === 'Cancelled') return
    process.emitWarning(error instanceof Error ? error : String(error))
  }
}

/** A project may also be named by the file inside it, as a file dialog does. */
function projectFolderOf(place: string): string {
  return path.basename(place) === 'project.json' ? path.dirname(place) : place.replace(/(?<=.)[/\\]+$/, '')
}

async function isSamePlace(left: string, right: string): Promise<boolean> {
  return (await realPathOrSame(left)) === (await realPathOrSame(right))
}

/** Without the keys whose value is `undefined`: what was not given is not changed. */
function definedOf<Given extends object>(
  given: Given,
): { [Key in keyof Given]?: Exclude<Given[Key], undefined> } {
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) as {
    [Key in keyof Given]?: Exclude<Given[Key], undefined>
  }
}
