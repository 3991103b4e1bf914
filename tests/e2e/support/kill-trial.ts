import type { ChildProcess } from 'node:child_process'
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import path from 'node:path'
import { chromium, type Browser, type Page } from 'playwright'
import { openLabelStoreForReading } from '../../../src/main/engine/annotation/label-store.ts'
import { createRandom, type Random } from '../../../src/shared/random.ts'
import { writeTomogram } from '../../support/sample-tomogram.ts'
import { waitFor } from './app-under-test.ts'
import { launchElectron, type ElectronUnderTest } from './launch-electron.ts'
import { addMaterials, labelledVoxels, largePlane, stroke, strokeCount, type Point } from './painting.ts'
import { callFromWindow } from './window-calls.ts'

/** Everything the desktop app consists of. */
export const victims = ['main', 'renderer', 'gpu', 'data', 'compute'] as const
export type Victim = (typeof victims)[number]

/** What was found after a kill. */
export interface KillReport {
  victim: Victim
  /** Strokes whose end the window had seen before the kill. */
  finishedBefore: number
  /** Strokes finished, before and after, in this trial. */
  finished: number
  /** Of those that had to be there, how many are not. */
  lost: number

  /** From the kill until the app could be worked with again. */
  usableMs: number
  /** Longest stroke of this trial. */
  strokeMs: number
  /** Of the strokes that the window had seen the end of before the kill, how many are not there, promised or not. */
  missing: number
}

interface PaintedStroke {
  startedAt: number
  /** When the window had taken the release of the button; `null` when it never did. */
  endedAt: number | null
}

/** Axes z, y, x; as high and wide as the large plane, so that it is filled. */
const shape = [4, 400, 320] as const
const materials = ['Pore', 'Solid', 'Binder'] as const
/**
 * Places of strokes: rows from top to bottom, in three columns, and then from the top again. Strokes reach over the rows beside them.
 * Materials take turns by row, so that every stroke changes something, even when a banner moves the plane under the pointer and it
 * comes to lie on strokes that are there; and each time in another order, so that it still does where a kill has left one out.
 */
const columns: readonly (readonly [number, number])[] = [
  [0.2, 0.36],
  [0.42, 0.58],
  [0.64, 0.8],
]
const rows = 34
const [firstRow, lastRow] = [0.2, 0.8]
/** A kill comes within `latestKillMs` after this many strokes of a trial, in the middle of one that follows. */
const strokesBeforeKill = 2
const latestKillMs = 3000
/** For a machine that does much else; what is claimed is measured. */
const patienceMs = 60_000

/**
 * The app with a project in which somebody paints without a pause while processes are killed. After each kill everything that had
 * to survive is looked for: in the window, and on disk with the engine.
 */
export class KillTrial {
  readonly #program: string
  readonly #folder: string
  readonly #random: Random
  #app!: ElectronUnderTest
  #main!: ChildProcess
  /** The page as Playwright sees it; another one once its process was killed. */
  #page!: Page
  #browser: Browser | null = null
  /** Strokes in force when nobody paints. */
  #inForce = 0
  /** Strokes begun since the project was made. */
  #begun = 0

  private constructor(program: string, folder: string, seed: number) {
    this.#program = program
    this.#folder = folder
    this.#random = createRandom(seed)
  }

  /** Starts the app on a new project with materials. `folder` is empty; `seed` decides when processes are killed. */
  static async start(program: string, folder: string, seed: number): Promise<KillTrial> {
    const trial = new KillTrial(program, folder, seed)
    const [slices, height, width] = shape
    const { images } = writeTomogram(folder, { slices, height, width })
    await trial.#launch(images)
    const page = trial.#page
    const dialog = page.getByRole('dialog', { name: 'Import volume' })
    await dialog.getByRole('textbox', { name: 'Name' }).fill('killed')
    await dialog.getByRole('button', { name: 'Import', exact: true }).click()
    await dialog.waitFor({ state: 'hidden' })
    await addMaterials(page, materials)
    await trial.#takeUpBrush()
    return trial
  }

  /** The window as it is now; another one after the main process or the page was killed. */
  get page(): Page {
    return this.#page
  }

  get #project(): string {
    return path.join(this.#folder, 'killed.phasemark')
  }

  /** Folder of the labels of the only volume, named like the volume. */
  get #labels(): string {
    const [volumeId] = readdirSync(path.join(this.#project, 'labels'))
    return path.join(this.#project, 'labels', volumeId)
  }

  /**
   * Kills `victim` while strokes are painted, waits until the app can be used again, paints on, and looks for everything.
   * Throws when the app does not come back or when labels are damaged; what is missing is in the report.
   */
  async kill(victim: Victim): Promise<KillReport> {
    const pid = (await this.#app.processIds())[victim]
    if (pid === null) throw new Error(`there is no ${victim} process`)
    const painting = new Painting(this.#page, () => this.#nextPlace())
    await waitFor('strokes', () => painting.finished >= strokesBeforeKill, patienceMs)
    await pause(this.#random.uniform(0, latestKillMs))
    const killedAt = performance.now()
    process.kill(pid, 'SIGKILL')
    if (victim === 'main' || victim === 'renderer') {
      // Nobody can paint in a window that is gone.
      await painting.abandon()
      if (victim === 'main') await this.#startAgain()
      else await this.#findPageAgain()
    } else {
      await waitFor('the app after the kill', () => this.#isUsable(victim, pid), patienceMs)
    }
    const usableMs = performance.now() - killedAt
    if (victim === 'main' || victim === 'renderer') await this.#takeUpBrush()
    else await painting.goOnUntil(performance.now())

    const { strokes, strokeMs } = painting
    const endedBefore = (moment: number) =>
      strokes.filter(({ endedAt }) => endedAt !== null && endedAt < moment).length
    const survives = victim !== 'main' && victim !== 'renderer'
    // All but the stroke that was being drawn, and the one that had only just been.
    const wanted = this.#inForce + endedBefore(survives ? Infinity : killedAt - strokeMs)
    const most = this.#inForce + strokes.length
    const found = await this.#settledCount(survives ? wanted : null)
    if (found > most) throw new Error(`${found} strokes are in force, but only ${most} were begun`)
    const report = {
      victim,
      finishedBefore: endedBefore(killedAt),
      finished: endedBefore(Infinity),
      lost: Math.max(0, wanted - found),
      missing: Math.max(0, this.#inForce + endedBefore(killedAt) - found),
      usableMs,
      strokeMs,
    }
    this.#inForce = found
    await this.#checkLabels()
    // The way on is open: one more stroke reaches the disk.
    const more = new Painting(this.#page, () => this.#nextPlace())
    await more.goOnUntil(performance.now())
    const after = await this.#settledCount(found + more.strokes.length)
    if (after !== found + more.strokes.length)
      throw new Error(
        `after the ${victim} process was killed, ${more.strokes.length} strokes more made ${after - found}`,
      )
    this.#inForce = after
    return report
  }

  /** Closes the app as its user would and looks at the labels a last time, with their whole journal replayed. */
  async close(): Promise<void> {
    await this.#browser?.close()
    await this.#app.close()
    await this.#readLabels()
  }

  /** Ends everything that still runs, for a trial that failed; does nothing after `close`. */
  async abandon(): Promise<void> {
    await this.#browser?.close().catch(() => undefined)
    const { exitCode, signalCode } = this.#main
    if (exitCode === null && signalCode === null) this.#main.kill('SIGKILL')
  }

  async #launch(argument: string): Promise<void> {
    this.#app = await launchElectron(this.#program, {
      args: [argument],
      userFolder: path.join(this.#folder, 'user'),
      env: { PHASEMARK_PROJECTS: this.#folder },
      // Connections to a process that is killed end, and a killed GPU process takes the drawings with it.
      allowedProblems: [/Disconnected|connection|context lost|CONTEXT_LOST/i],
    })
    // Playwright does not tell it any more once the app was closed.
    this.#main = this.#app.electron.process()
    this.#page = this.#app.page
    this.#page.setDefaultTimeout(patienceMs)
  }

  /** The main process is gone: everything that belonged to it ends, and the user starts the app again. */
  async #startAgain(): Promise<void> {
    await this.#browser?.close().catch(() => undefined)
    this.#browser = null
    const main = this.#main
    await waitFor('the end of the main process', () => main.exitCode !== null || main.signalCode !== null)
    await this.#launch(this.#project)
    await waitFor('the project', async () => (await this.#page.title()).startsWith('killed'), patienceMs)
    // Whether the window speaks of an unclean end depends on how far the data process came with closing after its host's death.
  }

  /** Playwright never talks to a page again whose process was killed, so that a second connection is made. */
  async #findPageAgain(): Promise<void> {
    const file = path.join(this.#folder, 'user/state/window/DevToolsActivePort')
    const [port, address] = readFileSync(file, 'utf8').split('\n')
    await waitFor('the window loaded again', async () => {
      await this.#browser?.close()
      this.#browser = await chromium.connectOverCDP(`ws://127.0.0.1:${port}${address}`)
      const page = this.#browser.contexts().at(0)?.pages().at(0)
      if (page === undefined || !page.url().startsWith('app://')) return false
      this.#page = page
      return true
    })
    this.#page.setDefaultTimeout(patienceMs)
    // It shows the project that the data process kept open.
    await waitFor('the project', async () => (await this.#page.title()).startsWith('killed'), patienceMs)
  }

  /** Goes to Label and takes the brush. */
  async #takeUpBrush(): Promise<void> {
    await waitFor('the project', async () => (await this.#page.title()).startsWith('killed'), patienceMs)
    await this.#page.keyboard.press('Control+2')
    await largePlane(this.#page).waitFor()
    await waitFor('the labels', async () => Number.isInteger(await strokeCount(this.#page)), patienceMs)
    await largePlane(this.#page).focus()
    await this.#page.keyboard.press('b')
  }

  /** Whether what the victim does is done again, by its successor. */
  async #isUsable(victim: Victim, killed: number): Promise<boolean> {
    const now = (await this.#app.processIds())[victim]
    if (now === null || now === killed) return false
    if (victim === 'gpu') return await this.#isPictureShown()
    const answer = await callFromWindow(this.#page, {
      process: 'host',
      service: 'host',
      method: 'processes',
      request: {},
    })
    // Asked of the main process only: a port of `victim` would be the one that the window itself is waiting for.
    const statuses = answer.ok ? (answer.result as { name: string; state: string; pid: number }[]) : []
    const isRunning = statuses.some(
      ({ name, state, pid }) => name === victim && state === 'running' && pid === now,
    )
    return isRunning && (victim === 'compute' || this.#writerOfLabels() === now)
  }

  /** Process that has the labels open for writing, as their lock says; `null` when there is none at the moment. */
  #writerOfLabels(): number | null {
    try {
      const lock = readFileSync(path.join(this.#labels, '.phasemark-lock'), 'utf8')
      return (JSON.parse(lock) as { pid: number }).pid
    } catch {
      // Between two writers, or just being written.
      return null
    }
  }

  /** Whether the large plane shows a picture, not one colour. */
  async #isPictureShown(): Promise<boolean> {
    const box = await largePlane(this.#page).boundingBox()
    if (box === null) return false
    return await this.#app.electron.evaluate(async ({ BrowserWindow }, { x, y, width, height }) => {
      const rectangle = {
        x: Math.round(x + width / 4),
        y: Math.round(y + height / 4),
        width: Math.round(width / 2),
        height: Math.round(height / 2),
      }
      const image = await BrowserWindow.getAllWindows()[0].webContents.capturePage(rectangle)
      return new Set(image.toBitmap().filter((_, index) => index % 4 === 0)).size > 20
    }, box)
  }

  /** Strokes in force once nothing is waiting; `expected` is waited for, and a count that is wrong is returned. */
  async #settledCount(expected: number | null): Promise<number> {
    let count = Number.NaN
    let since = performance.now()
    await waitFor(
      'a count of strokes that stays',
      async () => {
        const now = await strokeCount(this.#page)
        if (now !== count) since = performance.now()
        count = now
        const settleMs = expected === null ? 1000 : 10_000
        return count === expected || (Number.isInteger(count) && performance.now() - since > settleMs)
      },
      patienceMs,
    )
    return count
  }

  /** The window, the labels on disk, and the journal alone must tell the same. */
  async #checkLabels(): Promise<void> {
    const { counts } = await this.#readLabels()
    for (const [at, name] of materials.entries()) {
      const shown = await labelledVoxels(this.#page, name)
      const onDisk = counts[at + 1] ?? 0
      if (shown !== onDisk) throw new Error(`${name}: the window counts ${shown} voxels, the disk ${onDisk}`)
    }
  }

  /** Reads the labels as anybody would, and once more from the journal without snapshots. */
  async #readLabels(): Promise<{ counts: readonly number[] }> {
    const damaged = readdirSync(this.#labels).filter((name) => name.includes('.damaged'))
    if (damaged.length > 0) throw new Error(`damaged: ${damaged.join(', ')}`)
    const copy = mkdtempSync(path.join(this.#folder, 'journal-alone-'))
    try {
      cpSync(this.#labels, copy, { recursive: true, filter: (file) => !file.endsWith('.pms') })
      const whole = await openLabelStoreForReading(this.#labels, [...shape])
      const replayed = await openLabelStoreForReading(copy, [...shape])
      const recount = new Array<number>(256).fill(0)
      for (let z = 0; z < shape[0]; z++) {
        const labels = await whole.readSlice(z)
        if (Buffer.compare(labels, await replayed.readSlice(z)) !== 0)
          throw new Error(`slice ${z}: the journal replayed differs from the labels`)
        for (const label of labels) recount[label]++
      }
      for (const [material, count] of recount.entries())
        if (material > 0 && count !== (whole.counts[material] ?? 0))
          throw new Error(`material ${material}: ${whole.counts[material]} counted, ${count} there`)
      return { counts: whole.counts }
    } finally {
      rmSync(copy, { recursive: true })
    }
  }

  /** Where the next stroke goes; every stroke changes something. */
  #nextPlace(): { key: string; points: Point[] } {
    const places = rows * columns.length
    const pass = Math.floor(this.#begun / places)
    const at = this.#begun++ % places
    const [left, right] = columns[at % columns.length]
    const row = Math.floor(at / columns.length)
    const y = firstRow + ((lastRow - firstRow) * row) / (rows - 1)
    return {
      // Another than the row above had just now, and than this one and the one below had the last time.
      key: `${1 + ((row + 2 * pass) % materials.length)}`,
      points: [
        [left, y],
        [right, y],
      ],
    }
  }
}

/** Paints stroke after stroke, without a pause, from when it is made until it is told to stop. */
class Painting {
  readonly strokes: PaintedStroke[] = []
  readonly #ended: Promise<void>
  /** Paints until a stroke that was begun later than this has ended. */
  #until = Infinity
  #abandoned = false

  constructor(page: Page, nextPlace: () => { key: string; points: Point[] }) {
    this.#ended = this.#paint(page, nextPlace)
    // Rejections are told by whoever waits for the end.
    this.#ended.catch(() => undefined)
  }

  get finished(): number {
    return this.strokes.filter(({ endedAt }) => endedAt !== null).length
  }

  /** Longest stroke, in ms. */
  get strokeMs(): number {
    return Math.max(
      0,
      ...this.strokes.map(({ startedAt, endedAt }) => (endedAt === null ? 0 : endedAt - startedAt)),
    )
  }

  /** Stops after the first stroke that begins after `moment`. Rejects when painting failed. */
  async goOnUntil(moment: number): Promise<void> {
    this.#until = moment
    await this.#ended
  }

  /** Stops at once: the window is gone, and with it the stroke being drawn. */
  async abandon(): Promise<void> {
    this.#abandoned = true
    await Promise.race([this.#ended, pause(2000)])
  }

  async #paint(page: Page, nextPlace: () => { key: string; points: Point[] }): Promise<void> {
    try {
      for (;;) {
        const { key, points } = nextPlace()
        const painted: PaintedStroke = { startedAt: performance.now(), endedAt: null }
        this.strokes.push(painted)
        await page.keyboard.press(key)
        await stroke(page, points, 3)
        painted.endedAt = performance.now()
        if (this.#abandoned || painted.startedAt > this.#until) return
      }
    } catch (error) {
      if (!this.#abandoned) throw error
    }
  }
}

async function pause(milliseconds: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, milliseconds))
}

/** One line about a kill. */
export function describeKill(report: KillReport): string {
  const { victim, finishedBefore, finished, lost, missing, usableMs, strokeMs } = report
  return (
    `${victim} process killed after ${finishedBefore} strokes of at most ${strokeMs.toFixed(0)} ms: ` +
    `usable again after ${usableMs.toFixed(0)} ms (aim: 2000), ${lost} of ${finished} strokes lost` +
    (missing > lost ? `, and ${missing - lost} that had only just been drawn` : '')
  )
}
