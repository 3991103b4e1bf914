import { Option, type Command } from 'commander'
import type { JobOptions } from '../../engine/job-options.ts'
import { createDisplay, printJson } from './progress-display.ts'

/** What a command gets to work with: cancellation by signal, progress, and a place for remarks. */
export interface CommandContext extends Required<JobOptions> {
  /** Remarks for people: device, choices made, warnings. */
  note(line: string): void
}

/** Adds the option that every command has. */
export function withCommonOptions(command: Command): Command {
  return command.addOption(
    new Option('--json', 'print JSON lines on standard output, the last one the result'),
  )
}

const stopSignals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/**
 * Runs the work of a command: progress while it runs, signals as cancellation (a second one ends the process at once), and
 * the result as JSON or as a summary for people. Errors pass through to the program, which turns them into exit codes.
 *
 * @param name of the command, part of the JSON result
 * @param summarise lines for people
 */
export async function runCommand<Result extends object>(
  name: string,
  flags: { json?: true },
  work: (context: CommandContext) => Promise<Result>,
  summarise: (result: Result) => string,
): Promise<void> {
  const json = flags.json === true
  const display = createDisplay(json)
  const controller = new AbortController()
  const stop = () => {
    if (controller.signal.aborted) process.exit(5)
    controller.abort()
    display.note('stopping; what is done so far is kept …')
  }
  for (const signal of stopSignals) process.on(signal, stop)
  // Whoever read the results has gone (`… | head -1`): as with a signal, what is done so far is kept.
  const stopUnread = () => controller.abort()
  process.stdout.on('error', stopUnread)
  try {
    const result = await work({
      signal: controller.signal,
      onProgress: (progress) => display.show(progress),
      note: (line) => display.note(line),
    })
    display.stop()
    if (json) printJson({ type: 'result', command: name, ...result })
    else console.log(summarise(result))
  } finally {
    display.stop()
    for (const signal of stopSignals) process.off(signal, stop)
    process.stdout.off('error', stopUnread)
  }
}
