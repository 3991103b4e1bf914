import path from 'node:path'
import { mkdirSync } from 'node:fs'
import { createRandom } from '../../src/shared/random.ts'
import { findElectron } from '../e2e/support/electron-runtime.ts'
import { describeKill, KillTrial, victims, type KillReport, type Victim } from '../e2e/support/kill-trial.ts'
import type { BenchmarkOptions } from './benchmark.ts'
import type { BenchmarkResult, Measurement } from './report.ts'
import { median } from './statistics.ts'

const lostBar = { relation: '≤', limit: 0 } as const
/** "Killing the data or compute process leaves the window alive and usable again within 2 s." */
const usableBar = { relation: '≤', limit: 2 } as const

/**
 * `kill -9` of every process of the desktop app, again and again, while somebody paints: nothing but the stroke being drawn may be
 * lost. Ends with an error at the first kill after which the app does not come back or labels are damaged. The seed is among the
 * details; PHASEMARK_KILL_SEED repeats a run.
 */
export async function benchmarkKills({
  folder,
  smoke,
  onProgress,
}: BenchmarkOptions): Promise<BenchmarkResult> {
  const electron = await findElectron()
  if ('reason' in electron)
    return { benchmark: 'kills', measurements: [], skipped: { Electron: electron.reason }, details: {} }
  const kills = smoke ? victims.length : 50
  const seed = Number(process.env['PHASEMARK_KILL_SEED'] ?? Math.floor(Math.random() * 2 ** 31))
  const random = createRandom(seed, 1)
  const place = path.join(folder, 'kills')
  mkdirSync(place)
  const reports: KillReport[] = []
  const trial = await KillTrial.start(electron.program, place, seed)
  try {
    while (reports.length < kills) {
      // Each process once per round, in an order of its own. More deaths of one kind within a minute than two rounds can bring
      // would be no accident, and the app would rightly ask before it goes on.
      for (const victim of shuffled(victims, () => random.next())) {
        onProgress(`kill ${reports.length + 1} of ${kills}: ${victim} process`)
        reports.push(await trial.kill(victim))
        console.error(`kills: ${describeKill(reports.at(-1)!)}`)
      }
    }
    await trial.close()
  } catch (error) {
    throw new Error(`kill ${reports.length + 1} of ${kills} with seed ${seed}`, { cause: error })
  } finally {
    await trial.abandon()
  }
  const sum = (of: (report: KillReport) => number) => reports.reduce((total, report) => total + of(report), 0)
  const measurements: Measurement[] = [
    { what: 'kills', value: reports.length, unit: '' },
    { what: 'strokes finished', value: sum(({ finished }) => finished), unit: '' },
    {
      what: 'strokes lost beside the one being drawn',
      value: sum(({ lost }) => lost),
      unit: '',
      bar: lostBar,
    },
    {
      what: 'strokes missing that had only just been drawn',
      value: sum(({ lost, missing }) => Math.max(0, missing - lost)),
      unit: '',
    },
    ...victims.flatMap((victim) => usableAfter(victim, reports)),
  ]
  return { benchmark: 'kills', measurements, skipped: {}, details: { seed, reports } }
}

function usableAfter(victim: Victim, reports: readonly KillReport[]): Measurement[] {
  const seconds = reports.filter((report) => report.victim === victim).map(({ usableMs }) => usableMs / 1000)
  const isPromised = victim === 'data' || victim === 'compute'
  return [
    {
      what: `usable after the ${victim} process, median`,
      value: median(seconds),
      unit: 's',
      ...(isPromised ? { bar: usableBar } : {}),
    },
    { what: `usable after the ${victim} process, slowest`, value: Math.max(...seconds), unit: 's' },
  ]
}

/** Fisher and Yates's shuffle. */
function shuffled<T>(values: readonly T[], random: () => number): T[] {
  const result = [...values]
  for (let at = result.length - 1; at > 0; at--) {
    const other = Math.floor(random() * (at + 1))
    ;[result[at], result[other]] = [result[other], result[at]]
  }
  return result
}
