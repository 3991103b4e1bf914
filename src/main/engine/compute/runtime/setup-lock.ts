import { readFileSync } from 'node:fs'
import { open, readFile, rm, stat, utimes } from 'node:fs/promises'
import os from 'node:os'
import { setTimeout as delay } from 'node:timers/promises'
import { z } from 'zod'
import { throwIfCancelled } from '../../../../shared/errors.ts'

/**
 * Lets one setup work on a variant while others wait. The lock spares double work and is not what keeps folders whole: each
 * setup works in a folder of its own and renames it when finished, so even two that both believe to hold the lock (after a
 * machine slept, say) do no harm.
 */
export interface SetupLock {
  release: () => Promise<void>
}

export interface LockOptions {
  signal?: AbortSignal | undefined
  /** Called once, with a description of the owner, when somebody else holds the lock. */
  onWait?: (owner: string) => void
  pollMs?: number
}

const ownerSchema = z.object({ pid: z.number().int(), host: z.string(), started: z.string() })
type Owner = z.infer<typeof ownerSchema>

const heartbeatMs = 5_000
/** A holder on another machine, or one whose file is torn, counts as dead after this silence. */
const silenceMs = 60_000

/** Takes the lock, waiting for its holder. @throws `Cancelled` when the signal fires. */
export async function acquireSetupLock(file: string, options: LockOptions = {}): Promise<SetupLock> {
  let announced = false
  for (;;) {
    throwIfCancelled(options.signal)
    if (await create(file)) return hold(file)
    const owner = await readOwner(file)
    if (owner === 'gone') continue
    if (await isStale(file, owner)) {
      await rm(file, { force: true })
      continue
    }
    if (!announced) {
      announced = true
      options.onWait?.(owner === 'unreadable' ? 'another process' : `process ${owner.pid} on ${owner.host}`)
    }
    await delay(options.pollMs ?? 250)
  }
}

async function create(file: string): Promise<boolean> {
  try {
    const handle = await open(file, 'wx')
    try {
      const owner: Owner = { pid: process.pid, host: os.hostname(), started: startOf(process.pid) }
      await handle.writeFile(JSON.stringify(owner))
    } finally {
      await handle.close()
    }
    return true
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false
    throw error
  }
}

function hold(file: string): SetupLock {
  const timer = setInterval(() => {
    const now = new Date()
    // The file is gone only when somebody took this process for dead; see above why that is harmless.
    utimes(file, now, now).catch(() => undefined)
  }, heartbeatMs)
  timer.unref()
  return {
    release: async () => {
      clearInterval(timer)
      const owner = await readOwner(file)
      if (typeof owner === 'object' && owner.pid === process.pid && owner.host === os.hostname()) {
        await rm(file, { force: true })
      }
    },
  }
}

async function readOwner(file: string): Promise<Owner | 'gone' | 'unreadable'> {
  try {
    const parsed = ownerSchema.safeParse(JSON.parse(await readFile(file, 'utf8')))
    return parsed.success ? parsed.data : 'unreadable'
  } catch (error) {
    // A syntax error means that the holder is just writing it, or died while doing so.
    return codeOf(error) === 'ENOENT' ? 'gone' : 'unreadable'
  }
}

async function isStale(file: string, owner: Owner | 'unreadable'): Promise<boolean> {
  if (owner !== 'unreadable' && owner.host === os.hostname()) {
    return !isAlive(owner.pid) || startOf(owner.pid) !== owner.started
  }
  const found = await stat(file).catch(() => null)
  return found !== null && Date.now() - found.mtimeMs > silenceMs
}

/** Whether a process of this machine lives. One that belongs to somebody else lives too. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return codeOf(error) === 'EPERM'
  }
}

/** Start of a process since boot, which tells it from a later one with the same number; empty where it cannot be told. */
function startOf(pid: number): string {
  if (process.platform !== 'linux') return ''
  try {
    const line = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // Field 22 of proc(5); the name in parentheses may hold spaces, so count from behind it.
    return line.slice(line.lastIndexOf(')') + 2).split(' ')[19] ?? ''
  } catch {
    // The process ended between two looks at it, or /proc is hidden.
    return ''
  }
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error ? String(error.code) : undefined
}
