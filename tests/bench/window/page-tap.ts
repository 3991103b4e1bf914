import type { Page } from 'playwright'

/**
 * Watches a page from inside: what its own calls to the processes ask for and when their answers are there, what is uploaded to the
 * graphics driver, what is drawn. The page's code is as users have it; only the browser's functions below it are wrapped.
 */

/** A call of the window, times in ms of the page's clock. */
export interface TappedCall {
  name: string
  axis: string | null
  level: number | null
  quick: boolean
  started: number
  /** `null` while there is no answer. */
  ended: number | null
  /** Of the plane that came. */
  bytes: number
  coverage: number
  answeredLevel: number | null
}

/** Elements that went into a texture of planes. */
export interface TappedUpload {
  at: number
  axis: string
  kind: 'grey' | 'labels'
  width: number
  height: number
  /** Box of the elements that differ from what the texture held; only while differences are looked for. */
  changed: { width: number; height: number } | null
}

/** Runs in the page. Types of this folder know no browser, so it is a text. */
const script = `(() => {
  if (globalThis.tap !== undefined) return
  const tap = { calls: [], uploads: [], draws: {}, keys: [], compare: false }
  globalThis.tap = tap
  const pending = new Map()
  const heard = new WeakSet()
  const answered = ({ data }) => {
    if (data?.t === 's' && waiting.has(data.i)) {
      waiting.get(data.i)(data.r)
      waiting.delete(data.i)
      return
    }
    const call = data?.t === 's' ? pending.get(data.i) : undefined
    if (call === undefined) return
    pending.delete(data.i)
    call.ended = performance.now()
    call.bytes = data.r?.result?.data?.byteLength ?? 0
    call.coverage = data.r?.result?.coverage ?? 0
    call.answeredLevel = data.r?.result?.level ?? null
  }
  const { postMessage } = MessagePort.prototype
  MessagePort.prototype.postMessage = function (message, ...rest) {
    if (message?.m === 'call' && message.a[0] !== undefined) {
      if (!heard.has(this)) {
        heard.add(this)
        this.addEventListener('message', answered)
      }
      const { service, method, request } = message.a[0]
      const { axis = null, level = null, quick = false } = request ?? {}
      if (method === 'open' && service === 'volumes') {
        tap.volumeId = request.volumeId
        // A port of our own would end that of the page, so slices are asked for through this one, under numbers of our own.
        port = this
      }
      const call = { name: service + '.' + method, axis, level, quick, started: performance.now(), ended: null, bytes: 0, coverage: 0, answeredLevel: null }
      tap.calls.push(call)
      pending.set(message.i, call)
    }
    return postMessage.call(this, message, ...rest)
  }
  const axes = { XY: 'z', XZ: 'y', YZ: 'x' }
  const axisOf = (canvas) => axes[canvas.closest?.('[role=application]')?.ariaLabel?.slice(0, 2)] ?? '?'
  const gl = WebGL2RenderingContext.prototype
  const layers = new Map()
  // The texture is told apart by axis and layer: a view keeps one texture of labels.
  const differences = (context, axis, x, y, layer, width, height, source) => {
    const key = axis + layer
    const edge = 2048
    if (!layers.has(key)) layers.set(key, new Uint8Array(edge * edge))
    const held = layers.get(key)
    const stride = context.getParameter(context.UNPACK_ROW_LENGTH) || width
    const first = context.getParameter(context.UNPACK_SKIP_ROWS) * stride + context.getParameter(context.UNPACK_SKIP_PIXELS)
    let [top, left, bottom, right] = [Infinity, Infinity, -1, -1]
    for (let row = 0; row < height; row++) for (let column = 0; column < width; column++) {
      const value = source[first + row * stride + column]
      const at = (y + row) * edge + x + column
      if (held[at] === value) continue
      held[at] = value
      top = Math.min(top, row); left = Math.min(left, column); bottom = Math.max(bottom, row); right = Math.max(right, column)
    }
    return bottom < 0 ? { width: 0, height: 0 } : { width: right - left + 1, height: bottom - top + 1 }
  }
  const { texSubImage3D, drawArrays } = gl
  gl.texSubImage3D = function (...args) {
    const [, , x, y, layer, width, height, , , type, source] = args
    const axis = axisOf(this.canvas)
    const kind = type === this.UNSIGNED_BYTE ? 'labels' : 'grey'
    const changed = tap.compare && kind === 'labels' ? differences(this, axis, x, y, layer, width, height, source) : null
    const result = texSubImage3D.apply(this, args)
    tap.uploads.push({ at: performance.now(), axis, kind, width, height, changed })
    return result
  }
  gl.drawArrays = function (...args) {
    const result = drawArrays.apply(this, args)
    const axis = axisOf(this.canvas)
    tap.draws[axis] = (tap.draws[axis] ?? 0) + 1
    return result
  }
  addEventListener('keydown', (event) => tap.keys.push({ key: event.key, at: event.timeStamp }), true)

  const surfaceOf = (axis) => [...document.querySelectorAll('[role=application]')].find((one) => axes[one.ariaLabel?.slice(0, 2)] === axis)
  const frame = () => new Promise((resolve) => requestAnimationFrame(resolve))
  /** Goes through slices with the keys of the plane, one step per frame, back and forth over a range; until the driver has drawn it all. */
  tap.scrub = async ({ axis, range, steps, limitMs, coarse }) => {
    const surface = surfaceOf(axis)
    const canvas = surface.querySelector('canvas')
    const before = { draws: tap.draws[axis] ?? 0, uploads: tap.uploads.length }
    const started = performance.now()
    let step = 0
    for (; step < steps && performance.now() - started < limitMs; step++) {
      const key = Math.floor(step / range) % 2 === 0 ? 'ArrowDown' : 'ArrowUp'
      surface.dispatchEvent(new KeyboardEvent('keydown', { key, shiftKey: coarse, bubbles: true, cancelable: true }))
      await frame()
    }
    canvas.getContext('webgl2').finish()
    const seconds = (performance.now() - started) / 1000
    const uploads = tap.uploads.slice(before.uploads).filter((one) => one.axis === axis && one.kind === 'grey')
    return { steps: step, seconds, draws: tap.draws[axis] - before.draws, uploads: uploads.length }
  }
  let port = null
  const waiting = new Map()
  let next = 1e9
  const ask = (service, method, request) => new Promise((resolve, reject) => {
    const id = ++next
    waiting.set('bench' + id, (answer) => answer.ok ? resolve(answer.result) : reject(new Error(answer.error.message)))
    postMessage.call(port, { t: 'q', i: 'bench' + id, m: 'call', a: [{ id, service, method, request }] })
  })
  /** Seconds for XY slices at a level, so many asked for at a time, until the last of them is in the page. */
  tap.readSlices = async ({ from, count, level, atOnce }) => {
    const started = performance.now()
    let bytes = 0
    let next = from
    const readOn = async () => {
      while (next < from + count) {
        const request = { volumeId: tap.volumeId, axis: 'z', index: next++, level, quick: false }
        const { data } = await ask('volumes', 'readPlane', request)
        bytes += data.byteLength
      }
    }
    await Promise.all(Array.from({ length: atOnce }, readOn))
    return { seconds: (performance.now() - started) / 1000, bytes }
  }
  tap.progress = () => ask('volumes', 'open', { volumeId: tap.volumeId }).then(({ pyramid }) => pyramid)
  /** Times between frames while a list is scrolled to its end, in ms. */
  tap.scroll = async (selector, pixels, limitMs) => {
    const list = document.querySelector(selector)
    const intervals = []
    let last = await frame()
    let still = 0
    const started = performance.now()
    while (still < 20 && performance.now() - started < limitMs) {
      const before = list.scrollTop
      list.scrollTop += pixels
      still = list.scrollTop === before ? still + 1 : 0
      const now = await frame()
      if (still === 0) intervals.push(now - last)
      last = now
    }
    return { intervals, rows: Number(list.querySelector('li:last-of-type')?.ariaPosInSet ?? 0) }
  }
})()`

/** The wrapped functions stay until the page is left. */
export async function tapPage(page: Page): Promise<void> {
  await page.evaluate(script)
}

export async function tappedCalls(page: Page, name: string): Promise<TappedCall[]> {
  return await page.evaluate<TappedCall[]>(
    `tap.calls.filter((call) => call.name === ${JSON.stringify(name)})`,
  )
}

export async function tappedUploads(page: Page): Promise<TappedUpload[]> {
  return await page.evaluate<TappedUpload[]>('tap.uploads')
}

/** Forgets what was seen so far. */
export async function clearTap(page: Page): Promise<void> {
  await page.evaluate('tap.calls.length = tap.uploads.length = tap.keys.length = 0')
}

/** Calls one of the functions that the script put into the page. */
export async function inPage<Result>(page: Page, name: string, ...args: unknown[]): Promise<Result> {
  return await page.evaluate<Result>(`tap.${name}(${args.map((arg) => JSON.stringify(arg)).join(', ')})`)
}
