import { readFileSync, writeFileSync } from 'node:fs'

/** What the kernel takes as "set the peak to what is resident now" (Linux, proc(5), clear_refs). */
const resetPeak = '5'

export interface MemoryMeter {
  /** Resident memory when the measurement began: what earlier work of this process holds or has not given back. */
  beforeBytes: number | null
  /** Largest resident memory since. */
  peakBytes(): number | null
}

/**
 * Starts measuring the largest resident memory of this process anew. All is `null` where the system cannot reset its record:
 * that of the whole process would charge one model with what another needed.
 */
export function measurePeakMemory(): MemoryMeter {
  try {
    writeFileSync('/proc/self/clear_refs', resetPeak)
  } catch {
    // No Linux, or a sandbox that forbids it.
    return { beforeBytes: null, peakBytes: () => null }
  }
  return { beforeBytes: statusBytes('VmRSS'), peakBytes: () => statusBytes('VmHWM') }
}

function statusBytes(field: 'VmRSS' | 'VmHWM'): number | null {
  const match = new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(readFileSync('/proc/self/status', 'utf8'))
  return match === null ? null : Number(match[1]) * 1024
}
