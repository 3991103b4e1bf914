import { mkdir, open, readFile, rm, rmdir, stat, utimes } from 'node:fs/promises'
import { readFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { z } from 'zod'
import { hasTag, PhasemarkError } from '../../../shared/errors.ts'
import { systemErrorCode } from './system-error.ts'
import { writeError } from './write-error.ts'

const lockName = '.phasemark-lock'

/** How often the owner shows that it lives. */
const heartbeatMs = 10_000

/** How often a waiting process looks whether the owner is gone. */
const retryMs = 50

/**
 * A lock of another computer without a sign of life for this long is taken over. Long, because training blocks its
 * process for seconds and a laptop may sleep; on the same computer the process itself is looked up instead.
 */
const staleAfterMs = 15 * 60_000

/** A lock file without readable content is being written right now, or its writer died in that moment. */
const unreadableStaleAfterMs = 30_000

const lockSchema = z.object({
  host: z.string(),
  pid: z.number().int(),
  /** Tells this process from a later one that got the same number; `null` where the system does not say. */
  processStart: z.string().nullable(),
  purpose: z.string(),
  since: z.string(),
  token: z.string(),
})
type LockContent = z.infer<typeof lockSchema>

export interface FolderLock {
  /** Gives the folder free. Safe to call twice. */
  release(): Promise<void>
}

/**
 * Holds `folder` (which must exist) for this process: a second opener gets `Locked` naming the owner. A lock whose
 * process is gone, or that another computer has not refreshed for 15 minutes, is taken over.
 *
 * @param options.purpose what the owner does, for the message that others get: `training`
 * @param options.patienceMs how long to wait for an owner that may be just ending; default: not at all
 * Throws `Locked`, `NotWritable`, `NoSpace`.
 */
export async function acquireLock(
  folder: string,
  options: { purpose: string; patienceMs?: number },
): Promise<FolderLock> {
  const file = path.join(folder, lockName)
  const content: LockContent = {
    host: os.hostname(),
    pid: process.pid,
    processStart: processStart(process.pid),
    purpose: options.purpose,
    since: new Date().toISOString(),
    token: randomUUID(),
  }
  await createOrTakeOver(folder, file, content, performance.now() + (options.patienceMs ?? 0))
  const heartbeat = setInterval(() => {
    const now = new Date()
    // A missed beat is made up for by the next; a lock file that was removed by hand is noticed at release.
    utimes(file, now, now).catch(() => undefined)
  }, heartbeatMs)
  heartbeat.unref()
  let released = false
  return {
    async release() {
      if (released) return
      released = true
      clearInterval(heartbeat)
      const held = await readLock(file)
      if (held !== 'missing' && held.content?.token === content.token) await rm(file, { force: true })
    },
  }
}

/** @param until moment of `performance.now()` up to which an owner is waited for */
async function createOrTakeOver(
  folder: string,
  file: string,
  content: LockContent,
  until: number,
): Promise<void> {
  for (;;) {
    if (await createLockFile(file, content)) return
    try {
      await takeOver(folder, file, content)
      return
    } catch (error) {
      if (!hasTag(error, 'Locked') || performance.now() >= until) throw error
    }
    await delay(retryMs)
  }
}

async function createLockFile(file: string, content: LockContent): Promise<boolean> {
  let handle
  try {
    handle = await open(file, 'wx')
  } catch (error) {
    if (systemErrorCode(error) === 'EEXIST') return false
    throw writeError(file, error)
  }
  try {
    await handle.writeFile(`${JSON.stringify(content)}\n`)
    await handle.sync()
  } catch (error) {
    await rm(file, { force: true })
    throw writeError(file, error)
  } finally {
    await handle.close()
  }
  return true
}

/** Removes a stale lock and takes its place. A folder made with `mkdir`, which only one can make, keeps others away. */
async function takeOver(folder: string, file: string, content: LockContent): Promise<void> {
  const held = await readLock(file)
  if (held !== 'missing' && !isStale(held)) throw lockedBy(folder, held.content)
  const guard = `${file}.taking-over`
  await removeAbandonedGuard(guard)
  try {
    await mkdir(guard)
  } catch (error) {
    if (systemErrorCode(error) === 'EEXIST') throw lockedBy(folder, null)
    throw writeError(guard, error)
  }
  try {
    // Judged again inside the guard: another process may have taken over in the meantime.
    const current = await readLock(file)
    if (current !== 'missing') {
      if (!isStale(current)) throw lockedBy(folder, current.content)
      await rm(file, { force: true })
    }
    if (!(await createLockFile(file, content))) throw lockedBy(folder, null)
  } finally {
    await rmdir(guard)
  }
}

async function removeAbandonedGuard(guard: string): Promise<void> {
  try {
    const { mtimeMs } = await stat(guard)
    if (Date.now() - mtimeMs > unreadableStaleAfterMs) await rmdir(guard)
  } catch (error) {
    if (systemErrorCode(error) !== 'ENOENT') throw writeError(guard, error)
  }
}

interface HeldLock {
  content: LockContent | null
  ageMs: number
}

async function readLock(file: string): Promise<HeldLock | 'missing'> {
  try {
    const [{ mtimeMs }, text] = await Promise.all([stat(file), readFile(file, 'utf8')])
    return { content: parseLock(text), ageMs: Date.now() - mtimeMs }
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return 'missing'
    throw writeError(file, error)
  }
}

function parseLock(text: string): LockContent | null {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    // Half-written or damaged: judged by its age.
    return null
  }
  const parsed = lockSchema.safeParse(value)
  return parsed.success ? parsed.data : null
}

function isStale({ content, ageMs }: HeldLock): boolean {
  if (content === null) return ageMs > unreadableStaleAfterMs
  if (content.host !== os.hostname()) return ageMs > staleAfterMs
  if (!processLives(content.pid)) return true
  const start = processStart(content.pid)
  if (start !== null && content.processStart !== null) return start !== content.processStart
  return ageMs > staleAfterMs
}

function processLives(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    // EPERM: it lives and belongs to somebody else.
    return systemErrorCode(error) === 'EPERM'
  }
}

/** When a process was started, in a form that only has to be comparable; known on Linux (field 22 of /proc/PID/stat). */
function processStart(pid: number): string | null {
  if (process.platform !== 'linux') return null
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // The second field is the program's name in brackets and may itself hold blanks and brackets.
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
    return fields.at(19) ?? null
  } catch (error) {
    if (systemErrorCode(error) === undefined) throw error
    return null
  }
}

function lockedBy(folder: string, content: LockContent | null): PhasemarkError<'Locked'> {
  const owner =
    content === null
      ? 'a process that is just starting'
      : `process ${content.pid} on ${content.host} (${content.purpose}, since ${minuteOf(content.since)})`
  return new PhasemarkError('Locked', `${folder}: in use by ${owner}`, { path: folder, owner })
}

/** `2026-11-23 04:03 UTC`, from what `Date.toISOString` gives. */
function minuteOf(isoDate: string): string {
  return `${isoDate.slice(0, 16).replace('T', ' ')} UTC`
}
