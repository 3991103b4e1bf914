import { readFileSync, writeFileSync } from 'node:fs'

/** What the kernel takes as "set the peak to what is resident now" (Linux, proc(5), clear_refs). */
const resetPeak = '5'

/**
 * Starts measuring the largest resident memory of this process anew. Returns a function that gives it in bytes, or `null` where
 * the system cannot reset its record: that of the whole process would charge one model with what another needed.
 */
export function measurePeakMemory(): () => number | null {
  try {
    writeFileSync('/proc/self/clear_refs', resetPeak)
  } catch {
    // No Linux, or a sandbox that forbids it.
    return () => null
  }
  return () => {
    const match = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'))
    return match === null ? null : Number(match[1]) * 1024
  }
}
