import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import os from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { chromium, type Browser, type Page } from 'playwright'
import vue from '@vitejs/plugin-vue'
import { build } from 'vite'

const pageFolder = path.join(path.dirname(fileURLToPath(import.meta.url)), 'page')

/** Chromium on this machine: the one playwright installed, else one on the PATH; `null` = the caller skips by name. */
export function findChromium(): string | null {
  const installed = chromium.executablePath()
  if (existsSync(installed)) return installed
  const names = ['chromium', 'chromium-browser', 'google-chrome']
  for (const folder of (process.env['PATH'] ?? '').split(path.delimiter))
    for (const name of names) {
      const file = path.join(folder, name)
      if (existsSync(file)) return file
    }
  return null
}

export interface ViewerBrowser {
  page: Page
  /** Warnings and errors of the page's console so far. */
  problems: readonly string[]
  close(): Promise<void>
}

const contentTypes: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.woff2': 'font/woff2',
}

/** `index`: one `PlaneView` under test; `linked`: the mounted planes of a volume. */
export type TestPage = 'index' | 'linked'

/** Bundles the viewer's test page and opens it in Chromium with WebGL 2 in software, the same on every machine. */
export async function openViewerPage(
  executablePath: string,
  name: TestPage = 'index',
): Promise<ViewerBrowser> {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'phasemark-gl-'))
  await build({
    root: pageFolder,
    configFile: false,
    logLevel: 'error',
    plugins: [vue()],
    build: {
      outDir: folder,
      emptyOutDir: true,
      target: 'chrome130',
      minify: false,
      assetsInlineLimit: 0,
      rolldownOptions: { input: path.join(pageFolder, `${name}.html`) },
    },
  })
  const server = createServer((request, response) => {
    const asked = path.basename(new URL(request.url ?? '/', 'http://localhost').pathname)
    const file = path.join(folder, asked.endsWith('.html') ? '' : 'assets', asked)
    readFile(file).then(
      (bytes) => {
        response.writeHead(200, {
          'content-type': contentTypes[path.extname(asked)] ?? 'application/octet-stream',
        })
        response.end(bytes)
      },
      () => {
        response.writeHead(404)
        response.end()
      },
    )
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  let browser: Browser | null = null
  const close = async (): Promise<void> => {
    await browser?.close()
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
    await rm(folder, { recursive: true, force: true })
  }
  try {
    browser = await chromium.launch({
      executablePath,
      args: ['--enable-unsafe-swiftshader', ...(process.getuid?.() === 0 ? ['--no-sandbox'] : [])],
    })
    const page = await browser.newPage({
      // Software rendering pays for every pixel.
      viewport: { width: 640, height: 420 },
    })
    const problems: string[] = []
    page.on('console', (message) => {
      if (message.type() === 'error' || message.type() === 'warning') problems.push(message.text())
    })
    page.on('pageerror', (error) => problems.push(error.message))
    await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/${name}.html`)
    const entry = name === 'index' ? 'viewerPage' : 'openLinked'
    await page
      .waitForFunction(`window.${entry} !== undefined`, null, { timeout: 20_000 })
      .catch((error: unknown) => {
        throw new Error(`the viewer's test page did not start: ${problems.join('; ')}`, { cause: error })
      })
    return { page, problems, close }
  } catch (error) {
    await close()
    throw error
  }
}
