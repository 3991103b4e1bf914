import { spawn, type ChildProcess } from 'node:child_process'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect } from 'vitest'

const program = path.resolve(
  path.dirname(fileURLToPath(import.meta.url)),
  '../../dist/main/hosts/cli/main.js',
)

/** Longer than any command of the tests takes on a busy machine; a program that hangs is ended. */
const longestMs = 240_000

/** A line of `--json` on standard output. */
export interface JsonLine {
  type: string
  [field: string]: unknown
}

export interface CliOutcome {
  /** `null` when a signal ended the process. */
  code: number | null
  stdout: string
  stderr: string
}

export interface CliOptions {
  env?: Record<string, string | undefined>
}

/** A command line that is running. */
export interface RunningCli {
  readonly child: ChildProcess
  /** Resolves when the process has ended and its output is complete. */
  readonly ended: Promise<CliOutcome>
}

/** Starts the built command line as its users do, in a process of its own. */
export function startCli(args: readonly string[], options: CliOptions = {}): RunningCli {
  const child = spawn(process.execPath, [program, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...options.env },
  })
  const timer = setTimeout(() => child.kill('SIGKILL'), longestMs)
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
  const ended = new Promise<CliOutcome>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code) => {
      clearTimeout(timer)
      resolve({ code, stdout, stderr })
    })
  })
  return { child, ended }
}

/** Runs the built command line to its end. */
export async function runCli(args: readonly string[], options: CliOptions = {}): Promise<CliOutcome> {
  return await startCli(args, options).ended
}

/** Standard output of a `--json` run; fails the test when a line is no JSON object with a type. */
export function jsonLines({ stdout }: CliOutcome): JsonLine[] {
  expect(stdout).toMatch(/\n$/)
  return stdout
    .slice(0, -1)
    .split('\n')
    .map((line) => {
      const value = JSON.parse(line) as JsonLine
      expect(value.type).toBeTypeOf('string')
      return value
    })
}

/** Runs with `--json`, expects exit code 0, and returns the result line. */
export async function resultOf(args: readonly string[], options: CliOptions = {}): Promise<JsonLine> {
  return resultIn(await runCli([...args, '--json'], options))
}

/** The result line of a `--json` run that succeeded. */
export function resultIn(outcome: CliOutcome): JsonLine {
  expect(outcome.code, outcome.stderr + outcome.stdout).toBe(0)
  const last = jsonLines(outcome).at(-1)
  expect(last?.type).toBe('result')
  return last!
}

/** What `--json` says of a failure. */
export interface CliFailure {
  _tag: string
  exitCode: number
  message: string
  fields: Record<string, unknown>
}

/** Runs with `--json` and returns the error line; fails the test when the command succeeds. */
export async function failureOf(args: readonly string[], options: CliOptions = {}): Promise<CliFailure> {
  return failureIn(await runCli([...args, '--json'], options))
}

/**
 * The error line of a `--json` run that failed: the last one on standard output, with the exit code of the process, and the
 * same message for people on standard error without a trace of the program.
 */
export function failureIn(outcome: CliOutcome): CliFailure {
  expect(outcome.code, outcome.stderr + outcome.stdout).not.toBe(0)
  const lines = jsonLines(outcome)
  const last = lines.at(-1) as (JsonLine & CliFailure) | undefined
  expect(last).toMatchObject({ type: 'error', exitCode: outcome.code })
  expect(lines.filter(({ type }) => type === 'result')).toEqual([])
  expect(outcome.stderr).not.toMatch(stackTrace)
  return last!
}

/** A line of a JavaScript stack trace; nobody but a developer wants to see one. */
export const stackTrace = /^\s+at .*\.(js|ts|mjs):\d+/m

const pollMs = 20

/** Waits until `condition` holds while `running` runs; fails when the process ends before. */
export async function waitUntil(
  running: RunningCli,
  what: string,
  condition: () => boolean | Promise<boolean>,
): Promise<void> {
  while (!(await condition())) {
    const { exitCode, signalCode } = running.child
    if (exitCode !== null || signalCode !== null) {
      throw new Error(`the process ended before ${what}: ${JSON.stringify(await running.ended)}`)
    }
    await new Promise((resolve) => setTimeout(resolve, pollMs))
  }
}

/** Ends the process at once, as a power cut would. */
export async function killNow(running: RunningCli): Promise<void> {
  running.child.kill('SIGKILL')
  await running.ended
  // A process that ended by itself just before would not have been interrupted at all.
  expect(running.child.signalCode).toBe('SIGKILL')
}
