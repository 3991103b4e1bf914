import path from 'node:path'
import { app } from 'electron'
import { failToOpen, startApp } from './app.ts'
import { registerWindowScheme } from './window-session.ts'
import { pathsFromArguments } from './open-requests.ts'
import type { SecondStart } from './open-requests.ts'

/*
 * Entry of the desktop app. What must happen before Electron is ready happens here, in this order: where the app keeps its own
 * files, the scheme of the window, one instance per user.
 */

const state = process.env['PHASEMARK_STATE']
if (state !== undefined && state !== '') app.setPath('userData', path.join(path.resolve(state), 'window'))

registerWindowScheme()
// A page outside the sandbox would be a mistake of ours; this makes it impossible. Whoever starts the app as root in a container
// has given the sandbox up, and could start no process with it.
if (!app.commandLine.hasSwitch('no-sandbox')) app.enableSandbox()

const paths = pathsFromArguments(process.argv, {
  ownArguments: app.isPackaged ? 1 : 2,
  workingFolder: process.cwd(),
})
const secondStart: SecondStart = { paths }
if (app.requestSingleInstanceLock(secondStart)) {
  startApp(paths).catch(failToOpen)
} else {
  // The first instance got the paths and shows itself.
  app.quit()
}
