import { protocol, session } from 'electron'
import type { Session, WebContents } from 'electron'
import { readWindowFile, windowHeaders } from '../processes/window-files.ts'
import { isLoadableAddress, isWindowAddress, windowScheme } from './addresses.ts'

/** Makes `app://phasemark` an origin of its own, as strict as https. Before the app is ready. */
export function registerWindowScheme(): void {
  protocol.registerSchemesAsPrivileged([
    { scheme: windowScheme, privileges: { standard: true, secure: true, supportFetchAPI: true } },
  ])
}

/** The session of the window: serves the built window from `folder` and refuses everything that a page could ask for. */
export function createWindowSession(folder: string): Session {
  // In memory: what is remembered is in the user's settings, and a page cannot leave anything behind.
  const windowSession = session.fromPartition('phasemark-window')
  windowSession.protocol.handle(windowScheme, async (request) => await answer(folder, request))
  windowSession.webRequest.onBeforeRequest(({ url }, decide) => {
    decide({ cancel: !isLoadableAddress(url) })
  })
  windowSession.setPermissionRequestHandler((_contents, _permission, decide) => {
    decide(false)
  })
  windowSession.setPermissionCheckHandler(() => false)
  windowSession.setDevicePermissionHandler(() => false)
  windowSession.setDisplayMediaRequestHandler((_request, decide) => {
    decide({})
  })
  windowSession.on('will-download', (event) => {
    event.preventDefault()
  })
  // Spelling dictionaries would be fetched from the network.
  windowSession.setSpellCheckerEnabled(false)
  return windowSession
}

async function answer(folder: string, request: Request): Promise<Response> {
  if (request.method !== 'GET' && request.method !== 'HEAD') return refusal(405, 'Method not allowed')
  if (!isWindowAddress(request.url)) return refusal(404, 'Not found')
  // The path as it was sent: what is still encoded is decoded, once, where it is judged.
  const file = await readWindowFile(folder, new URL(request.url).pathname)
  if (file === null) return refusal(404, 'Not found')
  return new Response(request.method === 'HEAD' ? null : file.bytes, {
    headers: windowHeaders(file.contentType),
  })
}

function refusal(status: number, text: string): Response {
  return new Response(text, { status, headers: windowHeaders('text/plain; charset=utf-8') })
}

/** Denies what any page, now or later, could use to leave its place: navigation, redirects, windows, embedded pages. */
export function confine(contents: WebContents): void {
  const refuse = (event: { preventDefault: () => void }) => {
    event.preventDefault()
  }
  contents.on('will-navigate', refuse)
  contents.on('will-frame-navigate', refuse)
  contents.on('will-redirect', refuse)
  contents.on('will-attach-webview', refuse)
  contents.setWindowOpenHandler(() => ({ action: 'deny' }))
}
