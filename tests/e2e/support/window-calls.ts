import type { Page } from 'playwright'

/**
 * Talks to the processes from inside the page as its own code does: over a port that the preload script brings. The page's own
 * connections are not touched, because the port of this call is taken before the page sees it. Electron only.
 */

export type Answer =
  | { ok: true; result: unknown }
  | { ok: false; error: { _tag: string; message: string; fields: Record<string, unknown> } }

export interface WindowCall {
  process: 'host' | 'data' | 'compute'
  service: string
  method: string
  request: unknown
}

/** Runs in the page. Types of this folder know no browser, so it is a text. */
const callInPage = `(async ({ process, service, method, request }, limitMs) => {
  const port = await new Promise((resolve, reject) => {
    const take = (event) => {
      if (event.data?.phasemark !== 'port' || event.data.process !== process) return
      event.stopImmediatePropagation()
      removeEventListener('message', take, true)
      resolve(event.ports[0])
    }
    addEventListener('message', take, true)
    setTimeout(() => { removeEventListener('message', take, true); reject(new Error('no port')) }, limitMs)
    window.phasemark.requestPort(process)
  })
  try {
    return await new Promise((resolve, reject) => {
      setTimeout(() => reject(new Error('no answer')), limitMs)
      port.onmessage = ({ data }) => { if (data.t === 's' && data.i === 'test') resolve(data.r) }
      port.postMessage({ t: 'q', i: 'test', m: 'call', a: [{ id: 1, service, method, request }] })
    })
  } finally {
    port.close()
  }
})`

/** Some answers are on disk before they are given, which takes seconds when others have much to write. */
const patienceMs = 30_000

/** The script of {@link callFromWindow}, for a page that Playwright has lost because its process was killed. */
export function callScript(call: WindowCall, limitMs = patienceMs): string {
  return `${callInPage}(${JSON.stringify(call)}, ${limitMs})`
}

/** Rejects when no port or no answer comes within `limitMs`. */
export async function callFromWindow(page: Page, call: WindowCall, limitMs = patienceMs): Promise<Answer> {
  return await page.evaluate<Answer>(callScript(call, limitMs))
}

/** Whether asking for `process` brings a port within `limitMs`. */
export async function getsPort(page: Page, process: string, limitMs = 1000): Promise<boolean> {
  return await page.evaluate<boolean>(`new Promise((resolve) => {
    const take = (event) => {
      if (event.data?.phasemark !== 'port') return
      event.stopImmediatePropagation()
      resolve(true)
    }
    addEventListener('message', take, true)
    setTimeout(() => { removeEventListener('message', take, true); resolve(false) }, ${limitMs})
    window.phasemark.requestPort(${JSON.stringify(process)})
  })`)
}
