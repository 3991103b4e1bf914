import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { scratchFolder } from '../support/file-tree.ts'
import { findElectron } from './support/electron-runtime.ts'
import { describeKill, KillTrial } from './support/kill-trial.ts'
import { showFailures } from './support/show-failures.ts'

/**
 * `kill -9` of any process at a random moment of painting: at most the stroke being drawn is lost, the project opens, nothing is
 * corrupt. One kill of each here; fifty are in `npm run bench -- kills`. To repeat a run, give its seed as PHASEMARK_KILL_SEED.
 */

/**
 * The aim is 2 s, which `app.test.ts` holds the app to while nothing else happens. Here the drawing takes all cores as well; the
 * time is printed, and `npm run bench -- kills` has the bar.
 */
const usableLimitMs = 20_000

const found = await findElectron()
const title = 'reason' in found ? `painting in Electron (absent: ${found.reason})` : 'painting in Electron'

describe.skipIf('reason' in found)(title, () => {
  const scratch = scratchFolder('kills')
  const seed = Number(process.env['PHASEMARK_KILL_SEED'] ?? Math.floor(Math.random() * 2 ** 31))
  let trial: KillTrial | null = null

  beforeAll(async () => {
    console.log(`kills: seed ${seed}`)
    if ('program' in found) trial = await KillTrial.start(found.program, scratch, seed)
  })
  showFailures(() => trial?.page ?? null)
  afterAll(async () => {
    await trial?.abandon()
  })

  // The app that was started again, after the kill of its main process, has to take a kill as well.
  it.each(['data', 'compute', 'gpu', 'main', 'renderer'] as const)(
    'outlives the end of the %s process',
    async (victim) => {
      const report = await trial!.kill(victim)
      console.log(describeKill(report))
      expect(report.lost).toBe(0)
      // Something was painted, or nothing was tested.
      expect(report.finished).toBeGreaterThan(0)
      expect(report.usableMs).toBeLessThan(usableLimitMs)
    },
  )

  it('leaves labels that can be closed and read', async () => {
    await trial!.close()
    trial = null
  })
})
