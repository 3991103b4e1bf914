import { copyFile, readFile } from 'node:fs/promises'
import path from 'node:path'
import { z } from 'zod'
import type { RecentProject } from '../../../shared/contract/projects.ts'
import { badInput, throwIfCancelled } from '../../../shared/errors.ts'
import { makeFolder, writeFileAtomic } from '../files/atomic-file.ts'
import { systemErrorCode } from '../files/system-error.ts'
import { isProjectFolder } from './project-file.ts'
import { thumbnailEdge } from './thumbnail.ts'

const fileName = 'recent-projects.json'

/** What a start page can show; also bounds the file. */
const maxRecent = 30

const thumbnailBytes = thumbnailEdge * thumbnailEdge

const entrySchema = z.object({
  path: z.string(),
  name: z.string(),
  openedAt: z.iso.datetime(),
  volumes: z.number().int().min(0),
  /** 64 × 64 bytes as base64. */
  thumbnail: z.base64().nullable(),
})
type Entry = z.infer<typeof entrySchema>

const listSchema = z.object({ projects: z.array(entrySchema).max(10 * maxRecent) })

/** The projects that this user opened last, newest first, in one file of the state folder. */
export class RecentProjects {
  private readonly folder: string
  private changing: Promise<unknown> = Promise.resolve()

  constructor(stateFolder: string) {
    this.folder = stateFolder
  }

  /** With a look at each whether it is still there. */
  async list(signal?: AbortSignal): Promise<RecentProject[]> {
    const entries = await this.read()
    throwIfCancelled(signal)
    return await Promise.all(
      entries.map(async ({ thumbnail, ...entry }) => ({
        ...entry,
        state: (await isProjectFolder(entry.path)) ? ('ok' as const) : ('missing' as const),
        thumbnail: decodeThumbnail(thumbnail),
      })),
    )
  }

  /** Puts a project at the head of the list. Throws `NoSpace`, `NotWritable`. */
  async opened(project: { path: string; name: string; volumes: number }): Promise<void> {
    await this.change((entries) => {
      const before = entries.find((entry) => entry.path === project.path)
      const thumbnail = project.volumes > 0 ? (before?.thumbnail ?? null) : null
      const entry = { ...project, thumbnail, openedAt: new Date().toISOString() }
      return [entry, ...entries.filter((each) => each !== before)]
    })
  }

  /** Notes name, number of volumes or picture of a project in the list; nothing when it is not in there. */
  async update(
    project: string,
    change: { name?: string; volumes?: number; thumbnail?: Uint8Array | null },
  ): Promise<void> {
    await this.change((entries) =>
      entries.map((entry) => {
        if (entry.path !== project) return entry
        const { thumbnail, ...rest } = change
        const picture =
          thumbnail === undefined
            ? {}
            : { thumbnail: thumbnail === null ? null : Buffer.from(thumbnail).toString('base64') }
        return { ...entry, ...rest, ...picture }
      }),
    )
  }

  async forget(project: string): Promise<void> {
    await this.change((entries) => entries.filter((entry) => entry.path !== project))
  }

  private async change(change: (entries: Entry[]) => Entry[]): Promise<void> {
    const changed = this.changing.then(async () => {
      // Read each time: another window of this user may have its own process.
      const before = await this.read()
      const after = change(before).slice(0, maxRecent)
      await makeFolder(this.folder)
      await writeFileAtomic(
        path.join(this.folder, fileName),
        `${JSON.stringify({ projects: after }, null, 1)}\n`,
      )
    })
    this.changing = changed.catch(() => undefined)
    await changed
  }

  private async read(): Promise<Entry[]> {
    const file = path.join(this.folder, fileName)
    let text
    try {
      text = await readFile(file, 'utf8')
    } catch (error) {
      if (systemErrorCode(error) === 'ENOENT') return []
      throw badInput(file, 'a readable file', String(error), { cause: error })
    }
    const parsed = parseList(text)
    if (parsed !== null) return parsed
    // Only a list for convenience: it begins anew, and the damaged one stays for whoever wants to look.
    await copyFile(file, `${file}.damaged`)
    return []
  }
}

/** Whether a project of the list has a picture already. */
export function lacksThumbnail(recent: readonly RecentProject[], project: string): boolean {
  return recent.find((entry) => entry.path === project)?.thumbnail === null
}

function parseList(text: string): Entry[] | null {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return null
  }
  const parsed = listSchema.safeParse(value)
  return parsed.success ? parsed.data.projects : null
}

function decodeThumbnail(text: string | null): Uint8Array | null {
  if (text === null) return null
  const bytes = new Uint8Array(Buffer.from(text, 'base64'))
  return bytes.length === thumbnailBytes ? bytes : null
}
