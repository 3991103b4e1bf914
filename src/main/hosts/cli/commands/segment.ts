import { Command, Option } from 'commander'
import { PhasemarkError } from '../../../../shared/errors.ts'
import { parseSliceRanges, type SliceRange } from '../../../../shared/slice-ranges.ts'
import { loadComputeRuntime } from '../../../engine/compute/runtime/load.ts'
import { segmentVolume, type SegmentResult } from '../../../engine/learning/prediction/segment-volume.ts'
import type { OutputFormat } from '../../../engine/output/volume-writer.ts'
import { asOption, volumeOptions, withVolumeOptions, type VolumeFlags } from '../common-options.ts'
import { describeDevice } from '../describe.ts'
import { formatDuration } from '../progress-display.ts'
import { runCommand, withCommonOptions } from '../reporting.ts'

interface SegmentFlags extends VolumeFlags {
  json?: true
  model: string
  out: string
  format: OutputFormat
  slices?: SliceRange
  probabilities?: true
  uncertainty?: true
  resume?: true
}

/** `phasemark segment`: applies a trained model to a volume. */
export function segmentCommand(): Command {
  const command = new Command('segment')
    .description('segment a volume with a trained model')
    .argument('<volume>', 'folder or file with grey slices')
    .requiredOption('--model <run>', 'run folder or model package')
    .requiredOption('--out <path>', 'folder (tiff-stack) or file (bigtiff) to write')
    .addOption(
      new Option('--format <name>', 'how the segmentation is written')
        .choices(['tiff-stack', 'bigtiff'])
        .default('tiff-stack'),
    )
    .addOption(new Option('--slices <first-last>', 'positions to segment').argParser(asOption(parseOneRange)))
    .option('--probabilities', 'write the probability of every material too (PATH-probabilities/)')
    .option('--uncertainty', 'write the normalised entropy of the probabilities too (PATH-uncertainty)')
    .option('--resume', 'go on with an interrupted segmentation')
    .action(async (volume: string, flags: SegmentFlags) => {
      await runCommand(
        'segment',
        flags,
        async (context) => {
          const runtime = await loadComputeRuntime()
          context.note(describeDevice(runtime.device))
          return segmentVolume(runtime, {
            volume,
            open: volumeOptions(flags),
            model: flags.model,
            out: flags.out,
            format: flags.format,
            ...(flags.slices === undefined ? {} : { slices: flags.slices }),
            probabilities: flags.probabilities === true,
            uncertainty: flags.uncertainty === true,
            resume: flags.resume === true,
            signal: context.signal,
            onProgress: context.onProgress,
          })
        },
        summarise,
      )
    })
  return withCommonOptions(withVolumeOptions(command))
}

function parseOneRange(text: string): SliceRange {
  const ranges = parseSliceRanges(text, '--slices')
  if (ranges.length === 1) return ranges[0]
  throw new PhasemarkError('WrongUsage', `expected one range such as 0-99, found "${text}"`, {
    argument: '--slices',
  })
}

function summarise(result: SegmentResult): string {
  const { voxels, seconds, networkSeconds } = result
  const lines = result.warnings.map(({ message }) => `Warning: ${message}`)
  if (result.resumedFromSlice > 0) lines.push(`Resumed after ${result.resumedFromSlice} slices`)
  lines.push(
    `Segmented ${(voxels / 1e6).toFixed(1)} Mvoxel in ${formatDuration(seconds)} ` +
      `(${(result.voxelsPerSecond / 1e6).toFixed(2)} Mvoxel/s, network ${seconds > 0 ? Math.round((100 * networkSeconds) / seconds) : 0} % of the time)`,
    `Segmentation: ${result.out}`,
  )
  if (result.pretrained !== null) lines.push(`Pretrained weights of the model: ${result.pretrained.title}`)
  if (result.probabilities.length > 0) lines.push(`Probabilities: ${result.probabilities.join(', ')}`)
  if (result.uncertainty !== null) lines.push(`Uncertainty: ${result.uncertainty}`)
  return lines.join('\n')
}
