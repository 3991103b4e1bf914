import { spawn } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { scratchFolder } from '../support/file-tree.ts'
import { writeTomogram } from '../support/sample-tomogram.ts'
import { environmentOf, screenshot, waitFor } from './support/app-under-test.ts'
import { ensureDisplay } from './support/display.ts'
import { findElectron, repository } from './support/electron-runtime.ts'
import { showFailures } from './support/show-failures.ts'
import { electronSwitches, launchElectron } from './support/launch-electron.ts'
import type { ElectronUnderTest } from './support/launch-electron.ts'
import { callFromWindow } from './support/window-calls.ts'
import type { Answer, WindowCall } from './support/window-calls.ts'

/** The app as a set of processes: it starts, it outlives its parts, it ends properly. What is in the window has tests of its own. */

/** Killed data and compute processes are to be back within this time; printed beside what was measured. */
const restartAimMs = 2000
/** What a machine that is busy with other things may take. */
const restartLimitMs = 10_000

/** What a page reports while a process it talks to is being killed. */
const broken = [/Disconnected|connection/i]

const found = await findElectron()
const title = 'reason' in found ? `the app (absent: ${found.reason})` : 'the app'

describe.skipIf('reason' in found)(title, () => {
  const program = 'program' in found ? found.program : ''
  const scratch = scratchFolder('app')
  const userFolder = path.join(scratch, 'user')
  let app: ElectronUnderTest | null = null
  let startedAt = 0

  beforeEach(async () => {
    startedAt = performance.now()
    app = await launchElectron(program, { userFolder, allowedProblems: broken })
  })
  afterEach(async () => {
    await app?.close()
    app = null
  })
  // After the one above: Vitest calls them in reverse.
  showFailures(() => app?.page ?? null)

  const page = () => app!.page
  const call = async (wanted: WindowCall): Promise<Answer> => await callFromWindow(page(), wanted)
  const recent: WindowCall = { process: 'data', service: 'projects', method: 'recent', request: {} }
  const jobs: WindowCall = { process: 'compute', service: 'jobs', method: 'list', request: {} }
  const answers = async (wanted: WindowCall): Promise<boolean> => {
    try {
      return (await callFromWindow(page(), wanted, 500)).ok
    } catch {
      // No port yet, or one of the process that is gone.
      return false
    }
  }

  it('is usable soon: window, page, data process', async () => {
    await page().waitForSelector('#app > *')
    const pageMs = performance.now() - startedAt
    await waitFor('the data process', async () => await answers(recent))
    const usableMs = performance.now() - startedAt
    console.log(
      `start: window ${app!.windowMs.toFixed(0)} ms, page ${pageMs.toFixed(0)} ms, data answers ${usableMs.toFixed(0)} ms (aim: 4000)`,
    )
    expect(usableMs).toBeLessThan(20_000)
    const { data, compute, renderer, gpu } = await app!.processIds()
    expect([data, compute, renderer, gpu].every((pid) => pid !== null)).toBe(true)
    for (const [name, size] of Object.entries({ small: [1280, 800], usual: [1600, 1000] } as const)) {
      await app!.resize({ width: size[0], height: size[1] })
      await screenshot(page(), `start-${name}`)
    }
  })

  it('draws with WebGL 2 here', async () => {
    const renderer = await page().evaluate<string>(
      "(() => { const gl = document.createElement('canvas').getContext('webgl2'); return gl === null ? 'none' : gl.getParameter(gl.VERSION) })()",
    )
    expect(renderer).toMatch(/^WebGL 2/)
  })

  it.each([
    ['data', recent],
    ['compute', jobs],
  ] as const)('outlives its %s process', async (name, wanted) => {
    await waitFor('the process', async () => await answers(wanted))
    const before = (await app!.processIds())[name]!
    process.kill(before, 'SIGKILL')
    const ms = await waitFor('the process after its death', async () => {
      const now = (await app!.processIds())[name]
      return now !== null && now !== before && (await answers(wanted))
    })
    console.log(`${name} process killed: answers again after ${ms.toFixed(0)} ms (aim: ${restartAimMs})`)
    expect(ms).toBeLessThan(restartLimitMs)
    expect(await page().evaluate('document.querySelector("#app > *") !== null')).toBe(true)
    const status = await call({ process: 'host', service: 'host', method: 'processes', request: {} })
    const processes = (status as { result: { name: string; restarts: number; state: string }[] }).result
    expect(processes.find((entry) => entry.name === name)).toMatchObject({ restarts: 1, state: 'running' })
  })

  it('hands the path of a second start to the window that is open', async () => {
    const { images } = writeTomogram(path.join(scratch, 'forwarded-tomogram'))
    await waitFor('the data process', async () => await answers(recent))
    const second = spawn(program, [...electronSwitches(), repository, images], {
      env: environmentOf(userFolder, { DISPLAY: await ensureDisplay() }),
      stdio: 'ignore',
    })
    const code = await new Promise<number | null>((resolve) => second.once('exit', resolve))
    expect(code).toBe(0)
    expect(await app!.electron.evaluate(({ BrowserWindow }) => BrowserWindow.getAllWindows().length)).toBe(1)
    // The window looks at the folder and asks whether to import it.
    await page().waitForSelector('text=forwarded-tomogram', { timeout: 10_000 })
  })

  it('lets go of the project when it is closed', async () => {
    const project = path.join(scratch, 'closing.phasemark')
    await waitFor('the data process', async () => await answers(recent))
    const made = await call({
      process: 'data',
      service: 'projects',
      method: 'create',
      request: { path: project, name: 'closing' },
    })
    expect(made.ok, JSON.stringify(made)).toBe(true)
    const locks = () => readdirSync(project).filter((name) => name.includes('lock'))
    expect(locks()).not.toEqual([])
    const pids = await app!.processIds()
    await app!.close()
    expect(locks()).toEqual([])
    expect(existsSync(path.join(project, 'project.json'))).toBe(true)
    // The system takes a moment to bury them.
    for (const pid of [pids.main, pids.data!, pids.compute!]) {
      await waitFor(`the end of process ${pid}`, () => !isAlive(pid), 10_000)
    }
  })

  it('asks before it closes over something that is not written yet, and obeys', async () => {
    await page().waitForSelector('#app > *')
    // Chromium heeds a page that wants to stay only after somebody has used it.
    await page().mouse.click(400, 20)
    await page().evaluate("addEventListener('beforeunload', (event) => event.preventDefault())")
    const closeAnswering = async (response: number): Promise<void> => {
      await app!.electron.evaluate(({ BrowserWindow, dialog }, answer) => {
        dialog.showMessageBoxSync = () => answer
        setImmediate(() => BrowserWindow.getAllWindows()[0]?.close())
      }, response)
    }
    await closeAnswering(0)
    await new Promise((resolve) => setTimeout(resolve, 1000))
    expect(await app!.electron.evaluate(({ BrowserWindow }) => BrowserWindow.getAllWindows().length)).toBe(1)
    const { main } = await app!.processIds()
    await closeAnswering(1)
    await waitFor('the end of the app', () => !isAlive(main), 15_000)
  })

  it('leaves no process behind when it is killed', async () => {
    await waitFor('the processes', async () => (await answers(recent)) && (await answers(jobs)))
    const { main, data, compute, renderer } = await app!.processIds()
    process.kill(main, 'SIGKILL')
    for (const pid of [data!, compute!, renderer!]) {
      await waitFor(`the end of process ${pid}`, () => !isAlive(pid), 10_000)
    }
  })
})

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}
