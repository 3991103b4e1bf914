import type { ProjectMaterial, ProjectVolume } from '../../../shared/contract/projects.ts'

/** The project that is open in this process. */
export interface OpenProject {
  readonly folder: string
  /** Why it can only be looked at, as one sentence; `null` when it is ours to write. */
  readonly readOnly: string | null
  /** Throws `NotFound` for an id that the project does not have. */
  volume(id: string): ProjectVolume
  readonly volumes: readonly ProjectVolume[]
  /** In the user's order, removed ones included. */
  readonly materials: readonly ProjectMaterial[]
  /** Adds materials that do not exist yet; used by imports. Returns them with their indices. Throws `BadInput` beyond 255. */
  addMaterials(
    wanted: readonly { value: number; name: string; colour?: string }[],
  ): Promise<ProjectMaterial[]>
  /** Folder of the journal and snapshots of a volume's labels; may not exist yet. */
  labelFolder(volumeId: string): string
}

/** Which project is open; services that hold something of it let go when it closes. */
export interface ProjectHolder {
  /** Throws `WrongUsage` when none is open. */
  current(): OpenProject
  /** Called and awaited before the project changes or closes. Returns a function that forgets the listener. */
  onClosing(listener: () => Promise<void>): () => void
  /** Called when a project has been opened, also one that was open before. Returns a function that forgets the listener. */
  onOpened(listener: () => void): () => void
}
