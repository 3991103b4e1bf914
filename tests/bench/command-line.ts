import { spawn } from 'node:child_process'
import { readFileSync, readdirSync } from 'node:fs'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

const program = path.resolve(
  path.dirname(fileURLToPath(import.meta.url)),
  '../../dist/main/hosts/cli/main.js',
)

export interface CommandOutcome {
  /** The last line of `--json`. */
  result: Record<string, unknown>
  /** Wall clock of the whole process, start-up included. */
  wallSeconds: number
  /**
   * Largest sum of resident memory of the process and its children, as the kernel saw it; `null` where there
   * is no /proc.
   */
  observedPeakBytes: number | null
}

export interface CommandOptions {
  onProgress: (text: string) => void
  /** Resident bytes of the process and its children now, after so many seconds. */
  onMemory?: (bytes: number, seconds: number) => void
}

const memorySampleMs = 50

/** Runs `phasemark <argv> --json` as its users do, in a process of its own. Throws on any exit code but 0. */
export async function runCommand(
  argv: readonly string[],
  { onProgress, onMemory }: CommandOptions,
): Promise<CommandOutcome> {
  const started = performance.now()
  const child = spawn(process.execPath, [program, ...argv, '--json'], { stdio: ['ignore', 'pipe', 'pipe'] })
  let lastLine = ''
  let lastWords = ''
  let observedPeakBytes: number | null = null
  createInterface({ input: child.stdout }).on('line', (line) => {
    lastLine = line
    onProgress(line.slice(0, 120))
  })
  child.stderr.on('data', (chunk: Buffer) => {
    lastWords = (lastWords + chunk.toString()).slice(-4000)
  })
  const stop = () => child.kill()
  process.once('exit', stop)
  const sampling = setInterval(() => {
    const bytes = residentBytes(child.pid!)
    if (bytes === null) return
    observedPeakBytes = Math.max(observedPeakBytes ?? 0, bytes)
    onMemory?.(bytes, (performance.now() - started) / 1000)
  }, memorySampleMs)
  try {
    const code = await new Promise<number | null>((resolve, reject) => {
      child.on('error', reject)
      child.on('close', resolve)
    })
    if (code !== 0) {
      throw new Error(
        `phasemark ${argv.join(' ')}: expected exit code 0, found ${code ?? 'a signal'}\n${lastWords}`,
      )
    }
  } finally {
    clearInterval(sampling)
    process.off('exit', stop)
  }
  const result = JSON.parse(lastLine) as Record<string, unknown>
  if (result['type'] !== 'result') {
    throw new Error(`phasemark ${argv.join(' ')}: expected a result as the last line, found ${lastLine}`)
  }
  return { result, wallSeconds: (performance.now() - started) / 1000, observedPeakBytes }
}

/** A number of a result. Throws when it is not there. */
export function numberOf(result: Record<string, unknown>, field: string): number {
  const value = result[field]
  if (typeof value !== 'number') throw new Error(`result: expected a number ${field}, found ${String(value)}`)
  return value
}

/** Resident memory of a process and all its descendants now; `null` when the system does not tell. */
export function residentBytes(pid: number): number | null {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8')
    const kilobytes = /^VmRSS:\s+(\d+)/m.exec(status)?.[1]
    let bytes = Number(kilobytes ?? 0) * 1024
    for (const thread of readdirSync(`/proc/${pid}/task`)) {
      const children = readFileSync(`/proc/${pid}/task/${thread}/children`, 'utf8')
      for (const childPid of children.split(' ').filter((text) => text !== '')) {
        bytes += residentBytes(Number(childPid)) ?? 0
      }
    }
    return bytes
  } catch {
    // No /proc, or the process has ended meanwhile.
    return null
  }
}
