import { spawn } from 'node:child_process'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

export const testFolder = path.dirname(fileURLToPath(import.meta.url))
export const commandLine = path.resolve(testFolder, '../../dist/main/hosts/cli/main.js')

export interface ProcessResult {
  code: number | null
  stdout: string
  stderr: string
  seconds: number
}

/** Shorter than a test may take, so that a program that hangs is ended with all that it started. */
const longestMs = 50_000

/** For downloads before the tests begin. */
export const downloadLimitMs = 300_000

/** Runs a program to its end, with no input. */
export function run(
  command: string,
  args: readonly string[],
  env: Record<string, string | undefined> = {},
  limitMs = longestMs,
): Promise<ProcessResult> {
  const started = performance.now()
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...env },
      // A process group of its own, to be ended as a whole.
      detached: true,
    })
    const timer = setTimeout(() => child.pid !== undefined && process.kill(-child.pid, 'SIGKILL'), limitMs)
    let stdout = ''
    let stderr = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text))
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
    child.on('error', reject)
    child.on('close', (code) => {
      clearTimeout(timer)
      resolve({ code, stdout, stderr, seconds: (performance.now() - started) / 1000 })
    })
  })
}

/** What `convolution-main.mjs` prints. Values worked by hand: 1·1 + 2·2 + 4·3 + 5·4 = 37, and so on. */
export const convolutionResult = { values: [37, 47, 67, 77], top: [3], joined: [1, 2], native: true }

/** The last line of an output as JSON. */
export function lastJson(output: string): Record<string, unknown> {
  const line = output.trim().split('\n').at(-1) ?? ''
  return JSON.parse(line) as Record<string, unknown>
}
