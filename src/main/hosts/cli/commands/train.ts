import { Command, Option } from 'commander'
import { PhasemarkError } from '../../../../shared/errors.ts'
import { formatSlices, parseSliceRanges, type SliceRange } from '../../../../shared/slice-ranges.ts'
import { loadComputeRuntime } from '../../../engine/compute/runtime/load.ts'
import { intensityScopes, type IntensityScope } from '../../../engine/learning/normalisation.ts'
import {
  modelKinds,
  presets,
  type ModelKind,
  type Preset,
  type TrainChoices,
} from '../../../engine/learning/training/train-config.ts'
import { train, type TrainResult } from '../../../engine/learning/training/train.ts'
import { featureSets, type FeatureSet } from '../../../engine/learning/vgg16/vgg16-spec.ts'
import {
  asOption,
  integerFrom,
  parseUnlabelled,
  positiveNumber,
  volumeOptions,
  withVolumeOptions,
  type VolumeFlags,
} from '../common-options.ts'
import { describeDevice } from '../describe.ts'
import { formatDuration } from '../progress-display.ts'
import { runCommand, withCommonOptions } from '../reporting.ts'

interface TrainFlags extends VolumeFlags {
  json?: true
  labels: string[]
  model: ModelKind
  features?: FeatureSet
  fineTune?: true
  weights?: string
  out: string
  unlabelled?: number | 'none'
  materials?: string
  preset: Preset
  context?: number
  intensity: IntensityScope | 'auto'
  maxMinutes?: number
  maxSteps?: number
  checkpointSteps?: number
  seed?: number
  trainSlices?: SliceRange[]
  valSlices?: SliceRange[]
  resume?: true
}

/** `phasemark train`: learns from labelled slices. */
export function trainCommand(): Command {
  const command = new Command('train')
    .description('train a network on labelled slices of one or more volumes')
    .argument('<volumes...>', 'folders or files with grey slices')
    .requiredOption(
      '--labels <labels...>',
      'labels of each volume, in the same order: folder, file or project (X.phasemark)',
    )
    .addOption(new Option('--model <name>', 'kind of model').choices([...modelKinds]).makeOptionMandatory())
    .requiredOption('--out <run>', 'run folder to write')
    .addOption(
      new Option('--unlabelled <value|none>', 'label value that means unlabelled').argParser(
        asOption(parseUnlabelled),
      ),
    )
    .option('--materials <file>', 'JSON list of { value, name, colour } that names the materials')
    .addOption(
      new Option(
        '--features <set>',
        'vgg16-nn: features of every voxel; block1 sees 5 × 5 voxels, multi-scale (default) far more',
      ).choices([...featureSets]),
    )
    .option('--fine-tune', 'vgg16-nn: train VGG16 itself too, once its classifier is trained')
    .option(
      '--weights <set|file>',
      'vgg16-nn: pretrained weights (default: as "phasemark weights list" says)',
    )
    .addOption(
      new Option('--preset <name>', 'size and length of training').choices([...presets]).default('standard'),
    )
    .addOption(
      new Option(
        '--context <slices>',
        'neighbouring slices to each side that the network sees too (2.5D)',
      ).argParser(integerFrom(0)),
    )
    .addOption(
      new Option(
        '--intensity <scope>',
        'normalise grey values over the volume or slice by slice (auto: by how much slices differ)',
      )
        .choices(['auto', ...intensityScopes])
        .default('auto'),
    )
    .addOption(
      new Option('--max-minutes <n>', 'time limit; sets the length of the schedule').argParser(
        positiveNumber,
      ),
    )
    .addOption(new Option('--max-steps <n>', 'length of the schedule in steps').argParser(integerFrom(1)))
    .addOption(
      new Option('--checkpoint-steps <n>', 'steps between checkpoints (default: by time)').argParser(
        integerFrom(1),
      ),
    )
    .addOption(
      new Option('--seed <n>', 'fixes initial weights, sampling and augmentation').argParser(integerFrom(0)),
    )
    .addOption(slicesOption('--train-slices', 'positions to train on, for example 0-9,20-29'))
    .addOption(slicesOption('--val-slices', 'positions to validate on'))
    .option('--resume', 'go on from the last checkpoint of the run folder')
    .action(async (volumes: string[], flags: TrainFlags) => {
      await runCommand(
        'train',
        flags,
        async (context) => {
          requireSameCount(volumes, flags.labels)
          requireSuitedFlags(flags)
          const runtime = await loadComputeRuntime()
          context.note(describeDevice(runtime.device))
          const result = await train(runtime, {
            inputs: volumes.map((volume, index) => ({ volume, labels: flags.labels[index] })),
            data: {
              open: volumeOptions(flags),
              labels: {
                ...(flags.unlabelled === undefined ? {} : { unlabelled: flags.unlabelled }),
                ...(flags.materials === undefined ? {} : { materialsPath: flags.materials }),
              },
            },
            split: {
              ...(flags.trainSlices === undefined ? {} : { trainSlices: flags.trainSlices }),
              ...(flags.valSlices === undefined ? {} : { validationSlices: flags.valSlices }),
            },
            choices: choicesOf(flags),
            weights: flags.weights === undefined ? {} : { set: flags.weights },
            out: flags.out,
            resume: flags.resume === true,
            signal: context.signal,
            onProgress: context.onProgress,
          })
          return result
        },
        summarise,
      )
    })
  return withCommonOptions(withVolumeOptions(command))
}

function slicesOption(name: string, description: string): Option {
  return new Option(`${name} <ranges>`, description).argParser(
    asOption((text) => parseSliceRanges(text, name)),
  )
}

function requireSameCount(volumes: readonly string[], labels: readonly string[]): void {
  if (volumes.length === labels.length) return
  throw new PhasemarkError(
    'WrongUsage',
    `--labels: expected one for each of the ${volumes.length} volumes, found ${labels.length}`,
    { argument: '--labels' },
  )
}

/** Options that would have no effect on the model asked for are refused: whoever gives them expects one. */
function requireSuitedFlags({ model, features, fineTune, weights, context }: TrainFlags): void {
  const given: Record<ModelKind, Record<string, unknown>> = {
    unet: { '--context': context },
    'vgg16-nn': { '--features': features, '--fine-tune': fineTune, '--weights': weights },
  }
  for (const kind of modelKinds) {
    const argument = Object.keys(given[kind]).find((name) => given[kind][name] !== undefined)
    if (kind === model || argument === undefined) continue
    throw new PhasemarkError(
      'WrongUsage',
      `${argument}: expected with --model ${kind} only, found --model ${model}`,
      {
        argument,
      },
    )
  }
}

function choicesOf(flags: TrainFlags): TrainChoices {
  const choices: TrainChoices = { model: flags.model, preset: flags.preset }
  if (flags.maxMinutes !== undefined) choices.maxMinutes = flags.maxMinutes
  if (flags.maxSteps !== undefined) choices.maxSteps = flags.maxSteps
  if (flags.seed !== undefined) choices.seed = flags.seed
  if (flags.intensity !== 'auto') choices.intensityScope = flags.intensity
  if (flags.context !== undefined) choices.contextSlices = flags.context
  if (flags.features !== undefined) choices.features = flags.features
  if (flags.fineTune !== undefined) choices.fineTune = flags.fineTune
  if (flags.checkpointSteps !== undefined) choices.checkpointSteps = flags.checkpointSteps
  return choices
}

function summarise(result: TrainResult): string {
  const { value, from } = result.unlabelled
  const lines = [
    ...result.warnings.map(({ message }) => `Warning: ${message}`),
    `Trained ${result.steps} steps in ${formatDuration(result.seconds)}, ${result.parameters.toLocaleString('en')} parameters`,
    `Materials: ${result.materials.map((material) => `${material.name} (${material.value})`).join(', ')}; unlabelled: ${
      value === null ? 'no value' : `value ${value}`
    } (by ${from})`,
    ...result.split.map(
      ({ volume, pairing, training, validation }) =>
        `${volume}: labels paired by ${pairing}, training on slices ${formatSlices(training) || 'none'}, validation on ${
          formatSlices(validation) || 'none'
        }`,
    ),
  ]
  if (result.pretrained !== null) {
    const { title, place, path } = result.pretrained
    lines.push(`Pretrained weights: ${title} (${place}: ${path})`)
  }
  if (result.resumedFromStep > 0) lines.push(`Resumed from step ${result.resumedFromStep}`)
  if (result.validation !== null) {
    const { macroF1, slices, perMaterial } = result.validation
    const worst = [...perMaterial].sort((a, b) => (a.f1 ?? 2) - (b.f1 ?? 2))
    const scores = worst
      .map(({ name, f1 }) => `${name} ${f1 === null ? 'no truth' : f1.toFixed(4)}`)
      .join(', ')
    lines.push(`Validation (${slices} slices): macro-F1 ${macroF1?.toFixed(4) ?? 'none'}; F1 ${scores}`)
  }
  lines.push(`Run: ${result.run}`, `Model: ${result.model}`)
  return lines.join('\n')
}
