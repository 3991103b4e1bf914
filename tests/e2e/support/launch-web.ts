import { spawn, type ChildProcess } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { chromium, type Browser } from 'playwright'
import { findProgram } from '../../../src/main/engine/compute/runtime/run-tool.ts'
import { collectProblems, createUserFolder, environmentOf, expectNoProblems } from './app-under-test.ts'
import type { AppUnderTest, LaunchOptions, ProcessIds } from './app-under-test.ts'
import { repository } from './electron-runtime.ts'

export interface WebUnderTest extends AppUnderTest {
  readonly kind: 'web'
}

export interface WebLaunchOptions extends LaunchOptions {
  /** Folders that the window may reach. */
  roots: readonly string[]
}

/** A Chromium on this machine, or the reason why there is none: the caller skips by name. */
export function findChromium(): { program: string } | { reason: string } {
  const program = findProgram(['chromium', 'chromium-browser', 'google-chrome'], process.env)
  return program === null ? { reason: 'no Chromium on the PATH' } : { program }
}

const startLimitMs = 20_000

/** Starts `phasemark serve` on a free port and opens its link in the Chromium at `program`. */
export async function launchWeb(program: string, options: WebLaunchOptions): Promise<WebUnderTest> {
  const own = options.userFolder === undefined ? createUserFolder() : null
  const userFolder = options.userFolder ?? own!.folder
  const server = spawn(
    process.execPath,
    [
      path.join(repository, 'dist/main/hosts/cli/main.js'),
      'serve',
      ...(options.args ?? []),
      '--port',
      '0',
      '--json',
      '--root',
      ...options.roots,
    ],
    { env: environmentOf(userFolder, options.env), stdio: ['ignore', 'pipe', 'pipe'] },
  )
  const link = await firstLink(server)
  const browser = await chromium.launch({
    executablePath: program,
    // WebGL also where there is no graphics card.
    args: ['--enable-unsafe-swiftshader'],
    chromiumSandbox: process.getuid?.() !== 0,
  })
  const page = await browser.newPage({ viewport: { width: 1600, height: 1000 } })
  const problems = collectProblems(page)
  await page.goto(link)
  let closed: Promise<void> | null = null

  const end = async (): Promise<void> => {
    await browser.close()
    const exited = new Promise((resolve) => server.once('exit', resolve))
    if (server.exitCode === null && server.signalCode === null) {
      server.kill('SIGTERM')
      await exited
    }
    own?.remove()
    expectNoProblems(problems, options.allowedProblems)
  }
  return {
    kind: 'web',
    page,
    problems,
    processIds: () => processIds(server, browser),
    resize: async (size) => {
      await page.setViewportSize(size)
    },
    close: () => (closed ??= end()),
  }
}

async function firstLink(server: ChildProcess): Promise<string> {
  let log = ''
  server.stderr!.setEncoding('utf8').on('data', (text: string) => (log += text))
  return await new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      server.kill('SIGKILL')
      reject(new Error(`serve: no link within ${startLimitMs} ms\n${log}`))
    }, startLimitMs)
    server.once('exit', (code) => {
      clearTimeout(timer)
      reject(new Error(`serve ended with exit code ${code ?? 'none'}\n${log}`))
    })
    createInterface({ input: server.stdout! }).on('line', (line) => {
      const message = JSON.parse(line) as { type: string; link?: string }
      if (message.type !== 'listening' || message.link === undefined) return
      clearTimeout(timer)
      resolve(message.link)
    })
  })
}

/** Process numbers: the server's children from the system, the browser's from itself. Linux only, as the kill tests are. */
async function processIds(server: ChildProcess, browser: Browser): Promise<ProcessIds> {
  const session = await browser.newBrowserCDPSession()
  const { processInfo } = await session.send('SystemInfo.getProcessInfo')
  await session.detach()
  const children = childrenOf(server.pid!)
  const browserProcess = (type: string): number | null =>
    processInfo.find((entry) => entry.type === type)?.id ?? null
  return {
    main: server.pid!,
    renderer: browserProcess('renderer'),
    gpu: browserProcess('GPU'),
    data: children.find(({ command }) => command.includes('data-process'))?.pid ?? null,
    compute: children.find(({ command }) => command.includes('compute-process'))?.pid ?? null,
  }
}

function childrenOf(parent: number): { pid: number; command: string }[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      try {
        const stat = readFileSync(`/proc/${name}/stat`, 'utf8')
        // The second field is in brackets and may hold blanks; state and parent follow it.
        const parentOf = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1])
        if (parentOf !== parent) return []
        return [{ pid: Number(name), command: readFileSync(`/proc/${name}/cmdline`, 'utf8') }]
      } catch {
        // It ended while we looked.
        return []
      }
    })
}
