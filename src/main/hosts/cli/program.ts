import { Command } from 'commander'

/** Builds the command line, runs `argv` (without node and script) and returns the exit code. */
export async function runCli(argv: readonly string[]): Promise<number> {
  const program = new Command('phasemark').description('Segment materials in tomography volumes')
  await program.parseAsync([...argv], { from: 'user' })
  return 0
}
