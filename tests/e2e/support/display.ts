import { spawn } from 'node:child_process'
import { findProgram } from '../../../src/main/engine/compute/runtime/run-tool.ts'

/** As large as the largest window of the design's acceptance checks. */
const screenSize = '2560x1440x24'
const startLimitMs = 10_000

let display: Promise<string> | null = null

/** Whether windows can be shown: there is a desktop, or Xvfb can make one. Otherwise why not. */
export function displayProblem(): string | null {
  if (process.platform !== 'linux' || process.env['DISPLAY'] !== undefined) return null
  return findProgram(['Xvfb'], process.env) === null ? 'neither DISPLAY nor Xvfb' : null
}

/** The display for windows; starts one Xvfb for this test process, on a free number, when there is no desktop. */
export function ensureDisplay(): Promise<string> {
  const given = process.env['DISPLAY']
  if (given !== undefined) return Promise.resolve(given)
  display ??= startXvfb()
  return display
}

async function startXvfb(): Promise<string> {
  // Xvfb picks the number itself and says so, once it accepts connections, on file descriptor 3.
  // It ends by itself a while after its last window, even when this process is killed before it can say so.
  const options = ['-displayfd', '3', '-screen', '0', screenSize, '-nolisten', 'tcp', '-terminate', '30']
  const child = spawn('Xvfb', options, {
    stdio: ['ignore', 'ignore', 'pipe', 'pipe'],
  })
  process.once('exit', () => child.kill('SIGKILL'))
  return await new Promise((resolve, reject) => {
    let problem = ''
    const fail = (what: string): void => {
      child.kill('SIGKILL')
      reject(new Error(`Xvfb: ${what}\n${problem}`))
    }
    const timer = setTimeout(() => {
      fail(`not ready within ${startLimitMs} ms`)
    }, startLimitMs)
    child.stderr!.setEncoding('utf8').on('data', (text: string) => (problem += text))
    child.once('error', reject)
    child.once('exit', (code) => {
      clearTimeout(timer)
      fail(`ended with exit code ${code ?? 'none'}`)
    })
    child.stdio[3]!.once('data', (bytes: Buffer) => {
      clearTimeout(timer)
      child.unref()
      resolve(`:${bytes.toString('utf8').trim()}`)
    })
  })
}
