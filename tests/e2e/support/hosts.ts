import type { AppUnderTest, LaunchOptions } from './app-under-test.ts'
import { findElectron } from './electron-runtime.ts'
import { launchElectron } from './launch-electron.ts'
import { findChromium, launchWeb } from './launch-web.ts'

/** A way to run the app that a suite is held to. */
export interface TestHost {
  readonly kind: 'electron' | 'web'
  /** For the name of the suite; says why it is skipped where the host is absent. */
  readonly title: string
  readonly absent: boolean
  /** @param options.roots folders that the window must reach; the desktop app reaches everything anyway */
  launch(options: LaunchOptions & { roots: readonly string[] }): Promise<AppUnderTest>
}

/** Both hosts: one suite, the same window, the same engine. */
export async function testHosts(): Promise<TestHost[]> {
  const electron = await findElectron()
  const chromium = findChromium()
  return [
    {
      kind: 'electron',
      title: 'reason' in electron ? `Electron (absent: ${electron.reason})` : 'Electron',
      absent: 'reason' in electron,
      launch: async (options) => await launchElectron('program' in electron ? electron.program : '', options),
    },
    {
      kind: 'web',
      title: 'reason' in chromium ? `web host (absent: ${chromium.reason})` : 'web host',
      absent: 'reason' in chromium,
      launch: async (options) => await launchWeb('program' in chromium ? chromium.program : '', options),
    },
  ]
}
