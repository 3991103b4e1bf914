import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { run, downloadLimitMs } from '../../runtime/processes.ts'
import { sharedTool } from '../../support/shared-data.ts'
import { displayProblem } from './display.ts'

export const repository = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../../..')

/** Program of an Electron that tests can start, or the reason why there is none: the caller skips by name. */
export async function findElectron(): Promise<{ program: string } | { reason: string }> {
  const problem = displayProblem()
  if (problem !== null) return { reason: problem }
  const override = process.env['ELECTRON_OVERRIDE_DIST_PATH']
  if (override !== undefined) return programIn(override)
  const installed = path.join(repository, 'node_modules/electron/dist')
  if (existsSync(path.join(installed, 'version'))) return programIn(installed)
  const tool = sharedTool('electron-test-runtime.sh')
  if (tool === null) return { reason: 'no Electron binary is installed' }
  const { code, stdout, stderr } = await run('bash', [tool], {}, downloadLimitMs)
  if (code !== 0) return { reason: `electron-test-runtime.sh failed: ${stderr.trim().slice(-200)}` }
  return programIn(stdout.trim())
}

function programIn(folder: string): { program: string } | { reason: string } {
  const pathFile = path.join(repository, 'node_modules/electron/path.txt')
  const name = existsSync(pathFile) ? readFileSync(pathFile, 'utf8') : defaultName()
  const program = path.join(folder, name)
  return existsSync(program) ? { program } : { reason: `no Electron at ${program}` }
}

function defaultName(): string {
  if (process.platform === 'darwin') return 'Electron.app/Contents/MacOS/Electron'
  return process.platform === 'win32' ? 'electron.exe' : 'electron'
}
