import { randomUUID } from 'node:crypto'
import { copyFile, lstat, mkdir, readFile, rename, rm } from 'node:fs/promises'
import path from 'node:path'
import { z } from 'zod'
import {
  projectVolumeSchema,
  type ProjectMaterial,
  type ProjectVolume,
} from '../../../shared/contract/projects.ts'
import { hasTag, PhasemarkError } from '../../../shared/errors.ts'
import { makeFolder, syncFolder, writeFileAtomic } from '../files/atomic-file.ts'
import { acquireLock, type FolderLock } from '../files/lock.ts'
import { systemErrorCode } from '../files/system-error.ts'
import { writeError } from '../files/write-error.ts'
import type { OpenProject } from './project-holder.ts'
import { damagedFileName, projectEnding, projectFileName, readProject, writeProject } from './project-file.ts'
import { addWantedMaterials, type WantedMaterial } from './project-materials.ts'
import {
  labelFolderOf,
  locateSource,
  makeProjectFolders,
  relativeSource,
  requireConfinedFolders,
} from './project-paths.ts'
import { currentMajor, currentMinor, type StoredProject, type StoredVolume } from './project-schema.ts'

/** Lies in a project while it is open for writing; found at opening, it tells of an end without closing. */
const openMarkerName = '.phasemark-open'

const openMarkerSchema = z.object({ pid: z.number().int(), openedAt: z.iso.datetime() })

/** How the last use ended, when it did not end by closing. */
export interface UncleanEnd {
  /** `null` when the note itself is damaged. */
  openedAt: string | null
}

/** A project that this process has open. Everything is saved as it is done. */
export class ProjectSession implements OpenProject {
  readonly folder: string
  readonly readOnly: string | null
  /** Set when `project.json` was damaged: what was used instead. */
  readonly damage: string | null
  readonly uncleanEnd: UncleanEnd | null
  private project: StoredProject
  private text: string
  /** Where each source is now, where that differs from what the file says. */
  private readonly located: Map<string, string | null>
  private readonly lock: FolderLock | null
  /** Called after an import has added materials. */
  onMaterialsAdded: (() => Promise<void>) | null = null
  /** Volumes whose source may not be reached from this window. */
  private readonly unreachable = new Map<string, string>()
  /** The owner, when somebody else holds the project. */
  private readonly heldBy: string | null
  private saving: Promise<unknown> = Promise.resolve()
  private volumeList: readonly ProjectVolume[]
  private closed = false

  private constructor(
    opened: Access & {
      folder: string
      project: StoredProject
      text: string
      damage: string | null
      located: Map<string, string | null>
    },
  ) {
    this.folder = opened.folder
    this.project = opened.project
    this.text = opened.text
    this.damage = opened.damage
    this.located = opened.located
    this.readOnly = opened.readOnly
    this.heldBy = opened.heldBy
    this.lock = opened.lock
    this.uncleanEnd = opened.uncleanEnd
    this.volumeList = this.listVolumes()
  }

  /**
   * Opens a project; for reading only when somebody else holds it or the folder cannot be written.
   * Throws `NotFound`, `BadInput` (no project, damaged, made by a newer major version, a link that leads out).
   */
  static async open(folder: string): Promise<ProjectSession> {
    // Looked at before locking: what is no project gets no lock file.
    await readProject(folder)
    await requireConfinedFolders(folder)
    const access = await requestAccess(folder)
    try {
      // Read again: whoever held it before may have written between.
      const { project, text, damage } = await readProject(folder)
      if (access.readOnly === null) {
        await makeProjectFolders(folder)
        if (damage !== null) await putDamagedAside(folder, project)
      }
      const located = new Map<string, string | null>()
      for (const volume of project.volumes) located.set(volume.id, await locateSource(folder, volume))
      return new ProjectSession({ folder, project, text, damage, located, ...access })
    } catch (error) {
      await access.lock?.release()
      throw error
    }
  }

  /**
   * Makes an empty project and opens it. The folder appears whole or not at all.
   * Throws `OutputExists`, `NotWritable`, `NoSpace`.
   */
  static async create(folder: string, name: string): Promise<ProjectSession> {
    await requireFree(folder)
    const parent = path.dirname(folder)
    await makeFolder(parent)
    const temporary = path.join(parent, `.phasemark-${process.pid}-${randomUUID()}.tmp`)
    try {
      await mkdirOrThrow(temporary)
      await makeProjectFolders(temporary)
      await writeProject(temporary, emptyProject(name), null)
      try {
        await rename(temporary, folder)
      } catch (error) {
        if (['EEXIST', 'ENOTEMPTY', 'ENOTDIR', 'EPERM'].includes(systemErrorCode(error) ?? ''))
          await requireFree(folder)
        throw writeError(folder, error)
      }
    } catch (error) {
      await rm(temporary, { recursive: true, force: true })
      throw error
    }
    await syncFolder(parent)
    return await ProjectSession.open(folder)
  }

  get name(): string {
    return this.project.name
  }

  get stored(): StoredProject {
    return this.project
  }

  get volumes(): readonly ProjectVolume[] {
    return this.volumeList
  }

  get materials(): readonly ProjectMaterial[] {
    return this.project.materials
  }

  volume(id: string): ProjectVolume {
    const volume = this.described(id)
    const reason = this.unreachable.get(id)
    if (reason !== undefined) throw new PhasemarkError('NotFound', reason, { path: volume.path })
    return volume
  }

  /** What the project says of a volume, also when its source may not be read. Throws `NotFound` for an id that it does not have. */
  described(id: string): ProjectVolume {
    const volume = this.volumeList.find((each) => each.id === id)
    if (volume === undefined)
      throw new PhasemarkError('NotFound', `${this.folder}: no volume ${id} in this project`, {
        path: this.folder,
      })
    return volume
  }

  /** From now on {@link volume} throws `NotFound` with `reason`: nothing of that source may be read. */
  forbid(id: string, reason: string): void {
    this.unreachable.set(id, reason)
  }

  /** Takes back {@link forbid}. */
  permit(id: string): void {
    this.unreachable.delete(id)
  }

  /** Looks for the source of a volume again: its drive may be connected by now. */
  async locateAgain(id: string): Promise<void> {
    const stored = this.project.volumes.find((volume) => volume.id === id)
    if (stored === undefined) return
    this.located.set(id, await locateSource(this.folder, stored))
    this.volumeList = this.listVolumes()
  }

  /** Whether {@link volume} gives this volume out. */
  isReachable(id: string): boolean {
    return !this.unreachable.has(id)
  }

  /** Whether the source of a volume was found when the project was opened, or was given since. */
  isSourceFound(id: string): boolean {
    return this.located.get(id) !== null
  }

  labelFolder(volumeId: string): string {
    return labelFolderOf(this.folder, volumeId)
  }

  async addMaterials(wanted: readonly WantedMaterial[]): Promise<ProjectMaterial[]> {
    let found: ProjectMaterial[] = []
    await this.update((project) => {
      const changed = addWantedMaterials(this.folder, project.materials, wanted)
      found = changed.found
      const isNew = changed.materials.some((material, position) => material !== project.materials[position])
      return isNew ? { ...project, materials: changed.materials } : project
    })
    await this.onMaterialsAdded?.()
    return found
  }

  /**
   * Changes the project: one change after the other, each on the disk before the next begins and before this resolves. When
   * `change` or saving throws, nothing has changed.
   * Throws `Locked` or `NotWritable` when opened for reading only, `NoSpace`, `NotWritable`.
   */
  async update(change: (project: StoredProject) => StoredProject | Promise<StoredProject>): Promise<void> {
    this.requireWritable()
    const saved = this.saving.then(async () => {
      if (this.closed) throw new PhasemarkError('WrongUsage', `${this.folder}: the project is closed`, {})
      const changed = await change(this.project)
      if (changed === this.project) return
      const before = new Map(this.project.volumes.map((volume) => [volume.id, volume.path]))
      // A source that was given a new place is there, whatever was found at opening.
      const kept = new Map(
        [...this.located].filter(([id]) =>
          changed.volumes.some((volume) => volume.id === id && volume.path === before.get(id)),
        ),
      )
      const next = { ...changed, volumes: changed.volumes.map((volume) => this.settlePlace(volume, kept)) }
      this.text = await writeProject(this.folder, next, this.text)
      this.project = next
      this.located.clear()
      for (const [id, place] of kept) if (place === null) this.located.set(id, null)
      this.volumeList = this.listVolumes()
    })
    // A change that failed is its caller's; the next one goes on.
    this.saving = saved.catch(() => undefined)
    await saved
  }

  /** Throws `Locked` or `NotWritable` when opened for reading only. */
  requireWritable(): void {
    if (this.heldBy !== null)
      throw new PhasemarkError('Locked', `${this.folder}: ${this.readOnly ?? ''}`, {
        path: this.folder,
        owner: this.heldBy,
      })
    if (this.readOnly !== null)
      throw new PhasemarkError('NotWritable', `${this.folder}: ${this.readOnly}`, { path: this.folder })
  }

  /** Waits for what is being saved, then gives the project free. Safe to call twice. */
  async close(): Promise<void> {
    if (this.closed) return
    await this.saving
    this.closed = true
    if (this.lock === null) return
    await rm(path.join(this.folder, openMarkerName), { force: true })
    await this.lock.release()
  }

  /** A source that was found beside the project is written down where it is now, so that each can move on its own again. */
  private settlePlace(volume: StoredVolume, located: ReadonlyMap<string, string | null>): StoredVolume {
    const place = located.get(volume.id)
    if (place === undefined || place === null || place === volume.path) return volume
    return { ...volume, path: place, relativePath: relativeSource(this.folder, place) }
  }

  private listVolumes(): ProjectVolume[] {
    return this.project.volumes.map((volume) => this.toProjectVolume(volume))
  }

  private toProjectVolume(volume: StoredVolume): ProjectVolume {
    const { id, name, raw, voxelSize, voxelSizeEntered, role, addedAt, summary } = volume
    const place = this.located.get(id) ?? volume.path
    return projectVolumeSchema.parse({
      ...{ id, name, path: place, raw, voxelSize, voxelSizeEntered, role, addedAt },
      summary: { ...summary, path: place },
    })
  }
}

interface Access {
  lock: FolderLock | null
  readOnly: string | null
  heldBy: string | null
  uncleanEnd: UncleanEnd | null
}

/** The app that had the project open may just be ending: it crashed and was started again, or its window was closed. */
const patienceMs = 3000

async function requestAccess(folder: string): Promise<Access> {
  const looking = { lock: null, uncleanEnd: null }
  let lock: FolderLock | null = null
  try {
    lock = await acquireLock(folder, { purpose: 'Phasemark project', patienceMs })
    const uncleanEnd = await readOpenMarker(folder)
    const marker = { pid: process.pid, openedAt: new Date().toISOString() }
    await writeFileAtomic(path.join(folder, openMarkerName), `${JSON.stringify(marker)}\n`)
    return { lock, uncleanEnd, readOnly: null, heldBy: null }
  } catch (error) {
    await lock?.release()
    if (hasTag(error, 'Locked')) {
      const { owner } = error.fields
      return { ...looking, heldBy: owner, readOnly: `In use by ${owner}. Opened for looking only.` }
    }
    if (hasTag(error, 'NotWritable'))
      return {
        ...looking,
        heldBy: null,
        readOnly: `The folder cannot be written (${causeOf(error)}). Opened for looking only.`,
      }
    if (hasTag(error, 'NoSpace'))
      return {
        ...looking,
        heldBy: null,
        readOnly: 'The disk is full. Opened for looking only; free some space and open the project again.',
      }
    throw error
  }
}

function causeOf(error: PhasemarkError): string {
  const { cause } = error
  return systemErrorCode(cause) ?? error.message
}

async function readOpenMarker(folder: string): Promise<UncleanEnd | null> {
  const file = path.join(folder, openMarkerName)
  let text
  try {
    text = await readFile(file, 'utf8')
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return null
    throw writeError(file, error)
  }
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return { openedAt: null }
  }
  const parsed = openMarkerSchema.safeParse(value)
  return { openedAt: parsed.success ? parsed.data.openedAt : null }
}

/** The good copy becomes the project file again; what was damaged stays beside it, for whoever wants to look. */
async function putDamagedAside(folder: string, project: StoredProject): Promise<void> {
  const file = path.join(folder, projectFileName)
  try {
    await copyFile(file, path.join(folder, damagedFileName))
  } catch (error) {
    // The file may be missing instead of damaged.
    if (systemErrorCode(error) !== 'ENOENT') throw writeError(file, error)
  }
  await writeProject(folder, project, null)
}

function emptyProject(name: string): StoredProject {
  return {
    format: 'phasemark-project',
    schemaVersion: `${currentMajor}.${currentMinor}`,
    name,
    createdAt: new Date().toISOString(),
    writtenBy: '',
    volumes: [],
    removedVolumes: [],
    materials: [],
  }
}

/** Adds the ending when the user left it out. */
export function withProjectEnding(place: string): string {
  const trimmed = place.replace(/[/\\]+$/, '')
  return trimmed.toLowerCase().endsWith(projectEnding) ? trimmed : `${trimmed}${projectEnding}`
}

async function requireFree(folder: string): Promise<void> {
  try {
    await lstat(folder)
  } catch (error) {
    const code = systemErrorCode(error)
    if (code === 'ENOENT') return
    throw writeError(folder, error)
  }
  throw new PhasemarkError('OutputExists', `${folder}: exists already; choose another name`, { path: folder })
}

async function mkdirOrThrow(folder: string): Promise<void> {
  try {
    await mkdir(folder)
  } catch (error) {
    throw writeError(folder, error)
  }
}
