import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import path from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { externalPages } from '../../src/shared/external-pages.ts'
import type { Answer } from '../e2e/support/window-calls.ts'
import { findElectron, repository } from '../e2e/support/electron-runtime.ts'
import { launchElectron } from '../e2e/support/launch-electron.ts'
import type { ElectronUnderTest } from '../e2e/support/launch-electron.ts'
import { waitFor } from '../e2e/support/app-under-test.ts'
import { callFromWindow, callScript, getsPort } from '../e2e/support/window-calls.ts'

/*
 * Each test plays a page that a stranger got into the window and tries one way out of it, on the real Electron. What the page may
 * do is `docs`: nothing but its own files and the contract.
 */

const found = await findElectron()
const title = 'reason' in found ? `a page in Electron (absent: ${found.reason})` : 'a page in Electron'

describe.skipIf('reason' in found)(title, () => {
  let app: ElectronUnderTest
  /** A server outside the window; every request that reaches it is a leak. */
  let outside: string
  const reached: string[] = []
  const server = createServer((request, response) => {
    reached.push(request.url ?? '')
    response.setHeader('Access-Control-Allow-Origin', '*').end('<h1>outside</h1>')
  })

  beforeAll(async () => {
    if ('reason' in found) return
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    outside = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    // Refusals are what the tests provoke; that they happen is asserted one by one.
    app = await launchElectron(found.program, { allowedProblems: [/./] })
    await app.page.waitForLoadState('load')
  }, 120_000)
  beforeEach(() => {
    reached.length = 0
  })
  afterAll(async () => {
    await (app as ElectronUnderTest | undefined)?.close()
    server.close()
  })

  const inPage = async <T>(script: string): Promise<T> => await app.page.evaluate<T>(script)

  /** Stays where it is, whatever the script tried. */
  const expectToStay = async (script: string): Promise<void> => {
    await inPage(script)
    await app.page.waitForTimeout(300)
    expect(app.page.url()).toMatch(/^app:\/\/phasemark\//)
    expect(reached).toEqual([])
  }

  it('has no Node and sees two functions of ours', async () => {
    expect(
      await inPage(
        '[typeof require, typeof process, typeof module, typeof Buffer, typeof global, typeof electron].join()',
      ),
    ).toBe('undefined,undefined,undefined,undefined,undefined,undefined')
    expect(await inPage('Object.keys(window.phasemark).sort().join()')).toBe('pathForFile,requestPort')
    // Functions that cross the bridge must not lead back to the isolated world.
    expect(
      await inPage(
        "(() => { try { return window.phasemark.requestPort.constructor('return typeof process')() } catch { return 'blocked' } })()",
      ),
    ).not.toBe('object')
  })

  it('runs in a sandbox of its own context with web security', async () => {
    const preferences = await app.electron.evaluate(({ BrowserWindow }) => {
      const contents = BrowserWindow.getAllWindows()[0].webContents as unknown as {
        getLastWebPreferences(): Record<string, unknown>
      }
      const { sandbox, contextIsolation, nodeIntegration, webSecurity, webviewTag } =
        contents.getLastWebPreferences()
      return { sandbox, contextIsolation, nodeIntegration, webSecurity, webviewTag }
    })
    expect(preferences).toEqual({
      sandbox: true,
      contextIsolation: true,
      nodeIntegration: false,
      webSecurity: true,
      webviewTag: false,
    })
  })

  it.each([
    '/../../../package.json',
    '/%2e%2e/%2e%2e/package.json',
    '/..%2f..%2fpackage.json',
    '/..%5c..%5cpackage.json',
    '/assets/%2e%2e%2f%2e%2e%2fmain/hosts/electron/main.js',
    '//etc/passwd.html',
    '/%00index.html',
    '/index.html%00.js',
    '/C:/Windows/win.json',
  ])('reads no file outside the built window: %s', async (pathname) => {
    const status = await app.electron.evaluate(async ({ BrowserWindow }, address) => {
      // From the main process, where no policy and no browser tidies the address up before it is sent.
      const { session } = BrowserWindow.getAllWindows()[0].webContents
      try {
        return (await session.fetch(address)).status
      } catch (error) {
        return String(error)
      }
    }, `app://phasemark${pathname}`)
    expect(status).toBe(404)
  })

  it('serves its own page with the policy, and nothing under another host of the scheme', async () => {
    const answers = await app.electron.evaluate(async ({ BrowserWindow }) => {
      const { session } = BrowserWindow.getAllWindows()[0].webContents
      const own = await session.fetch('app://phasemark/')
      const other = await session.fetch('app://elsewhere/index.html').then(
        ({ status }) => status,
        () => 'refused',
      )
      return { status: own.status, policy: own.headers.get('content-security-policy'), other }
    })
    expect(answers.status).toBe(200)
    expect(answers.policy).toContain("default-src 'none'; script-src 'self';")
    expect(answers.policy).not.toContain('unsafe-eval')
    expect(answers.other).toBe(404)
  })

  it('runs no inline script, no inline handler and no eval', async () => {
    await inPage(`
      const script = document.createElement('script')
      script.textContent = 'window.inlineRan = true'
      document.head.append(script)
      const image = document.createElement('img')
      image.setAttribute('onerror', 'window.inlineRan = true')
      image.src = 'app://phasemark/no-such-file.png'
      document.body.append(image)
    `)
    await app.page.waitForTimeout(200)
    expect(await inPage('typeof window.inlineRan')).toBe('undefined')
    // Playwright evaluates outside the policy; a script of the page itself has to try.
    expect(
      await inPage(`new Promise((resolve) => {
        addEventListener('securitypolicyviolation', (event) => resolve(event.blockedURI), { once: true })
        setTimeout(() => resolve('allowed'), 1000)
        setTimeout("window.evalRan = true", 0)
      })`),
    ).toBe('eval')
    expect(await inPage('typeof window.evalRan')).toBe('undefined')
  })

  it('reaches nobody: fetch, XMLHttpRequest, WebSocket, EventSource, beacon, picture, script, form', async () => {
    const tries = await inPage<Record<string, string>>(`(async () => {
      const outside = ${JSON.stringify(outside)}
      const failed = (target, ok) => new Promise((resolve) => {
        target.onerror = () => resolve('refused'); target[ok] = () => resolve('reached')
        setTimeout(() => resolve('silent'), 1500)
      })
      const result = {}
      result.fetch = await fetch(outside + '/fetch', { mode: 'no-cors' }).then(() => 'reached', () => 'refused')
      const request = new XMLHttpRequest()
      request.open('GET', outside + '/xhr'); const answered = failed(request, 'onload'); request.send()
      result.xhr = await answered
      try { result.socket = await failed(new WebSocket(outside.replace('http', 'ws')), 'onopen') } catch { result.socket = 'refused' }
      try { result.events = await failed(new EventSource(outside + '/events'), 'onopen') } catch { result.events = 'refused' }
      navigator.sendBeacon(outside + '/beacon', 'x')
      const image = new Image(); image.src = outside + '/image.png'
      result.image = await failed(image, 'onload')
      const script = document.createElement('script'); script.src = outside + '/script.js'; document.head.append(script)
      result.script = await failed(script, 'onload')
      const form = document.createElement('form'); form.action = outside + '/form'; document.body.append(form); form.submit()
      return result
    })()`)
    expect(tries).toEqual({
      fetch: 'refused',
      xhr: 'refused',
      socket: 'refused',
      events: 'refused',
      image: 'refused',
      script: 'refused',
    })
    await app.page.waitForTimeout(300)
    expect(reached).toEqual([])
  })

  it('reads no file of the disk', async () => {
    expect(await inPage("fetch('file:///etc/hostname').then(() => 'read', () => 'refused')")).toBe('refused')
    await expectToStay("location.href = 'file:///etc/hostname'")
  })

  it('does not navigate away: address, link, replace, frame', async () => {
    await expectToStay(`location.href = '${outside}/location'`)
    await expectToStay(`location.replace('${outside}/replace')`)
    await expectToStay(
      `(() => { const link = document.createElement('a'); link.href = '${outside}/link'; document.body.append(link); link.click() })()`,
    )
    await expectToStay(
      `(() => { const frame = document.createElement('iframe'); frame.src = '${outside}/frame'; document.body.append(frame) })()`,
    )
    await expectToStay("location.href = 'javascript:void(window.jumped = true)'")
  })

  it('opens no window and attaches no webview', async () => {
    expect(
      await inPage(
        `[window.open('${outside}/open'), window.open('about:blank'), window.open('app://phasemark/')].every((w) => w === null)`,
      ),
    ).toBe(true)
    await expectToStay(
      `(() => { const link = document.createElement('a'); link.href = '${outside}/blank'; link.target = '_blank'; document.body.append(link); link.click() })()`,
    )
    await expectToStay(
      `(() => { const view = document.createElement('webview'); view.setAttribute('src', '${outside}/webview'); document.body.append(view) })()`,
    )
    expect(await app.electron.evaluate(({ webContents }) => webContents.getAllWebContents().length)).toBe(1)
  })

  it('is given no permission and no download', async () => {
    expect(
      await inPage(`(async () => {
        const ask = (name) => navigator.permissions.query({ name }).then(({ state }) => state, () => 'denied')
        return {
          states: await Promise.all(['geolocation', 'notifications', 'camera', 'microphone', 'midi', 'clipboard-read'].map(ask)),
          notification: await Notification.requestPermission(),
          media: await navigator.mediaDevices.getUserMedia({ audio: true }).then(() => 'given', () => 'refused'),
          screen: await navigator.mediaDevices.getDisplayMedia({ video: true }).then(() => 'given', () => 'refused'),
          clipboard: await navigator.clipboard.readText().then(() => 'given', () => 'refused'),
          usb: await navigator.usb.getDevices().then((devices) => devices.length),
        }
      })()`),
    ).toEqual({
      states: ['denied', 'denied', 'denied', 'denied', 'denied', 'denied'],
      notification: 'denied',
      media: 'refused',
      screen: 'refused',
      clipboard: 'refused',
      usb: 0,
    })
    const downloads = await app.electron.evaluate(async ({ BrowserWindow }) => {
      const { session } = BrowserWindow.getAllWindows()[0].webContents
      const states: string[] = []
      session.on('will-download', (event, item) => {
        states.push(event.defaultPrevented ? 'prevented' : item.getState())
      })
      await new Promise((resolve) => setTimeout(resolve, 50))
      ;(globalThis as { phasemarkDownloads?: string[] }).phasemarkDownloads = states
      return states.length
    })
    expect(downloads).toBe(0)
    await expectToStay(
      `(() => { const link = document.createElement('a'); link.href = URL.createObjectURL(new Blob(['x'])); link.download = 'x.sh'; document.body.append(link); link.click() })()`,
    )
    const states = await app.electron.evaluate(
      () => (globalThis as { phasemarkDownloads?: string[] }).phasemarkDownloads ?? [],
    )
    expect(states).toEqual(['prevented'])
  })

  it('opens only the pages of the product outside', async () => {
    await app.electron.evaluate(({ shell }) => {
      const opened: string[] = []
      ;(globalThis as { phasemarkOpened?: string[] }).phasemarkOpened = opened
      shell.openExternal = (address: string) => {
        opened.push(address)
        return Promise.resolve()
      }
    })
    const open = async (url: string): Promise<string> => {
      const answer = await callFromWindow(app.page, {
        process: 'host',
        service: 'host',
        method: 'openExternal',
        request: { url },
      })
      return answer.ok ? 'opened' : answer.error._tag
    }
    for (const url of [
      'file:///etc/passwd',
      'javascript:alert(1)',
      'https://example.com/',
      'http://www.nvidia.com/drivers/',
      `${externalPages.nvidiaDrivers}../../evil`,
      `${externalPages.nvidiaDrivers}?to=evil`,
      ` ${externalPages.nvidiaDrivers}`,
      'https://www.nvidia.com@example.com/drivers/',
      'smb://example.com/share',
      'ms-msdt:/id',
      '',
    ]) {
      expect(await open(url), url).toBe('WrongUsage')
    }
    expect(await open(externalPages.nvidiaDrivers)).toBe('opened')
    const opened = await app.electron.evaluate(
      () => (globalThis as { phasemarkOpened?: string[] }).phasemarkOpened,
    )
    expect(opened).toEqual([externalPages.nvidiaDrivers])
  })

  it('gets ports of known processes only', async () => {
    for (const name of ['main', 'Host', 'data ', '', '../data', '__proto__']) {
      expect(await getsPort(app.page, name, 300), name).toBe(false)
    }
    expect(await getsPort(app.page, 'host')).toBe(true)
  })

  it('gives a child frame neither bridge nor port', async () => {
    expect(
      await inPage(`(() => {
        const frame = document.createElement('iframe')
        document.body.append(frame)
        return typeof frame.contentWindow.phasemark
      })()`),
    ).toBe('undefined')
  })

  it('answers no other page, even one with our preload script', async () => {
    const preload = path.join(repository, 'dist/preload/preload.cjs')
    const granted = await app.electron.evaluate(
      async ({ BrowserWindow }, [script, address]) => {
        const results: Record<string, unknown> = {}
        const own = BrowserWindow.getAllWindows()[0].webContents.session
        // One in another session at a foreign address, one in ours at our own address: both are not the window.
        const foreign = new BrowserWindow({ show: false, webPreferences: { preload: script, sandbox: true } })
        const second = new BrowserWindow({
          show: false,
          webPreferences: { preload: script, sandbox: true, session: own },
        })
        const pages = [
          ['foreign', foreign, address],
          ['second', second, 'app://phasemark/index.html'],
        ] as const
        for (const [name, window, target] of pages) {
          await window.loadURL(target)
          results[name] = await window.webContents.executeJavaScript(`new Promise((resolve) => {
            addEventListener('message', (event) => { if (event.data?.phasemark === 'port') resolve('port') })
            for (const name of ['host', 'data', 'compute']) window.phasemark.requestPort(name)
            setTimeout(() => resolve('nothing'), 700)
          })`)
          window.destroy()
        }
        return results
      },
      [preload, `${outside}/`],
    )
    expect(granted).toEqual({ foreign: 'nothing', second: 'nothing' })
  })

  it('comes back by itself when its process is killed, and is told why', async () => {
    const { renderer } = await app.processIds()
    process.kill(renderer!, 'SIGKILL')
    await waitFor('a page in a new process', async () => {
      const { renderer: now } = await app.processIds()
      return now !== null && now !== renderer
    })
    // Playwright has lost the page, so the main process asks it.
    const call = callScript({ process: 'host', service: 'host', method: 'info', request: {} })
    const answer = await app.electron.evaluate(async ({ BrowserWindow }, script) => {
      const contents = BrowserWindow.getAllWindows()[0].webContents
      while (contents.isLoading()) await new Promise((resolve) => setTimeout(resolve, 50))
      return (await contents.executeJavaScript(script)) as Answer
    }, call)
    expect(answer).toMatchObject({ ok: true, result: { kind: 'electron' } })
    expect((answer as { result: { reloaded?: string } }).result.reloaded).toMatch(/loaded again/)
  })
})

describe('files of the built window', () => {
  it('does not follow a link out of the folder', async () => {
    const { readWindowFile } = await import('../../src/main/hosts/processes/window-files.ts')
    const { scratchFolder } = await import('../support/file-tree.ts')
    const scratch = scratchFolder('window-files')
    const folder = path.join(scratch, 'renderer')
    mkdirSync(folder)
    writeFileSync(path.join(folder, 'index.html'), '<!doctype html>')
    writeFileSync(path.join(scratch, 'secret.json'), '{}')
    writeFileSync(path.join(folder, 'notes.txt'), 'not of the build')
    symlinkSync(path.join(scratch, 'secret.json'), path.join(folder, 'link.json'))
    expect((await readWindowFile(folder, '/'))?.contentType).toBe('text/html; charset=utf-8')
    for (const pathname of [
      '/link.json',
      '/notes.txt',
      '/../secret.json',
      '/%2e%2e/secret.json',
      '/missing.js',
      '/%E0%A4%A',
    ]) {
      expect(await readWindowFile(folder, pathname), pathname).toBeNull()
    }
  })
})
