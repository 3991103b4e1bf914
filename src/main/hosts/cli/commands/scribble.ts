import { Command, InvalidArgumentError, Option } from 'commander'
import { parseSliceRanges, type SliceRange } from '../../../../shared/slice-ranges.ts'
import {
  defaultUnlabelledValue,
  scribble,
  type ScribbleOptions,
  type ScribbleResult,
} from '../../../engine/labels/scribble/scribble.ts'
import {
  asOption,
  integerFrom,
  parseUnlabelled,
  positiveNumber,
  volumeOptions,
  withVolumeOptions,
  type VolumeFlags,
} from '../common-options.ts'
import { runCommand, withCommonOptions } from '../reporting.ts'

interface ScribbleFlags extends VolumeFlags {
  json?: true
  out: string
  volume?: string
  strokes?: number
  fraction?: number
  width: number
  slices?: SliceRange[]
  every?: number
  unlabelled?: number | 'none'
  unlabelledOut: number
  materials?: string
  seed: number
}

const defaultStrokes = 3
const defaultWidth = 3

/** `phasemark scribble`: reproducible sparse labels out of dense ones. */
export function scribbleCommand(): Command {
  const command = new Command('scribble')
    .description('draw reproducible scribbles inside dense labels, to see how few labels are enough')
    .argument('<labels>', 'dense labels: folder, file or project (X.phasemark)')
    .requiredOption('--out <folder>', 'folder of label slices to write')
    .option('--volume <path>', 'the volume that the labels belong to: its slices give names and positions')
    .addOption(
      new Option('--strokes <n>', `strokes per material and slice (default: ${defaultStrokes})`).argParser(
        integerFrom(1),
      ),
    )
    .addOption(
      new Option('--fraction <share>', 'instead: share of the pixels of each material, such as 0.01')
        .argParser(parseFraction)
        .conflicts('strokes'),
    )
    .addOption(
      new Option('--width <pixels>', 'width of the brush').argParser(positiveNumber).default(defaultWidth),
    )
    .addOption(
      new Option('--slices <ranges>', 'positions to scribble on, for example 0-9,20').argParser(
        asOption((text) => parseSliceRanges(text, '--slices')),
      ),
    )
    .addOption(new Option('--every <n>', 'only every n-th of these slices').argParser(integerFrom(1)))
    .addOption(
      new Option(
        '--unlabelled <value|none>',
        'value of the dense labels that means unlabelled (default: what the files say, else none)',
      ).argParser(asOption(parseUnlabelled)),
    )
    .addOption(
      new Option('--unlabelled-out <value>', 'value of unlabelled pixels in the files written')
        .argParser(integerFrom(0))
        .default(defaultUnlabelledValue),
    )
    .option('--materials <file>', 'JSON list of { value, name, colour } that names the materials')
    .addOption(new Option('--seed <n>', 'same seed, same strokes').argParser(integerFrom(0)).default(1))
    .action(async (labels: string, flags: ScribbleFlags) => {
      await runCommand(
        'scribble',
        flags,
        ({ signal, onProgress }) => scribble({ ...optionsOf(labels, flags), signal, onProgress }),
        summarise,
      )
    })
  return withCommonOptions(withVolumeOptions(command))
}

function optionsOf(labels: string, flags: ScribbleFlags): ScribbleOptions {
  const { out, volume, strokes, fraction, width, slices, every, unlabelled, materials, seed } = flags
  return {
    labels,
    out,
    seed,
    brush: width,
    unlabelledValue: flags.unlabelledOut,
    amount:
      fraction === undefined
        ? { kind: 'strokes', strokes: strokes ?? defaultStrokes }
        : { kind: 'fraction', fraction },
    open: volumeOptions(flags),
    resolve: {
      ...(unlabelled === undefined ? {} : { unlabelled }),
      ...(materials === undefined ? {} : { materialsPath: materials }),
    },
    ...(volume === undefined ? {} : { volume }),
    ...(slices === undefined ? {} : { slices }),
    ...(every === undefined ? {} : { every }),
  }
}

function parseFraction(text: string): number {
  const share = positiveNumber(text)
  if (share > 1) throw new InvalidArgumentError('expected a share above 0 and up to 1')
  return share
}

function summarise(result: ScribbleResult): string {
  return [
    ...result.warnings.map(({ message }) => `Warning: ${message}`),
    `${result.labelledVoxels} labelled pixels (${(100 * result.fraction).toFixed(2)} %) on ${result.slices.length} slices`,
    ...result.materials.map(
      ({ name, voxels, strokes }) => `  ${name}: ${voxels} pixels in ${strokes} strokes`,
    ),
    `Scribbles: ${result.out} (unlabelled: ${result.unlabelledValue})`,
  ].join('\n')
}
