// Draws resources/icons/*.png from icon.svg. Run it after a change of the drawing: node scripts/icons.mjs (needs Chromium in
// CHROMIUM or under its usual names).
import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { chromium } from 'playwright'

const folder = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../resources/icons')
const drawing = readFileSync(path.join(folder, 'icon.svg'), 'utf8')
/** Linux desktops look for these; electron-builder makes the Windows and macOS files from the largest. */
const sizes = [16, 32, 48, 64, 128, 256, 512, 1024]

const browser = await chromium.launch({
  executablePath: process.env['CHROMIUM'] ?? '/usr/bin/chromium',
  args: ['--no-sandbox'],
})
for (const size of sizes) {
  const page = await browser.newPage({ viewport: { width: size, height: size } })
  await page.setContent(
    `<style>html, body { margin: 0; background: transparent } svg { display: block; width: 100vw; height: 100vh }</style>${drawing}`,
  )
  const png = await page.screenshot({ omitBackground: true })
  writeFileSync(path.join(folder, `${size}x${size}.png`), png)
  await page.close()
}
await browser.close()
