/*
 * Loaded by Electron before the app (`electron -r`): holds back "ready", on which the app opens its window, until Playwright is
 * connected. Without it both start at once, and now and then, on a busy machine, Playwright waits for ever for an answer of a
 * window that appeared while it connected.
 */

const process = require('node:process')
const { clearInterval, setInterval } = require('node:timers')
const { app } = require('electron')

// The app reads its own arguments from here.
process.argv.splice(process.argv.indexOf('-r'), 2)

const electronReady = app.whenReady()
// Keeps Node's event loop busy meanwhile. Electron ends, without a word, when it finds the loop empty while modules still load.
const busy = setInterval(() => undefined, 50)
const connected = new Promise((resolve) => {
  // Playwright calls this by name once it is connected.
  globalThis.__playwright_run = resolve
})
app.whenReady = async () => {
  await connected
  clearInterval(busy)
  return await electronReady
}
