import { readdirSync, readFileSync } from 'node:fs'

export interface AppMemory {
  /** Largest sum over all processes so far. */
  peakBytes: number
  /** What each process took at that moment, by what it is. */
  atPeak: Readonly<Record<string, number>>
  /** `PSS`: shared pages are counted once. `RSS`: each time, so it is too much. `null`: the system tells neither. */
  measure: 'PSS' | 'RSS' | null
}

const intervalMs = 250

/** Looks again and again at the memory of a process and all its descendants. Linux; elsewhere `measure` stays `null`. */
export function watchAppMemory(root: number): { stop: () => AppMemory } {
  const memory: AppMemory = { peakBytes: 0, atPeak: {}, measure: null }
  const look = (): void => {
    const parts: Record<string, number> = {}
    for (const { pid, role } of processTree(root)) {
      const found = memoryOf(pid)
      if (found === null) continue
      memory.measure = memory.measure === 'RSS' ? 'RSS' : found.measure
      parts[role] = (parts[role] ?? 0) + found.bytes
    }
    const sum = Object.values(parts).reduce((total, bytes) => total + bytes, 0)
    if (sum > memory.peakBytes) Object.assign(memory, { peakBytes: sum, atPeak: parts })
  }
  const timer = process.platform === 'linux' ? setInterval(look, intervalMs) : undefined
  return {
    stop() {
      clearInterval(timer)
      return memory
    },
  }
}

function memoryOf(pid: number): { bytes: number; measure: 'PSS' | 'RSS' } | null {
  const field = (file: string, name: string): number | null => {
    try {
      const found = new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(
        readFileSync(`/proc/${pid}/${file}`, 'utf8'),
      )
      return found === null ? null : 1024 * Number(found[1])
    } catch {
      // It ended while we looked, or is not ours to look into.
      return null
    }
  }
  const shared = field('smaps_rollup', 'Pss')
  if (shared !== null) return { bytes: shared, measure: 'PSS' }
  const resident = field('status', 'VmRSS')
  return resident === null ? null : { bytes: resident, measure: 'RSS' }
}

function processTree(root: number): { pid: number; role: string }[] {
  const children = new Map<number, number[]>()
  for (const name of process.platform === 'linux' ? readdirSync('/proc') : []) {
    if (!/^\d+$/.test(name)) continue
    const parent = parentOf(Number(name))
    if (parent !== null) children.set(parent, [...(children.get(parent) ?? []), Number(name)])
  }
  const found: { pid: number; role: string }[] = []
  const waiting = [root]
  for (let pid = waiting.pop(); pid !== undefined; pid = waiting.pop()) {
    found.push({ pid, role: pid === root ? 'main' : roleOf(pid) })
    waiting.push(...(children.get(pid) ?? []))
  }
  return found
}

function parentOf(pid: number): number | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // The second field is in brackets and may hold blanks; state and parent follow it.
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1])
  } catch {
    return null
  }
}

/** What Chromium calls its process: renderer, gpu-process, utility, zygote. */
function roleOf(pid: number): string {
  try {
    const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8')
    return /--type=([\w-]+)/.exec(command)?.[1] ?? 'other'
  } catch {
    return 'other'
  }
}
