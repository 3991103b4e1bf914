import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import { PhasemarkError } from '../../../shared/errors.ts'
import { readWindowFile, windowHeaders } from '../processes/window-files.ts'
import { messagePage } from './pages.ts'
import { refusal, isSameOrigin } from './request-guard.ts'
import type { Sessions } from './sessions.ts'

export interface WebServerOptions {
  /** Folder of the built window. */
  windowFolder: string
  /** 0 lets the system choose. */
  port: number
  sessions: Sessions
  /** Takes over the connection of a WebSocket that has passed all checks; `path` is that of the address. */
  onUpgrade: (path: string, request: IncomingMessage, socket: Duplex, head: Buffer) => void
  /** A request that failed for a reason of ours; the page is told, this is for the log. */
  onError: (error: unknown) => void
}

export interface WebServer {
  readonly port: number
  close(): Promise<void>
}

/** Headers longer than this are no browser of ours. */
const maxHeaderBytes = 16 * 1024

/**
 * Serves the window on 127.0.0.1, to browsers that came with a one-time link. Every request is checked (request-guard.ts)
 * before anything else happens.
 * Throws `WrongUsage` when the port is taken.
 */
export async function startWebServer(options: WebServerOptions): Promise<WebServer> {
  const server = createServer({ maxHeaderSize: maxHeaderBytes }, (request, response) => {
    answer(options, request, response).catch((error: unknown) => {
      options.onError(error)
      if (!response.headersSent)
        sendPage(response, 500, 'Phasemark could not answer', ['The terminal says why.'])
    })
  })
  server.on('upgrade', (request, socket: Duplex, head) => {
    socket.on('error', options.onError)
    const refused = refuseUpgrade(options.sessions, request)
    if (refused === null) options.onUpgrade(addressOf(request).pathname, request, socket, head)
    else socket.end(`HTTP/1.1 ${refused} Refused\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`)
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      reject(
        error.code === 'EADDRINUSE' || error.code === 'EACCES'
          ? new PhasemarkError(
              'WrongUsage',
              `--port ${options.port}: ${error.code === 'EACCES' ? 'not allowed' : 'in use by another program'}; give another one, or 0 for any`,
              { argument: '--port' },
              { cause: error },
            )
          : error,
      )
    })
    server.listen(options.port, '127.0.0.1', resolve)
  })
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

async function answer(options: WebServerOptions, request: IncomingMessage, response: ServerResponse) {
  const refused = refusal(request)
  if (refused !== null) {
    sendPage(response, refused.status, 'Not answered', [refused.reason])
    return
  }
  const { pathname, searchParams } = addressOf(request)
  const token = pathname === '/' ? searchParams.get('token') : null
  if (token !== null) {
    const cookie = options.sessions.redeem(token)
    // A link opened twice in the same browser, by going back for instance, is no reason to lock anybody out.
    if (cookie !== null || options.sessions.isSignedIn(request.headers.cookie)) {
      response.writeHead(303, {
        Location: '/',
        'Cache-Control': 'no-store',
        ...(cookie === null ? {} : { 'Set-Cookie': cookie }),
      })
      response.end()
      return
    }
  }
  if (!options.sessions.isSignedIn(request.headers.cookie)) {
    sendPage(response, 401, 'This link is no longer valid', [
      'Each link opens Phasemark once, in one browser.',
      'Go to the terminal in which Phasemark runs and press Enter: it prints a new link.',
    ])
    return
  }
  const file = await readWindowFile(options.windowFolder, pathname)
  if (file === null) {
    sendPage(response, 404, 'Not found', [`Phasemark has no page ${pathname.slice(0, 200)}.`])
    return
  }
  response.writeHead(200, {
    ...windowHeaders(file.contentType, webSocketSources(request)),
    'Content-Length': file.bytes.byteLength,
  })
  response.end(request.method === 'HEAD' ? undefined : file.bytes)
}

/** The checks of an ordinary request, and that the page that asks is ours: browsers do not apply the same-origin policy here. */
function refuseUpgrade(sessions: Sessions, request: IncomingMessage): number | null {
  const refused = refusal(request)
  if (refused !== null) return refused.status
  if (!isSameOrigin(request.headers.origin, request.headers.host)) return 403
  return sessions.isSignedIn(request.headers.cookie) ? null : 401
}

/** The path as it was sent, still encoded, and what follows the question mark. */
function addressOf(request: IncomingMessage): { pathname: string; searchParams: URLSearchParams } {
  const [pathname = '/', ...query] = (request.url ?? '/').split('?')
  return { pathname, searchParams: new URLSearchParams(query.join('?')) }
}

/** The guard has checked that Host is a loopback name and nothing else, so that it may stand in a header. */
function webSocketSources(request: IncomingMessage): string[] {
  return [`ws://${request.headers.host ?? ''}`]
}

function sendPage(
  response: ServerResponse,
  status: number,
  title: string,
  sentences: readonly string[],
): void {
  const bytes = messagePage(title, sentences)
  response.writeHead(status, {
    ...windowHeaders('text/html; charset=utf-8'),
    'Cache-Control': 'no-store',
    'Content-Length': bytes.byteLength,
  })
  response.end(bytes)
}
