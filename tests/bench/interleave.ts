import { setTimeout as sleep } from 'node:timers/promises'
import { median } from './statistics.ts'

/** One of several programs that do the same work. */
export interface Contender {
  name: string
  /** Does the work once and returns the seconds it took, measured where it is done. */
  run(): Promise<number>
}

export interface Timing {
  medianSeconds: number
  minimumSeconds: number
  maximumSeconds: number
  samples: readonly number[]
}

export interface InterleaveOptions {
  rounds: number
  /** Rounds that are run first and not counted. */
  warmUpRounds: number
  onRound?: (done: number, total: number) => void
}

/** Pause between two contenders, so that thread pools of the last one have stopped spinning before the next starts. */
const pauseMs = 30

/**
 * Lets all contenders do their work in turn, round after round, so that whatever the machine does meanwhile (clock,
 * neighbours, page cache) strikes them alike. The order shifts by one every round.
 */
export async function interleave(
  contenders: readonly Contender[],
  options: InterleaveOptions,
): Promise<Map<string, Timing>> {
  const samples = new Map(contenders.map(({ name }): [string, number[]] => [name, []]))
  const total = options.warmUpRounds + options.rounds
  for (let round = 0; round < total; round++) {
    for (let turn = 0; turn < contenders.length; turn++) {
      const contender = contenders[(round + turn) % contenders.length]
      await sleep(pauseMs)
      const seconds = await contender.run()
      if (round >= options.warmUpRounds) samples.get(contender.name)!.push(seconds)
    }
    options.onRound?.(round + 1, total)
  }
  return new Map(
    [...samples].map(([name, seconds]): [string, Timing] => [
      name,
      {
        medianSeconds: median(seconds),
        minimumSeconds: Math.min(...seconds),
        maximumSeconds: Math.max(...seconds),
        samples: seconds,
      },
    ]),
  )
}

/** Seconds that `work` takes. */
export async function timed(work: () => Promise<unknown>): Promise<number> {
  const started = performance.now()
  await work()
  return (performance.now() - started) / 1000
}
