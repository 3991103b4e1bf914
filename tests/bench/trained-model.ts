import path from 'node:path'
import { runCommand, type CommandOptions, type CommandOutcome } from './command-line.ts'
import { plainLayout, writeSampleVolume } from './sample-volume.ts'

/** Trains a UNet on a small sample volume through the command line; `length` limits it. */
export async function trainOnSample(
  folder: string,
  length: readonly string[],
  options: CommandOptions,
): Promise<CommandOutcome & { run: string }> {
  const volume = path.join(folder, 'training-volume')
  const labels = path.join(folder, 'training-labels')
  const run = path.join(folder, 'run')
  const size = { slices: 4, height: 288, width: 288, distinctSlices: 4, layout: plainLayout }
  writeSampleVolume(volume, size, labels)
  const given = [
    volume,
    '--labels',
    labels,
    '--unlabelled',
    'none',
    '--model',
    'unet',
    '--preset',
    'standard',
  ]
  const outcome = await runCommand(['train', ...given, ...length, '--out', run], options)
  return { ...outcome, run }
}

/** A model trained for two steps: the speed of prediction does not depend on how good the weights are. */
export async function trainQuickModel(folder: string, onProgress: (text: string) => void): Promise<string> {
  return (await trainOnSample(folder, ['--max-steps', '2'], { onProgress })).run
}
