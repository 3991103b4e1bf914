import { Command } from 'commander'
import type { Progress } from '../../../../shared/job.ts'
import { fetchWeights, type FetchResult } from '../../../engine/pretrained/fetch-weights.ts'
import { importWeights, type ImportResult } from '../../../engine/pretrained/import-weights.ts'
import { listWeights, type ListedFile, type WeightsListing } from '../../../engine/pretrained/list-weights.ts'
import { runCommand, withCommonOptions } from '../reporting.ts'

interface CommonFlags {
  json?: true
}

/** `phasemark weights`: which pretrained weights there are, and how they get here. */
export function weightsCommand(): Command {
  return new Command('weights')
    .description('pretrained weights for vgg16-nn: list, fetch or import them')
    .addCommand(listCommand())
    .addCommand(fetchCommand())
    .addCommand(importCommand())
}

function listCommand(): Command {
  const command = new Command('list')
    .description(
      'say which sets there are, where they are found, whether they are whole, and which would be used',
    )
    .option('--project <folder>', 'search a project (name.phasemark) too')
    .action(async (flags: CommonFlags & { project?: string }) => {
      const project = flags.project === undefined ? {} : { project: flags.project }
      await runCommand(
        'weights list',
        flags,
        ({ signal }) => listWeights({ ...project, signal }),
        describeListing,
      )
    })
  return withCommonOptions(command)
}

function fetchCommand(): Command {
  const command = new Command('fetch')
    .description(
      'download the official file of a set, check it, and keep what is needed; goes on where it was interrupted',
    )
    .argument('[set]', 'id of the set; default: the preferred one (ImageNet)')
    .action(async (set: string | undefined, flags: CommonFlags) => {
      await runCommand(
        'weights fetch',
        flags,
        (context) =>
          fetchWeights({
            ...(set === undefined ? {} : { set }),
            signal: context.signal,
            onProgress: (progress) => context.onProgress(flags.json ? progress : inMegabytes(progress)),
            onNote: (sentence) => context.note(sentence),
          }),
        describeFetched,
      )
    })
  return withCommonOptions(command)
}

function importCommand(): Command {
  const command = new Command('import')
    .description(
      'check a file of weights (Keras .h5 or .safetensors) and keep what is needed for all projects',
    )
    .argument('<file>', 'for example vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5; it is only read')
    .action(async (file: string, flags: CommonFlags) => {
      await runCommand(
        'weights import',
        flags,
        ({ signal }) => importWeights(file, { signal }),
        describeImported,
      )
    })
  return withCommonOptions(command)
}

/** Nobody reads eight digits of bytes. */
function inMegabytes(progress: Progress): Progress {
  const megabytes = (bytes: number) => Math.round(bytes / 1e6)
  return { ...progress, done: megabytes(progress.done), total: megabytes(progress.total), unit: 'MB' }
}

function describeListing({ sets, places, used }: WeightsListing): string {
  const lines = sets.flatMap(({ id, title, licence, files }) => [
    id,
    `  ${title}`,
    `  licence    ${licence}`,
    ...(files.length === 0 ? ['  not found'] : files.flatMap(describeFile)),
  ])
  lines.push(
    '',
    'Searched, in this order:',
    ...places.map(({ kind, folder }) => `  ${kind.padEnd(18)} ${folder}`),
    '',
  )
  const damaged = sets.find(({ files }) => files.length > 0)?.files[0]
  if (used !== null) lines.push(`Used: ${used.id} from ${used.path}`)
  else if (damaged === undefined)
    lines.push('None is found. Run: phasemark weights fetch, or phasemark weights import FILE')
  else lines.push(`Used: none, because ${damaged.path} comes first and is damaged. Replace or remove it`)
  return lines.join('\n')
}

function describeFile({ place, path, state, exactBiases, problem }: ListedFile): string[] {
  const biases = exactBiases === false ? ', biases rounded' : ''
  const lines = [`  ${`${state}${biases}`.padEnd(10)} ${path} (${place})`]
  return problem === null ? lines : [...lines, `             ${problem}`]
}

function describeFetched(result: FetchResult): string {
  const { url, downloadedBytes, resumedFromByte } = result
  if (url === null) return `Nothing to download: ${result.path} is there and exact`
  const resumed =
    resumedFromByte > 0 ? `, after ${(resumedFromByte / 1e6).toFixed(1)} MB of an earlier attempt` : ''
  return [
    `Downloaded ${(downloadedBytes / 1e6).toFixed(1)} MB from ${url}${resumed}`,
    describeImported(result),
  ].join('\n')
}

function describeImported(result: ImportResult): string {
  const { title, path, licence, exactBiases, changed, selfTest } = result
  const biases =
    exactBiases === false
      ? ' The biases are a rounded copy; phasemark weights fetch gets the exact ones.'
      : ''
  const test =
    selfTest === null
      ? ''
      : `, self-test of ${selfTest.compared} numbers within ${selfTest.largestDifference.toExponential(1)}`
  return [
    `${changed ? 'Imported' : 'Already there'}: ${title}`,
    `  ${path} (checksums right${test})`,
    `  Licence: ${licence}.${biases}`,
  ].join('\n')
}
