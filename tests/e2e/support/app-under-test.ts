import { existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import type { Page } from 'playwright'
import { expect } from 'vitest'
import { currentHost, runtimeFolder } from '../../../src/main/engine/compute/runtime/host.ts'

/** Sizes of the design's acceptance checks. */
export const windowSizes = {
  small: { width: 1280, height: 800 },
  usual: { width: 1600, height: 1000 },
  large: { width: 2560, height: 1440 },
} as const

/** Process numbers, for tests that kill. `null` where a host has no such process or it is down. */
export interface ProcessIds {
  /** Electron's main process or the web server. */
  main: number
  renderer: number | null
  gpu: number | null
  data: number | null
  compute: number | null
}

/** The app as an end-to-end test sees it, whatever its host: `launchElectron` and `launchWeb` both give one. */
export interface AppUnderTest {
  readonly kind: 'electron' | 'web'
  readonly page: Page
  /** What the page has reported so far: console errors, uncaught errors, refused resources. */
  readonly problems: readonly string[]
  processIds(): Promise<ProcessIds>
  /** Sets the size of the window's content, in CSS pixels. */
  resize(size: { width: number; height: number }): Promise<void>
  /** Ends the app as its user would, and fails when the page reported anything that was not allowed. Safe to call twice. */
  close(): Promise<void>
}

export interface LaunchOptions {
  /** Paths and switches after the app itself. */
  args?: readonly string[]
  env?: Readonly<Record<string, string | undefined>>
  /** Folder with the state and cache of the app; default: a new one, removed when the app is closed. */
  userFolder?: string
  /** Reported problems that belong to the test, such as connections that end because it kills a process. */
  allowedProblems?: readonly RegExp[]
}

/** Own state and cache, so that no test sees another's or the user's. */
export function createUserFolder(): { folder: string; remove: () => void } {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'phasemark-user-'))
  return {
    folder,
    remove: () => {
      rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
    },
  }
}

/**
 * Variables that keep the app to `userFolder`. The compute runtime, which is large and which the app only reads, is the one of
 * this computer, when there is one.
 */
export function environmentOf(userFolder: string, env: LaunchOptions['env'] = {}): Record<string, string> {
  const cache = path.join(userFolder, 'cache')
  const runtime = runtimeFolder(currentHost())
  mkdirSync(cache, { recursive: true })
  if (existsSync(runtime) && !existsSync(path.join(cache, 'runtime'))) {
    symlinkSync(runtime, path.join(cache, 'runtime'), 'junction')
  }
  const all: Record<string, string | undefined> = {
    ...process.env,
    PHASEMARK_STATE: path.join(userFolder, 'state'),
    PHASEMARK_CACHE: cache,
    // Its presence would turn Electron into plain Node.
    ELECTRON_RUN_AS_NODE: undefined,
    // Vitest's own would make Node load its hooks.
    NODE_OPTIONS: undefined,
    VITEST: undefined,
    ...env,
  }
  return Object.fromEntries(
    Object.entries(all).filter((entry): entry is [string, string] => entry[1] !== undefined),
  )
}

/** Listens for everything that a healthy page never reports. */
export function collectProblems(page: Page): string[] {
  const problems: string[] = []
  page.on('console', (message) => {
    if (message.type() === 'error') problems.push(`console: ${message.text()}`)
  })
  page.on('pageerror', (error) => {
    problems.push(`uncaught: ${error.stack ?? error.message}`)
  })
  page.on('requestfailed', (request) => {
    problems.push(`request failed: ${request.url()} (${request.failure()?.errorText ?? 'unknown'})`)
  })
  return problems
}

export function expectNoProblems(problems: readonly string[], allowed: readonly RegExp[] = []): void {
  const unexpected = problems.filter((problem) => !allowed.some((pattern) => pattern.test(problem)))
  expect(unexpected, 'what the page reported').toEqual([])
}

/** Shows the page in a theme, without writing the user's setting. */
export async function setTheme(page: Page, theme: 'dark' | 'light'): Promise<void> {
  await page.evaluate((wanted) => {
    // Types of this folder know no browser.
    const { document } = globalThis as unknown as {
      document: { documentElement: { dataset: Record<string, string> } }
    }
    document.documentElement.dataset['theme'] = wanted
  }, theme)
}

/** Keeps a picture of the page as `name`.png in the folder that `PHASEMARK_SCREENSHOTS` names; without it, nothing is kept. */
export async function screenshot(page: Page, name: string): Promise<void> {
  const folder = process.env['PHASEMARK_SCREENSHOTS']
  if (folder === undefined || folder === '') return
  mkdirSync(folder, { recursive: true })
  await page.screenshot({ path: path.join(folder, `${name}.png`), animations: 'disabled' })
}

/** Polls until `condition` holds; returns how long that took, in ms. */
export async function waitFor(
  what: string,
  condition: () => boolean | Promise<boolean>,
  limitMs = 30_000,
): Promise<number> {
  const started = performance.now()
  while (!(await condition())) {
    if (performance.now() - started > limitMs) throw new Error(`${what}: not within ${limitMs} ms`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  return performance.now() - started
}
