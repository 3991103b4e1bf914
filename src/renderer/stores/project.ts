import { defineStore } from 'pinia'
import { computed, ref, shallowRef } from 'vue'
import { hasTag } from '../../shared/errors.ts'
import type {
  ProjectState,
  RecentProject,
  SampleRecipe,
  VolumeEntry,
  VolumeImport,
} from '../../shared/contract/projects.ts'
import type { Api } from '../api/api.ts'
import { useApi } from './api.ts'
import { useNoticesStore } from './notices.ts'

/** The open project as the data process tells it, and which of its volumes is looked at. */
export const useProjectStore = defineStore('project', () => {
  const api = useApi()
  const notices = useNoticesStore()
  /** Replaced as a whole, never changed in place; parts of it are sent back as they are. */
  const project = shallowRef<ProjectState | null>(null)
  const chosenId = ref<string | null>(null)
  /** Opening or making a project now: what is shown stays, dimmed. */
  const opening = ref(false)
  /** Whether the data process has said what is open; before that nothing is known. */
  const known = ref(false)
  const saidRecovered = new Set<string>()

  const volumes = computed(() => project.value?.volumes ?? [])
  /** The chosen volume: the first one until somebody chooses. */
  const volume = computed<VolumeEntry | null>(
    () => volumes.value.find((entry) => entry.id === chosenId.value) ?? volumes.value.at(0) ?? null,
  )
  const readOnly = computed(() => project.value?.readOnly ?? null)

  function take(state: ProjectState | null): void {
    if (state !== null && state.path !== project.value?.path) chosenId.value = null
    project.value = state
    known.value = true
    if (state?.recovered != null && !saidRecovered.has(state.path)) {
      saidRecovered.add(state.path)
      notices.add({
        tone: 'ok',
        title: 'The last use ended without closing',
        text: state.recovered,
        key: 'recovered',
      })
    }
  }

  /**
   * Asks what is open. A data process that was started again has nothing open: the project that this window had open is then
   * opened again, before anybody else asks for something in it.
   */
  async function refresh({ projects }: Pick<Api['data'], 'projects'> = api.data): Promise<void> {
    const had = project.value?.path ?? null
    try {
      const current = await projects.current({})
      take(current ?? (had === null ? null : await projects.open({ path: had })))
    } catch (error) {
      // Gone again meanwhile: the next connection asks again.
      if (hasTag(error, 'Disconnected')) return
      notices.addError('The project could not be opened again', error, {
        key: 'project',
        safe: 'Everything that was confirmed is on disk.',
        actions: [{ label: 'Try again', run: () => refresh() }],
      })
    }
  }

  async function open(path: string): Promise<void> {
    await whileOpening(() => api.data.projects.open({ path }))
  }

  async function create(path: string, name: string): Promise<void> {
    await whileOpening(() => api.data.projects.create({ path, name }))
  }

  async function createSample(recipe: SampleRecipe): Promise<void> {
    await whileOpening(() => api.data.projects.createSample({ recipe }))
  }

  async function whileOpening(make: () => Promise<ProjectState>): Promise<void> {
    opening.value = true
    try {
      take(await make())
    } finally {
      opening.value = false
    }
  }

  async function close(): Promise<void> {
    await api.data.projects.close({})
    take(null)
  }

  async function rename(name: string): Promise<void> {
    take(await api.data.projects.rename({ name }))
  }

  /** Adds a volume and chooses it. */
  async function addVolume(volumeImport: VolumeImport): Promise<string> {
    const { project: state, volumeId } = await api.data.projects.addVolume(volumeImport)
    take(state)
    chosenId.value = volumeId
    return volumeId
  }

  async function updateVolume(volumeId: string, change: Partial<VolumeImport>): Promise<void> {
    take(await api.data.projects.updateVolume({ volumeId, change }))
  }

  /** Takes a volume out of the list. Its labels stay in the project; the notice offers to take it back. */
  async function removeVolume(volumeId: string): Promise<void> {
    const removed = volumes.value.find((entry) => entry.id === volumeId)
    if (removed === undefined) return
    take(await api.data.projects.removeVolume({ volumeId }))
    const { name, path, raw, voxelSize, voxelSizeEntered, role } = removed
    notices.add({
      tone: 'ok',
      title: `${name} removed from the project`,
      text: 'Its files are untouched and its labels stay in the project.',
      actions: [
        {
          label: 'Undo',
          run: async () => {
            await addVolume({ name, path, raw, voxelSize, voxelSizeEntered, role })
          },
        },
      ],
    })
  }

  /** Looks whether the source of a volume is there again. */
  async function lookAgain(volumeId: string): Promise<void> {
    take(await api.data.projects.lookAgain({ volumeId }))
  }

  function choose(volumeId: string): void {
    chosenId.value = volumeId
  }

  function recent(): Promise<RecentProject[]> {
    return api.data.projects.recent({})
  }

  async function forgetRecent(path: string): Promise<void> {
    await api.data.projects.forgetRecent({ path })
  }

  function start(): void {
    api.data.projects.on('changed', take)
    api.beforeDataIsUsed(refresh)
    if (api.connection('data') === 'connected') void refresh()
  }

  return {
    project,
    volumes,
    volume,
    chosenId,
    opening,
    known,
    readOnly,
    refresh,
    open,
    create,
    createSample,
    close,
    rename,
    addVolume,
    updateVolume,
    removeVolume,
    lookAgain,
    choose,
    recent,
    forgetRecent,
    start,
  }
})
