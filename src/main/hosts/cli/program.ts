import { Command } from 'commander'
import { exitCodes, isPhasemarkError } from '../../../shared/errors.ts'
import { setupCommand } from './commands/setup.ts'

/** Builds the command line, runs `argv` (without node and script) and returns the exit code. */
export async function runCli(argv: readonly string[]): Promise<number> {
  const program = new Command('phasemark').description('Segment materials in tomography volumes')
  program.addCommand(setupCommand())
  try {
    await program.parseAsync([...argv], { from: 'user' })
    return 0
  } catch (error) {
    if (!isPhasemarkError(error)) throw error
    console.error(`phasemark: ${error.message}`)
    return exitCodes[error._tag]
  }
}
