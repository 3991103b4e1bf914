import { AxeBuilder } from '@axe-core/playwright'
import type { Page } from 'playwright'
import { screenshot, setTheme, windowSizes, type AppUnderTest } from './app-under-test.ts'

const themes = ['dark', 'light'] as const

/** Keeps pictures of what the app shows now, in both themes and the sizes of the design's checks (see `screenshot`). */
export async function saveLooks(app: AppUnderTest, name: string): Promise<void> {
  for (const theme of themes) {
    await setTheme(app.page, theme)
    for (const size of ['small', 'usual'] as const) {
      await app.resize(windowSizes[size])
      await screenshot(app.page, `${app.kind}-${name}-${theme}-${size}`)
    }
  }
  await setTheme(app.page, 'dark')
}

/** Violations of WCAG 2.2 A and AA by what the page shows now, in both themes, as sentences. */
export async function accessibilityProblems(page: Page): Promise<string[]> {
  const problems: string[] = []
  for (const theme of themes) {
    await setTheme(page, theme)
    const { violations } = await new AxeBuilder({ page })
      // The page of Electron cannot open the second page in which axe would finish.
      .setLegacyMode(true)
      .withTags(['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'])
      .analyze()
    problems.push(
      ...violations.flatMap(({ id, nodes }) =>
        nodes.map(({ html }) => `${theme} ${id}: ${html.slice(0, 200)}`),
      ),
    )
  }
  await setTheme(page, 'dark')
  return problems
}
