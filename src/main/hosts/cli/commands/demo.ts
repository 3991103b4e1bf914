import { existsSync } from 'node:fs'
import { Command, Option } from 'commander'
import { PhasemarkError } from '../../../../shared/errors.ts'
import { loadComputeRuntime } from '../../../engine/compute/runtime/load.ts'
import { demo, type DemoResult } from '../../../engine/demo/demo.ts'
import { asOption, parseUnlabelled, positiveNumber } from '../common-options.ts'
import { describeDevice } from '../describe.ts'
import { formatDuration } from '../progress-display.ts'
import { runCommand, withCommonOptions } from '../reporting.ts'

interface DemoFlags {
  json?: true
  labels?: string
  unlabelled?: number | 'none'
  out?: string
  maxMinutes: number
  resume?: true
}

const defaultOut = 'phasemark-demo'
/** Leaves time to set up and build within a quarter of an hour. */
const defaultMinutes = 8

/** `phasemark demo`: the whole main job, on a generated sample when no volume is given. */
export function demoCommand(): Command {
  const command = new Command('demo')
    .description(
      'the whole job: train both models on a few labels, compare them, segment, export; on a synthetic sample without a volume',
    )
    .argument('[volume]', 'folder or file with grey slices')
    .option('--labels <labels>', 'labels of the volume')
    .addOption(
      new Option('--unlabelled <value|none>', 'label value that means unlabelled').argParser(
        asOption(parseUnlabelled),
      ),
    )
    .option('--out <folder>', `folder to write (default: ${defaultOut}, or the next free ${defaultOut}-2, …)`)
    .addOption(
      new Option('--max-minutes <n>', 'time for everything, about')
        .argParser(positiveNumber)
        .default(defaultMinutes),
    )
    .option('--resume', 'go on with an interrupted demo')
    .action(async (volume: string | undefined, flags: DemoFlags) => {
      await runCommand(
        'demo',
        flags,
        async (context) => {
          const given = givenData(volume, flags)
          const runtime = await loadComputeRuntime()
          context.note(describeDevice(runtime.device))
          return demo(runtime, {
            out: flags.out ?? freeFolder(flags.resume === true),
            ...(given === undefined ? {} : { given }),
            maxMinutes: flags.maxMinutes,
            resume: flags.resume === true,
            onStage: (text) => context.note(text),
            signal: context.signal,
            onProgress: context.onProgress,
          })
        },
        summarise,
      )
    })
  return withCommonOptions(command)
}

/** A name that nothing has yet, or the latest one to go on with: a demo that is repeated shall not stumble over itself. */
function freeFolder(resume: boolean): string {
  const name = (number: number) => (number === 1 ? defaultOut : `${defaultOut}-${number}`)
  let number = 1
  while (existsSync(name(number))) number++
  return name(resume ? Math.max(1, number - 1) : number)
}

function givenData(volume: string | undefined, { labels, unlabelled }: DemoFlags) {
  if ((volume === undefined) !== (labels === undefined)) {
    throw new PhasemarkError(
      'WrongUsage',
      `demo: expected a volume and --labels, or neither, found ${volume === undefined ? 'no volume' : 'no --labels'}`,
      { argument: '--labels' },
    )
  }
  if (volume === undefined || labels === undefined) return undefined
  return { volume, labels, ...(unlabelled === undefined ? {} : { unlabelled }) }
}

function summarise(result: DemoResult): string {
  const { training, scores, slices } = result
  const score = (value: number | null) => value?.toFixed(4) ?? 'none'
  const lines = [
    `Done in ${formatDuration(result.seconds)}`,
    ...Object.entries(training).map(
      ([kind, { steps, seconds, parameters }]) =>
        `${kind}: ${steps} steps in ${formatDuration(seconds)}, ${parameters.toLocaleString('en')} parameters`,
    ),
    ...scores.map(
      ({ split, macroF1 }) =>
        `macro-F1 (${split}): unet ${score(macroF1.unet)}, vgg16-nn ${score(macroF1['vgg16-nn'])}`,
    ),
    `Models: ${result.runs.unet}, ${result.runs['vgg16-nn']}`,
    `Segmented volume (${result.better}, slices ${slices.first}-${slices.last}): ${result.segmentation}`,
    `The same as one file: ${result.exported}`,
    `Report: ${result.report}`,
  ]
  if (result.synthetic)
    lines.push('The sample volumes are synthetic: these scores say nothing about a real material.')
  if (result.toSegmentAll !== null) lines.push(`The whole volume takes longer: ${result.toSegmentAll}`)
  return lines.join('\n')
}
