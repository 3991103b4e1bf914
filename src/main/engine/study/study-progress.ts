import type { Progress } from '../../../shared/job.ts'
import type { StudyConfig } from './study-config.ts'
import type { StudyStage } from './study-stages.ts'
import type { StudyState } from './study-state.ts'

const secondsPerMinute = 60

/**
 * Turns the progress of a stage into that of the study: which stage of how many, and the time left for all of them once every
 * kind of stage that is still to come has been seen or has a time limit; until then the time left of the stage stands beside it.
 */
export function studyProgress(
  stages: readonly StudyStage[],
  index: number,
  state: StudyState,
  config: StudyConfig,
  report: ((progress: Progress) => void) | undefined,
): (progress: Progress) => void {
  const waiting = stages.slice(index + 1).filter((stage) => !state.isDone(stage))
  const expected = waiting.map((stage) => expectedSeconds(stage, stages, state, config))
  const later = expected.every((seconds) => seconds !== null)
    ? expected.reduce((sum, seconds) => sum + seconds, 0)
    : null
  return ({ stage, etaSeconds, readings, ...rest }) => {
    report?.({
      ...rest,
      stage: `${index + 1}/${stages.length} ${stages[index].id}: ${stage}`,
      ...(etaSeconds === undefined || later === null ? {} : { etaSeconds: etaSeconds + later }),
      readings: {
        ...readings,
        ...(etaSeconds === undefined || later !== null ? {} : { 'stage seconds left': etaSeconds }),
      },
    })
  }
}

/** Mean of the stages of the same kind that are done, else the time limit of a training. */
function expectedSeconds(
  stage: StudyStage,
  stages: readonly StudyStage[],
  state: StudyState,
  config: StudyConfig,
): number | null {
  const alike = stages.filter((other) => state.isDone(other) && kindOf(other) === kindOf(stage))
  if (alike.length > 0) return alike.reduce((sum, other) => sum + state.secondsOf(other), 0) / alike.length
  if (stage.kind !== 'train') return null
  const { maxMinutes } = config.models[stage.letter === 'A' ? 0 : 1]
  return maxMinutes === undefined ? null : maxMinutes * secondsPerMinute
}

function kindOf(stage: StudyStage): string {
  return stage.kind === 'train' ? `train ${stage.letter}` : stage.kind
}
