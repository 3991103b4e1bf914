import { spawn } from 'node:child_process'
import { accessSync, constants, statSync } from 'node:fs'
import path from 'node:path'
import { cancelled, throwIfCancelled } from '../../../../shared/errors.ts'

export interface ToolResult {
  /** Exit code, or `null` when a signal ended the program. */
  code: number | null
  endedBy: NodeJS.Signals | null
  stdout: string
  /** The last {@link keptOutput} characters. */
  stderr: string
}

export interface ToolOptions {
  env?: Readonly<Record<string, string | undefined>>
  cwd?: string
  signal?: AbortSignal | undefined
}

/** Enough for any message of a compiler or of pip; the rest of a runaway output is dropped. */
const keptOutput = 200_000
/** How long a program may take to end when asked politely. */
const graceMs = 5_000

/**
 * Runs a program to its end and returns what it said. Its standard input stays open and empty until it ends, so that a program
 * that watches its input notices when this process dies.
 *
 * @throws `Cancelled` when the signal fires; the program has ended by then. The system's error when it cannot be started.
 */
export async function runTool(
  command: string,
  args: readonly string[],
  options: ToolOptions = {},
): Promise<ToolResult> {
  throwIfCancelled(options.signal)
  const child = spawn(command, args, {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { ...(options.env ?? process.env) },
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    windowsHide: true,
  })
  let killTimer: NodeJS.Timeout | undefined
  const stop = () => {
    child.kill('SIGTERM')
    killTimer = setTimeout(() => child.kill('SIGKILL'), graceMs)
  }
  options.signal?.addEventListener('abort', stop, { once: true })
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout = (stdout + text).slice(-keptOutput)))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr = (stderr + text).slice(-keptOutput)))
  // Writing never happens; a program that closes its input early is no error.
  child.stdin.on('error', () => undefined)
  try {
    const end = await new Promise<{ code: number | null; endedBy: NodeJS.Signals | null }>(
      (resolve, reject) => {
        child.on('error', reject)
        child.on('close', (code, endedBy) => resolve({ code, endedBy }))
      },
    )
    if (options.signal?.aborted) throw cancelled()
    return { ...end, stdout, stderr }
  } finally {
    clearTimeout(killTimer)
    options.signal?.removeEventListener('abort', stop)
  }
}

/** Full path of the first of `names` that can be run, or `null`. A name with a separator is taken as a path. */
export function findProgram(
  names: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): string | null {
  const folders = (env['PATH'] ?? '').split(path.delimiter).filter((folder) => folder !== '')
  for (const name of names) {
    const candidates = name.includes(path.sep)
      ? [path.resolve(name)]
      : folders.map((folder) => path.join(folder, name))
    for (const candidate of candidates) if (isRunnable(candidate)) return candidate
  }
  return null
}

function isRunnable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK)
    return statSync(file).isFile()
  } catch {
    // Absent or not executable: the next candidate.
    return false
  }
}

/** The last lines of a program's output that say something, for an error message. */
export function lastLines(text: string, count = 8): string {
  return text
    .split('\n')
    .map((line) => line.trimEnd())
    .filter((line) => line !== '')
    .slice(-count)
    .join('\n')
}
