import path from 'node:path'
import { _electron } from 'playwright'
import type { ElectronApplication } from 'playwright'
import {
  collectProblems,
  createUserFolder,
  environmentOf,
  expectNoProblems,
  waitFor,
} from './app-under-test.ts'
import type { AppUnderTest, LaunchOptions, ProcessIds } from './app-under-test.ts'
import { ensureDisplay } from './display.ts'
import { repository } from './electron-runtime.ts'

export interface ElectronUnderTest extends AppUnderTest {
  readonly kind: 'electron'
  readonly electron: ElectronApplication
  /** From the start of the process to the first window, in ms. */
  readonly windowMs: number
}

/**
 * No sandbox where root runs the tests, for Chromium refuses it there. Nothing about graphics: without a graphics card, the app
 * draws as it does for users without one.
 */
export function electronSwitches(): string[] {
  return [...(process.getuid?.() === 0 ? ['--no-sandbox'] : []), '--disable-dev-shm-usage']
}

const closeLimitMs = 15_000

/** Starts the built app on the real Electron `program` (see `findElectron`). */
export async function launchElectron(
  program: string,
  options: LaunchOptions = {},
): Promise<ElectronUnderTest> {
  const own = options.userFolder === undefined ? createUserFolder() : null
  const userFolder = options.userFolder ?? own!.folder
  const started = performance.now()
  const electron = await _electron.launch({
    executablePath: program,
    args: [...electronSwitches(), '-r', waitForPlaywright, repository, ...(options.args ?? [])],
    cwd: repository,
    env: environmentOf(userFolder, { DISPLAY: await ensureDisplay(), ...options.env }),
  })
  const main = electron.process()
  let output = ''
  for (const stream of [main.stdout, main.stderr]) {
    stream?.setEncoding('utf8').on('data', (text: string) => (output += text))
  }
  const page = await electron.firstWindow().catch((error: unknown) => {
    main.kill('SIGKILL')
    throw new Error(`the app opened no window:\n${output}`, { cause: error })
  })
  const windowMs = performance.now() - started
  const problems = collectProblems(page)
  let closed: Promise<void> | null = null

  const end = async (): Promise<void> => {
    const timer = setTimeout(() => main.kill('SIGKILL'), closeLimitMs)
    await electron.close()
    clearTimeout(timer)
    own?.remove()
    expectNoProblems(problems, options.allowedProblems)
  }
  return {
    kind: 'electron',
    electron,
    page,
    windowMs,
    problems,
    processIds: () => processIds(electron),
    resize: async (size) => {
      await electron.evaluate(({ BrowserWindow }, { width, height }) => {
        BrowserWindow.getAllWindows()[0]?.setContentSize(width, height)
      }, size)
      // `page.waitForFunction` evaluates inside the page's policy, which refuses that.
      await waitFor(
        'the new size',
        async () =>
          await page.evaluate<boolean>(`innerWidth === ${size.width} && innerHeight === ${size.height}`),
      )
    },
    close: () => (closed ??= end()),
  }
}

/** Makes starts with Playwright certain; the file says how. */
const waitForPlaywright = path.join(import.meta.dirname, 'wait-for-playwright.cjs')

/** Process numbers as Electron itself counts them. */
async function processIds(electron: ElectronApplication): Promise<ProcessIds> {
  const metrics = await electron.evaluate(({ app }) =>
    app.getAppMetrics().map(({ pid, type, name }) => ({ pid, type: type, name: name ?? '' })),
  )
  const pidOf = (type: string, name?: string): number | null =>
    metrics.find((entry) => entry.type === type && (name === undefined || entry.name === name))?.pid ?? null
  return {
    main: pidOf('Browser') ?? electron.process().pid!,
    renderer: pidOf('Tab'),
    gpu: pidOf('GPU'),
    data: pidOf('Utility', 'phasemark-data'),
    compute: pidOf('Utility', 'phasemark-compute'),
  }
}
