import path from 'node:path'
import { findElectron } from '../e2e/support/electron-runtime.ts'
import { electronSwitches, launchElectron } from '../e2e/support/launch-electron.ts'
import type { Benchmark, BenchmarkOptions } from './benchmark.ts'
import { median } from './statistics.ts'
import { benchmarkLooking } from './window/looking.ts'
import { benchmarkPainting } from './window/painting.ts'

const startBar = { relation: '≤', limit: 4 } as const

/**
 * The desktop app as a user has it, on the real Electron with the real engine: start, a scan of 2000 slices, painting on 4096², a history
 * of ten thousand strokes. WebGL is drawn in software, whatever the machine has: with a graphics card drawing is faster than this.
 */
export const benchmarkWindow: Benchmark = async (options) => {
  const found = await findElectron()
  if ('reason' in found)
    return { benchmark: 'window', measurements: [], skipped: { Electron: found.reason }, details: {} }
  const { program } = found
  const starts = await measureStarts(program, options)
  const looking = await benchmarkLooking(program, options)
  const painting = await benchmarkPainting(program, options)
  return {
    benchmark: 'window',
    measurements: [
      {
        what: 'start to a usable window',
        value: median(starts),
        unit: 's',
        bar: startBar,
        note: `median of ${starts.length}; Electron of the tests, WebGL in software`,
      },
      ...looking.measurements,
      ...painting.measurements,
    ],
    skipped: {},
    details: {
      electron: program,
      switches: electronSwitches(),
      starts,
      looking: looking.details,
      painting: painting.details,
    },
  }
}

/** Seconds from the start of the process until the first page can be used. */
async function measureStarts(
  program: string,
  { folder, smoke, onProgress }: BenchmarkOptions,
): Promise<number[]> {
  const seconds: number[] = []
  for (let start = 0; start < (smoke ? 1 : 5); start++) {
    onProgress(`start ${start + 1}`)
    const started = performance.now()
    const app = await launchElectron(program, { userFolder: path.join(folder, 'starts') })
    try {
      await app.page.getByRole('button', { name: 'Open a folder' }).click({ trial: true })
      seconds.push((performance.now() - started) / 1000)
    } finally {
      await app.close()
    }
  }
  return seconds
}
