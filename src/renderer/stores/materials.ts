import { defineStore } from 'pinia'
import { computed, ref } from 'vue'
import type { ProjectMaterial } from '../../shared/contract/projects.ts'
import { unlabelledIndex } from '../../shared/materials.ts'
import type { MaterialStyle } from '../viewer/interfaces.ts'
import { useApi } from './api.ts'
import { useNoticesStore } from './notices.ts'
import { useProjectStore } from './project.ts'

type MaterialChange = Partial<Pick<ProjectMaterial, 'name' | 'colour' | 'visible' | 'locked' | 'removed'>>

/** Digits that choose a material: 1 to 9. */
export const materialDigits = 9

/** Materials of the open project, in the user's order, and which of them the tools paint. */
export const useMaterialsStore = defineStore('materials', () => {
  const api = useApi()
  const project = useProjectStore()
  const notices = useNoticesStore()
  const chosenIndex = ref<number | null>(null)

  const all = computed(() => project.project?.materials ?? [])
  /** Those that are not removed. */
  const materials = computed(() => all.value.filter(({ removed }) => !removed))
  /** The one that is painted; the first until somebody chooses. `null` while there is none. */
  const active = computed(
    () => materials.value.find(({ index }) => index === chosenIndex.value) ?? materials.value.at(0) ?? null,
  )
  const styles = computed<MaterialStyle[]>(() =>
    all.value.map(({ index, name, colour, visible, removed }) => ({
      index,
      name,
      colour,
      visible: visible && !removed,
    })),
  )

  function find(index: number): ProjectMaterial | undefined {
    return all.value.find((material) => material.index === index)
  }

  /** Name for people, also of 0 and of removed ones. */
  function nameOf(index: number): string {
    return index === unlabelledIndex ? 'Unlabelled' : (find(index)?.name ?? `material ${index}`)
  }

  function choose(index: number): void {
    chosenIndex.value = index
  }

  /** Adds a material and makes it the active one. */
  async function add(name: string): Promise<void> {
    const { index } = await api.data.projects.addMaterial({ name })
    chosenIndex.value = index
  }

  async function change(index: number, part: MaterialChange): Promise<void> {
    await api.data.projects.updateMaterial({ index, change: part })
  }

  /** Takes a material out of sight; its voxels stay, so the notice can bring it back as it was. */
  async function remove(index: number): Promise<void> {
    const material = find(index)
    if (material === undefined) return
    await change(index, { removed: true })
    notices.add({
      tone: 'ok',
      title: `${material.name} removed`,
      text: 'Its labels are kept out of sight; training and export leave them out.',
      key: `material-${index}`,
      actions: [
        {
          label: 'Undo',
          run: async () => {
            await change(index, { removed: false })
            chosenIndex.value = index
          },
        },
      ],
    })
  }

  /** Moves a material by `steps` places in the list; its index, colour and voxels stay. */
  async function move(index: number, steps: number): Promise<void> {
    const shown = materials.value.map((material) => material.index)
    const from = shown.indexOf(index)
    const to = Math.min(shown.length - 1, Math.max(0, from + steps))
    if (from < 0 || from === to) return
    shown.splice(to, 0, ...shown.splice(from, 1))
    const removed = all.value.filter((material) => material.removed).map((material) => material.index)
    await api.data.projects.orderMaterials({ indices: [...shown, ...removed] })
  }

  return { all, materials, active, styles, chosenIndex, find, nameOf, choose, add, change, remove, move }
})
