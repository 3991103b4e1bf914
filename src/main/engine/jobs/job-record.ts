import { mkdir, readFile, readdir, rm } from 'node:fs/promises'
import path from 'node:path'
import { z } from 'zod'
import { jobIdSchema } from '../../../shared/contract/jobs.ts'
import { writeFileAtomic } from '../files/atomic-file.ts'
import { systemErrorCode } from '../files/system-error.ts'

/** A job that has not ended, as it is kept on disk for the process after this one. */
const recordedJobSchema = z.object({
  id: jobIdSchema,
  kind: z.string(),
  title: z.string(),
  startedAt: z.iso.datetime(),
  resume: z.unknown().optional(),
  /** In how many processes it has been running, this one included; one that only waited is not counted. */
  attempts: z.number().int().min(0),
  /** Somebody has asked to stop it. */
  stopping: z.boolean().default(false),
})
export type RecordedJob = z.infer<typeof recordedJobSchema>

const recordSchema = z.object({ version: z.literal(1), jobs: z.array(recordedJobSchema) })

/**
 * The jobs that run in this process, in a small file that outlives it. There is one file per engine process and host
 * (`data-4711.json`: the data process of host 4711), so that two windows on one computer do not take each other's jobs.
 */
export interface JobRecord {
  /**
   * Takes over what an earlier process of this host, or of one that is gone, has left. Those files stay until the next
   * {@link write} has put their jobs into this process's own: at no moment is a job nowhere.
   */
  adopt(): Promise<RecordedJob[]>
  /** Replaces what is on disk. Resolves when it is there; of several calls in a row only the last is written. */
  write(jobs: readonly RecordedJob[]): Promise<void>
}

/**
 * @param folder made when missing
 * @param processName `data`, `compute`
 * @param hostPid the process that starts this one again when it dies
 */
export function openJobRecord(folder: string, processName: string, hostPid: number): JobRecord {
  const file = path.join(folder, `${processName}-${hostPid}.json`)
  let wanted: readonly RecordedJob[] = []
  let writing: Promise<void> | null = null
  /** Files of hosts that are gone, whose jobs were taken over. */
  const adopted: string[] = []

  async function writeWanted(): Promise<void> {
    // Whatever was wanted meanwhile is in here too.
    await Promise.resolve()
    const jobs = wanted
    writing = null
    if (jobs.length === 0) await rm(file, { force: true })
    else {
      await mkdir(folder, { recursive: true })
      await writeFileAtomic(file, `${JSON.stringify({ version: 1, jobs }, null, 2)}\n`)
    }
    for (const left of adopted.splice(0)) await rm(left, { force: true })
  }

  let last: Promise<void> = Promise.resolve()
  return {
    async adopt() {
      // By id: a process that died while it took jobs over has left them in two files.
      const left = new Map<string, RecordedJob>()
      for (const name of await namesIn(folder)) {
        const owner = new RegExp(`^${processName}-(\\d+)\\.json$`).exec(name)?.[1]
        if (owner === undefined) continue
        if (Number(owner) !== hostPid && lives(Number(owner))) continue
        const full = path.join(folder, name)
        for (const job of await readRecord(full)) left.set(job.id, job)
        if (full !== file) adopted.push(full)
      }
      return [...left.values()]
    },
    write(jobs) {
      wanted = jobs
      if (writing === null) {
        const before = last
        writing = before.catch(() => undefined).then(writeWanted)
        last = writing
      }
      return writing
    },
  }
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder)
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return []
    throw error
  }
}

/** Written atomically, so what cannot be read was made by another version or by hand: there is nothing to take over. */
async function readRecord(file: string): Promise<RecordedJob[]> {
  const text = await readFile(file, 'utf8')
  try {
    return recordSchema.parse(JSON.parse(text)).jobs
  } catch (error) {
    process.emitWarning(
      `${file}: expected a record of jobs, found something else; it is left out (${String(error)})`,
    )
    return []
  }
}

function lives(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return systemErrorCode(error) === 'EPERM'
  }
}
