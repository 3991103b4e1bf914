import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { findProgram } from '../../src/main/engine/compute/runtime/run-tool.ts'
import { sharedTool } from '../support/shared-data.ts'
import { convolutionResult, downloadLimitMs, lastJson, run, testFolder } from './processes.ts'

/** Folder of a real Electron for tests, or the reason why there is none. */
async function obtainElectron(): Promise<{ folder: string } | { reason: string }> {
  const tool = sharedTool('electron-test-runtime.sh')
  if (tool === null) return { reason: 'electron-test-runtime.sh is not there' }
  if (findProgram(['xvfb-run'], process.env) === null) return { reason: 'xvfb-run is not installed' }
  const { code, stdout, stderr } = await run('bash', [tool], {}, downloadLimitMs)
  if (code !== 0) return { reason: `electron-test-runtime.sh failed: ${stderr.trim().slice(-200)}` }
  return { folder: stdout.trim() }
}

/**
 * Main process of a smallest possible app: forks the utility process, hands its output on and ends with the line it is
 * waiting for. A utility process stays alive until it is ended, as a service does.
 */
const mainProcess = `
import { app, utilityProcess } from 'electron'

app.whenReady().then(() => {
  const child = utilityProcess.fork(process.env.PHASEMARK_TEST_SCRIPT, [], { stdio: 'pipe' })
  let output = ''
  child.stderr.pipe(process.stderr)
  child.stdout.on('data', (bytes) => {
    output += bytes
    if (output.endsWith('\\n')) process.stdout.write(output, () => app.exit(0))
  })
  child.on('exit', (code) => app.exit(code === 0 ? 1 : code))
})
`

const found = await obtainElectron()
const title = 'reason' in found ? `Electron (absent: ${found.reason})` : 'Electron'
const appFolder = mkdtempSync(path.join(os.tmpdir(), 'phasemark-electron-'))
afterAll(() => rmSync(appFolder, { recursive: true, force: true }))

describe.skipIf('reason' in found)(title, () => {
  it('loads the runtime in a utility process and computes', async () => {
    if ('reason' in found) return
    writeFileSync(
      path.join(appFolder, 'package.json'),
      JSON.stringify({ name: 'phasemark-runtime-test', type: 'module', main: 'main.js' }),
    )
    writeFileSync(path.join(appFolder, 'main.js'), mainProcess)
    const { code, stdout, stderr } = await run(
      'xvfb-run',
      [
        '-a',
        path.join(found.folder, 'electron'),
        // Tests run as root in containers, where Chromium's sandbox and shared memory are not available.
        '--no-sandbox',
        '--disable-gpu',
        '--disable-dev-shm-usage',
        appFolder,
      ],
      {
        PHASEMARK_TEST_SCRIPT: path.join(testFolder, 'convolution-main.mjs'),
        XDG_CONFIG_HOME: path.join(appFolder, 'config'),
        // Its presence would turn Electron into plain Node.
        ELECTRON_RUN_AS_NODE: undefined,
      },
    )
    expect(code, stderr).toBe(0)
    expect(lastJson(stdout)).toMatchObject(convolutionResult)
  })
})
