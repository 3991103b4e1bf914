import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { run } from '../runtime/processes.ts'
import { scratchFolder } from '../support/file-tree.ts'
import { environmentOf } from './support/app-under-test.ts'
import { ensureDisplay } from './support/display.ts'
import { findElectron, repository } from './support/electron-runtime.ts'
import { electronSwitches, launchElectron } from './support/launch-electron.ts'

const script = path.join(repository, 'scripts/start.mjs')
const scratch = scratchFolder('start')
const found = await findElectron()
const linux = process.platform === 'linux'

async function start(args: readonly string[], env: Record<string, string | undefined>) {
  // Building what changed since, which the script does first, may take its time.
  return await run(process.execPath, [script, ...args], { ...environmentOf(scratch), ...env }, 120_000)
}

describe.skipIf(!linux)('npm start where it cannot open a window', () => {
  it.skipIf(process.getuid?.() !== 0)('says how, as root', async () => {
    const { code, stderr } = await start([], { DISPLAY: ':1' })
    expect(code).toBe(2)
    expect(stderr).toMatch(/--no-sandbox/)
    expect(stderr).toMatch(/npm run serve/)
  })

  it('offers the browser where there is no desktop', async () => {
    const { code, stderr } = await start(['--no-sandbox'], { DISPLAY: undefined, WAYLAND_DISPLAY: undefined })
    expect(code).toBe(4)
    expect(stderr).toMatch(/no desktop/)
    expect(stderr).toMatch(/npm run serve/)
  })

  it('names the place where Electron should have been', async () => {
    const { code, stderr } = await start(['--no-sandbox'], {
      DISPLAY: ':1',
      ELECTRON_OVERRIDE_DIST_PATH: path.join(scratch, 'nowhere'),
    })
    expect(code).toBe(4)
    expect(stderr).toContain(path.join(scratch, 'nowhere'))
  })
})

const title = 'reason' in found ? `npm start (absent: ${found.reason})` : 'npm start'
describe.skipIf('reason' in found)(title, () => {
  it('starts the app with its arguments and ends with its exit code', async () => {
    const program = 'program' in found ? found.program : ''
    const app = await launchElectron(program, { userFolder: scratch, allowedProblems: [/./] })
    try {
      await app.electron.evaluate(({ app: electron }) => {
        electron.on('second-instance', (_event, _arguments, _folder, data) => {
          ;(globalThis as { phasemarkSecond?: unknown }).phasemarkSecond = data
        })
      })
      // With one app open already, a second one hands over what it should open and ends at once.
      const { code, stderr } = await start([...electronSwitches(), 'tomogram'], {
        DISPLAY: await ensureDisplay(),
        ELECTRON_OVERRIDE_DIST_PATH: path.dirname(program),
        // npm sets it to the folder that the user is in.
        INIT_CWD: scratch,
      })
      expect(code, stderr).toBe(0)
      expect(
        await app.electron.evaluate(() => (globalThis as { phasemarkSecond?: unknown }).phasemarkSecond),
      ).toEqual({ paths: [path.join(scratch, 'tomogram')] })
    } finally {
      await app.close()
    }
  })
})
