import { Command, InvalidArgumentError, Option } from 'commander'
import { PhasemarkError } from '../../../../shared/errors.ts'
import { parseSliceRanges, type SliceRange } from '../../../../shared/slice-ranges.ts'
import type { VoxelSize } from '../../../../shared/volume.ts'
import { compare, type CompareOptions } from '../../../engine/compare/compare.ts'
import type { DataInput } from '../../../engine/compare/data-sets.ts'
import { loadComputeRuntime } from '../../../engine/compute/runtime/load.ts'
import { defaultTolerance } from '../../../engine/evaluate/evaluate.ts'
import {
  asOption,
  integerFrom,
  parseUnlabelled,
  parseVoxelSize,
  volumeOptions,
  withVolumeOptions,
  type VolumeFlags,
} from '../common-options.ts'
import { describeDevice } from '../describe.ts'
import { runCommand, withCommonOptions } from '../reporting.ts'
import { summariseComparison } from './compare-summary.ts'

interface CompareFlags extends VolumeFlags {
  json?: true
  run: string[]
  volume: string[]
  labels: string[]
  slices?: SliceRange[]
  unseenVolume?: string[]
  unseenLabels?: string[]
  unseenSlices?: SliceRange[]
  unseenVoxelSize?: VoxelSize
  materialMap?: string
  materials?: string
  unlabelled?: number | 'none'
  tolerance: number
  seed: number
  out: string
}

/** `phasemark compare`: two models on the same labelled slices. */
export function compareCommand(): Command {
  const command = new Command('compare')
    .description(
      'compare two models on labelled slices, of the data they learned from and of data they never saw',
    )
    .addOption(
      new Option('--run <run>', 'run folder or model package; give it twice, A first')
        .argParser(collect)
        .makeOptionMandatory(),
    )
    .requiredOption('--volume <volumes...>', 'volumes that the models were trained on: folders or files')
    .requiredOption('--labels <labels...>', 'ground truth of each volume, in the same order')
    .addOption(
      slicesOption('--slices', 'positions in each volume that may be scored (default: all labelled)'),
    )
    .option('--unseen-volume <volumes...>', 'volumes that the models never saw')
    .option('--unseen-labels <labels...>', 'ground truth of each of them, in the same order')
    .addOption(slicesOption('--unseen-slices', 'positions in each of them that may be scored'))
    .addOption(
      new Option('--unseen-voxel-size <z,y,x,unit>', 'voxel size of the unseen volumes').argParser(
        asOption(parseVoxelSize),
      ),
    )
    .option(
      '--material-map <file>',
      'JSON: unseen material (name or value) → material of the models, or null',
    )
    .option('--materials <file>', 'JSON list of { value, name, colour } that names the materials')
    .addOption(
      new Option('--unlabelled <value|none>', 'label value that is not scored').argParser(
        asOption(parseUnlabelled),
      ),
    )
    .addOption(
      new Option('--tolerance <voxels>', 'distance up to which boundaries match')
        .argParser(parseTolerance)
        .default(defaultTolerance),
    )
    .addOption(
      new Option('--seed <n>', 'of confidence intervals and tests').argParser(integerFrom(0)).default(0),
    )
    .requiredOption('--out <folder>', 'folder to write')
    .action(async (flags: CompareFlags) => {
      await runCommand(
        'compare',
        flags,
        async (context) => {
          const options = optionsOf(flags)
          const runtime = await loadComputeRuntime()
          context.note(describeDevice(runtime.device))
          const { signal, onProgress } = context
          return await compare(runtime, { ...options, signal, onProgress })
        },
        summariseComparison,
      )
    })
  return withCommonOptions(withVolumeOptions(command))
}

function collect(value: string, earlier: string[] | undefined): string[] {
  return [...(earlier ?? []), value]
}

function slicesOption(name: string, description: string): Option {
  return new Option(`${name} <ranges>`, description).argParser(
    asOption((text) => parseSliceRanges(text, name)),
  )
}

function optionsOf(flags: CompareFlags): CompareOptions {
  const { run, slices, unseenSlices, unseenVoxelSize, materialMap, materials, unlabelled } = flags
  if (run.length !== 2)
    throw new PhasemarkError('WrongUsage', `--run: expected two runs, A and B, found ${run.length}`, {
      argument: '--run',
    })
  const unseen = pairUp(flags.unseenVolume ?? [], flags.unseenLabels ?? [], '--unseen-labels')
  if (unseen.length === 0)
    for (const [argument, value] of Object.entries({
      '--material-map': materialMap,
      '--unseen-slices': unseenSlices,
      '--unseen-voxel-size': unseenVoxelSize,
    }))
      if (value !== undefined)
        throw new PhasemarkError('WrongUsage', `${argument}: expected with --unseen-volume only`, {
          argument,
        })
  return {
    runs: { A: run[0], B: run[1] },
    seen: pairUp(flags.volume, flags.labels, '--labels'),
    unseen,
    open: volumeOptions(flags),
    ...(slices === undefined ? {} : { slices }),
    ...(unseenSlices === undefined ? {} : { unseenSlices }),
    ...(unseenVoxelSize === undefined ? {} : { unseenVoxelSize }),
    ...(materialMap === undefined ? {} : { materialMap }),
    ...(materials === undefined ? {} : { materialsPath: materials }),
    ...(unlabelled === undefined ? {} : { unlabelled }),
    tolerance: flags.tolerance,
    seed: flags.seed,
    out: flags.out,
  }
}

function pairUp(volumes: readonly string[], labels: readonly string[], argument: string): DataInput[] {
  if (volumes.length !== labels.length)
    throw new PhasemarkError(
      'WrongUsage',
      `${argument}: expected one for each of the ${volumes.length} volumes, found ${labels.length}`,
      { argument },
    )
  return volumes.map((volume, index) => ({ volume, labels: labels[index] }))
}

/** A tolerance is a small number of voxels; anything as long as a slice would match everything. */
const largestTolerance = 1000

function parseTolerance(text: string): number {
  const value = Number(text)
  if (text.trim() === '' || !(value >= 0) || value > largestTolerance)
    throw new InvalidArgumentError(`expected a number of voxels from 0 to ${largestTolerance}`)
  return value
}
