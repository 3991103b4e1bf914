import type { Page } from 'playwright'
import { afterEach } from 'vitest'
import { screenshot } from './app-under-test.ts'

/**
 * After each test of the suite that failed, prints what its window shows, and keeps a picture of it: where a test runs unattended
 * the log is all there is.
 *
 * @param page the window at that moment; `null` when there is none
 */
export function showFailures(page: () => Page | null): void {
  afterEach(async ({ task }) => {
    const window = page()
    if (task.result?.state !== 'fail' || window === null || window.isClosed()) return
    const text = await window
      .locator('body')
      .innerText({ timeout: 5000 })
      .catch((error: unknown) => `the window does not answer: ${String(error)}`)
    console.log(`the window of the failed test, at ${window.url()}, shows:\n${text.replace(/\n+/g, ' | ')}`)
    await screenshot(window, `failed-${task.name.replace(/\W+/g, '-')}`).catch((error: unknown) => {
      console.log(`no picture: ${String(error)}`)
    })
  })
}
