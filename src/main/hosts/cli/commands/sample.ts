import { Command, Option } from 'commander'
import { PhasemarkError } from '../../../../shared/errors.ts'
import type { Shape3 } from '../../../../shared/volume.ts'
import {
  generateSample,
  sampleKinds,
  type SampleKind,
  type SampleResult,
} from '../../../engine/sample/generate-sample.ts'
import { asOption, integerFrom } from '../common-options.ts'
import { formatDuration } from '../progress-display.ts'
import { runCommand, withCommonOptions } from '../reporting.ts'

interface SampleFlags {
  json?: true
  kind: SampleKind
  shape: Shape3
  seed: number
  out: string
  resume?: true
}

const defaultShape: Shape3 = [48, 384, 384]

/** `phasemark sample`: writes a synthetic tomogram with ground truth. */
export function sampleCommand(): Command {
  const command = new Command('sample')
    .description('write a synthetic tomogram with its ground truth, to try things out')
    .addOption(
      new Option('--kind <name>', 'ni-ysz: fuel electrode; battery: another one that no model has seen')
        .choices(sampleKinds)
        .default('ni-ysz'),
    )
    .addOption(
      new Option('--shape <z,y,x>', 'slices, rows and columns')
        .argParser(asOption(parseShape))
        .default(defaultShape, defaultShape.join(',')),
    )
    .addOption(new Option('--seed <n>', 'same seed, same voxels').argParser(integerFrom(0)).default(1))
    .requiredOption('--out <folder>', 'folder to write')
    .option('--resume', 'go on with an interrupted one')
    .action(async (flags: SampleFlags) => {
      const { kind, shape, seed, out } = flags
      await runCommand(
        'sample',
        flags,
        ({ signal, onProgress }) =>
          generateSample({ kind, shape, seed, out, resume: flags.resume === true, signal, onProgress }),
        summarise,
      )
    })
  return withCommonOptions(command)
}

function parseShape(text: string): Shape3 {
  const match = /^(\d{1,7}),(\d{1,7}),(\d{1,7})$/.exec(text.replaceAll(' ', ''))
  if (match === null)
    throw new PhasemarkError('WrongUsage', `expected z,y,x such as 48,384,384, found "${text}"`, {
      argument: '--shape',
    })
  return [Number(match[1]), Number(match[2]), Number(match[3])]
}

function summarise(result: SampleResult): string {
  const parts = result.materials.map(({ name, fraction }) => `${name} ${(100 * fraction).toFixed(1)} %`)
  return [
    `Synthetic sample (not measured): ${result.shape.join(' × ')} voxels (z, y, x) in ${formatDuration(result.seconds)}`,
    `  ${parts.join(', ')}`,
    `Volume: ${result.images}`,
    `Labels: ${result.labels}`,
  ].join('\n')
}
