import { Command, CommanderError } from 'commander'
import { exitCodes, PhasemarkError, toErrorData, type ErrorData } from '../../../shared/errors.ts'
import { packageVersion } from '../../engine/package-version.ts'
import { compareCommand } from './commands/compare.ts'
import { demoCommand } from './commands/demo.ts'
import { evaluateCommand } from './commands/evaluate.ts'
import { infoCommand } from './commands/info.ts'
import { sampleCommand } from './commands/sample.ts'
import { scribbleCommand } from './commands/scribble.ts'
import { segmentCommand } from './commands/segment.ts'
import { serveCommand } from './commands/serve.ts'
import { setupCommand } from './commands/setup.ts'
import { studyCommand } from './commands/study.ts'
import { trainCommand } from './commands/train.ts'
import { weightsCommand } from './commands/weights.ts'
import { printJson } from './progress-display.ts'

const exitCodeHelp = `
Exit codes: 0 done, 1 internal error, 2 wrong usage, 3 bad input, 4 compute runtime or weights unavailable,
5 interrupted (state kept), 6 no space, not writable, or the output exists.`

/** Builds the command line, runs `argv` (without node and script) and returns the exit code. */
export async function runCli(argv: readonly string[]): Promise<number> {
  const program = new Command('phasemark')
    .description('Segment materials in tomography volumes: train on a few labels, segment, score.')
    .version(packageVersion())
    .showHelpAfterError('(phasemark <command> --help shows what is possible)')
    .addHelpText('after', exitCodeHelp)
  for (const command of [
    demoCommand,
    infoCommand,
    trainCommand,
    segmentCommand,
    evaluateCommand,
    compareCommand,
    studyCommand,
    sampleCommand,
    scribbleCommand,
    weightsCommand,
    serveCommand,
    setupCommand,
  ]) {
    program.addCommand(command())
  }
  overrideExits(program)
  ignoreLostOutput()
  const json = argv.includes('--json')
  try {
    await program.parseAsync([...argv], { from: 'user' })
    return 0
  } catch (error) {
    if (!(error instanceof CommanderError)) return report(error, json)
    // Help and version are no errors.
    if (error.exitCode === 0) return 0
    // Commander has printed its message for people.
    const message = error.message.replace(/^error: /, '')
    if (json) printError(toErrorData(new PhasemarkError('WrongUsage', message, {})))
    return exitCodes.WrongUsage
  }
}

/** Wrong usage shall end with our exit code, not with commander's. */
function overrideExits(command: Command): void {
  command.exitOverride()
  command.commands.forEach(overrideExits)
}

/**
 * A terminal that was closed or a pipe that nobody reads makes writing fail. Unheard, that would end the process at once,
 * before a job that is stopping for the same reason has kept its work.
 */
function ignoreLostOutput(): void {
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined)
}

function report(error: unknown, json: boolean): number {
  const data = toErrorData(error)
  if (json) printError(data)
  console.error(`phasemark: ${data.message}`)
  if (data._tag === 'Internal' && data.cause !== undefined) console.error(data.cause)
  return exitCodes[data._tag]
}

/** The last line for programs: an error crosses with its tag and fields. */
function printError(data: ErrorData): void {
  printJson({ type: 'error', exitCode: exitCodes[data._tag], ...data })
}
