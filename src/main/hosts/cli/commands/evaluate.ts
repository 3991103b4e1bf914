import { Command, InvalidArgumentError, Option } from 'commander'
import { PhasemarkError } from '../../../../shared/errors.ts'
import { parseSliceRanges, type SliceRange } from '../../../../shared/slice-ranges.ts'
import type { VoxelSize } from '../../../../shared/volume.ts'
import { defaultTolerance, evaluate, type EvaluateOptions } from '../../../engine/evaluate/evaluate.ts'
import { asOption, integerFrom, parseUnlabelled, parseVoxelSize } from '../common-options.ts'
import { runCommand, withCommonOptions } from '../reporting.ts'
import { summariseEvaluation } from './evaluate-summary.ts'

interface EvaluateFlags {
  json?: true
  truth: string[]
  predicted: string[]
  unlabelled?: number | 'none'
  materials?: string
  slices?: SliceRange[]
  tolerance: number
  voxelSize?: VoxelSize
  seed?: number
}

/** `phasemark evaluate`: scores segmentations against ground truth. */
export function evaluateCommand(): Command {
  const command = new Command('evaluate')
    .description('score segmentations against ground truth; several pairs are pooled')
    .requiredOption('--truth <labels...>', 'ground truth: folders, files or projects (X.phasemark)')
    .requiredOption('--predicted <labels...>', 'segmentation for each truth, in the same order')
    .addOption(
      new Option(
        '--unlabelled <value|none>',
        'value of the truth that is not scored (default: what the files say, else none)',
      ).argParser(asOption(parseUnlabelled)),
    )
    .option('--materials <file>', 'JSON list of { value, name, colour } that names the materials')
    .addOption(
      new Option('--slices <ranges>', 'positions in each truth to score, for example 0-9,20-29').argParser(
        asOption((text) => parseSliceRanges(text, '--slices')),
      ),
    )
    .addOption(
      new Option('--tolerance <voxels>', 'distance up to which boundaries match')
        .argParser(parseTolerance)
        .default(defaultTolerance),
    )
    .addOption(
      new Option('--voxel-size <z,y,x,unit>', 'overrules the files; gives surface distances in µm').argParser(
        asOption(parseVoxelSize),
      ),
    )
    .addOption(new Option('--seed <n>', 'of the confidence intervals (default: 0)').argParser(integerFrom(0)))
    .action(async (flags: EvaluateFlags) => {
      await runCommand(
        'evaluate',
        flags,
        ({ signal, onProgress }) => evaluate({ ...optionsOf(flags), signal, onProgress }),
        summariseEvaluation,
      )
    })
  return withCommonOptions(command)
}

function optionsOf(flags: EvaluateFlags): EvaluateOptions {
  const { truth, predicted, unlabelled, materials, slices, tolerance, voxelSize, seed } = flags
  if (truth.length !== predicted.length)
    throw new PhasemarkError(
      'WrongUsage',
      `--predicted: expected one for each of the ${truth.length} truths, found ${predicted.length}`,
      { argument: '--predicted' },
    )
  return {
    pairs: truth.map((path, index) => ({ truth: path, predicted: predicted[index] })),
    tolerance,
    ...(unlabelled === undefined ? {} : { unlabelled }),
    ...(materials === undefined ? {} : { materialsPath: materials }),
    ...(slices === undefined ? {} : { slices }),
    ...(voxelSize === undefined ? {} : { voxelSize }),
    ...(seed === undefined ? {} : { seed }),
  }
}

/** A tolerance is a small number of voxels; anything as long as a slice would match everything. */
const largestTolerance = 1000

function parseTolerance(text: string): number {
  const value = Number(text)
  if (text.trim() === '' || !(value >= 0) || value > largestTolerance)
    throw new InvalidArgumentError(`expected a number of voxels from 0 to ${largestTolerance}`)
  return value
}
