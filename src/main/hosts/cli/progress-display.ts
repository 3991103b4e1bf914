import cliProgress from 'cli-progress'
import type { Progress } from '../../../shared/job.ts'

/** Shows the progress of a job while it runs. */
export interface ProgressDisplay {
  show(progress: Progress): void
  /** Prints a line without tearing the bar. */
  note(line: string): void
  stop(): void
}

/** A bar on a terminal, a line every ten seconds in a log file, JSON lines for programs. */
export function createDisplay(json: boolean): ProgressDisplay {
  if (json) return jsonDisplay()
  return process.stderr.isTTY ? barDisplay() : lineDisplay()
}

function jsonDisplay(): ProgressDisplay {
  const due = atMostEvery(200)
  return {
    show: (progress) => {
      if (due(progress)) printJson({ type: 'progress', ...progress })
    },
    note: (line) => printJson({ type: 'note', message: line }),
    stop: () => undefined,
  }
}

function barDisplay(): ProgressDisplay {
  let bar: cliProgress.SingleBar | null = null
  let stage = ''
  const finish = () => {
    bar?.stop()
    bar = null
  }
  return {
    show: (progress) => {
      if (bar === null || progress.stage !== stage) {
        finish()
        stage = progress.stage
        bar = new cliProgress.SingleBar(
          {
            format: '{stage} {bar} {value}/{total} {unit}  {readings}{left}',
            hideCursor: true,
            stream: process.stderr,
            barsize: 30,
          },
          cliProgress.Presets.shades_classic,
        )
        bar.start(progress.total, progress.done, payload(progress))
      }
      bar.setTotal(progress.total)
      bar.update(progress.done, payload(progress))
    },
    note: (line) => {
      finish()
      console.error(line)
    },
    stop: finish,
  }
}

function payload(progress: Progress): object {
  return {
    stage: progress.stage.padEnd(14),
    unit: progress.unit,
    readings: readingsText(progress),
    left: progress.etaSeconds === undefined ? '' : `${formatDuration(progress.etaSeconds)} left`,
  }
}

function lineDisplay(): ProgressDisplay {
  const due = atMostEvery(10_000)
  return {
    show: (progress) => {
      if (!due(progress)) return
      const { stage, done, total, unit, etaSeconds } = progress
      const left = etaSeconds === undefined ? '' : `, ${formatDuration(etaSeconds)} left`
      console.error(`${stage}: ${done}/${total} ${unit} ${readingsText(progress)}${left}`.trimEnd())
    },
    note: (line) => console.error(line),
    stop: () => undefined,
  }
}

/** Lets the first and the last report of a stage through, and others at most every `milliseconds`. */
function atMostEvery(milliseconds: number): (progress: Progress) => boolean {
  let stage = ''
  let last = -Infinity
  return (progress) => {
    const now = performance.now()
    if (progress.stage === stage && progress.done < progress.total && now - last < milliseconds) return false
    stage = progress.stage
    last = now
    return true
  }
}

function readingsText({ readings }: Progress): string {
  if (readings === undefined) return ''
  const parts = Object.entries(readings).map(([name, value]) => `${name} ${value.toPrecision(4)}`)
  return parts.length === 0 ? '' : `(${parts.join(', ')}) `
}

/** `45 s`, `3 min 05 s`, `2 h 10 min`. */
export function formatDuration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds))
  if (whole < 60) return `${whole} s`
  const minutes = Math.floor(whole / 60)
  if (minutes < 60) return `${minutes} min ${String(whole % 60).padStart(2, '0')} s`
  return `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, '0')} min`
}

export function printJson(value: object): void {
  process.stdout.write(`${JSON.stringify(value)}\n`)
}
