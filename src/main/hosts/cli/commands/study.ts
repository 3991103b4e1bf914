import { Command } from 'commander'
import { loadComputeRuntime } from '../../../engine/compute/runtime/load.ts'
import { study, type StudyResult } from '../../../engine/study/study.ts'
import { describeDevice } from '../describe.ts'
import { formatDuration } from '../progress-display.ts'
import { runCommand, withCommonOptions } from '../reporting.ts'
import { comparisonLines } from './compare-summary.ts'

interface StudyFlags {
  json?: true
  out: string
  resume?: true
}

/** `phasemark study`: trains two models and compares them, from one configuration. */
export function studyCommand(): Command {
  const command = new Command('study')
    .description('train two models, compare them on seen and unseen data, and report; can be resumed')
    .argument('<config>', 'JSON file, see docs/comparing.md')
    .requiredOption('--out <folder>', 'folder of the study')
    .option('--resume', 'go on with an interrupted study')
    .action(async (config: string, flags: StudyFlags) => {
      await runCommand(
        'study',
        flags,
        async (context) => {
          const runtime = await loadComputeRuntime()
          context.note(describeDevice(runtime.device))
          return await study(runtime, {
            ...{ config, out: flags.out, resume: flags.resume === true },
            signal: context.signal,
            onProgress: context.onProgress,
          })
        },
        summarise,
      )
    })
  return withCommonOptions(command)
}

function summarise(result: StudyResult): string {
  const before = result.stagesDoneBefore > 0 ? ` (${result.stagesDoneBefore} of them before)` : ''
  return [
    ...comparisonLines(result.summary),
    ...result.warnings.map(({ message }) => `Warning: ${message}`),
    '',
    `${result.stages} stages${before} in ${formatDuration(result.seconds)}`,
    `Runs: ${result.runs.A}, ${result.runs.B}`,
    `Comparison: ${result.comparison}`,
    `Report: ${result.report}`,
  ].join('\n')
}
