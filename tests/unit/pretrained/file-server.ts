import { setImmediate, setTimeout } from 'node:timers/promises'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll } from 'vitest'

/** A request as a handler sees it. */
export interface FileRequest {
  /** Number of the request, from 0. */
  count: number
  path: string
  /** First byte that is asked for; 0 without a range. */
  from: number
  hasRange: boolean
}

type Handler = (request: FileRequest, response: ServerResponse) => void

export interface FileServer {
  /** Ends with a slash. */
  base: string
  /** What was asked for so far. */
  requests: FileRequest[]
}

/** A web server on this machine that answers with `handler`, until the tests of the file are over. */
export async function serve(handler: Handler): Promise<FileServer> {
  const requests: FileRequest[] = []
  const server = createServer((message: IncomingMessage, response) => {
    const range = /^bytes=(\d+)-$/.exec(message.headers.range ?? '')
    const request = {
      count: requests.length,
      path: message.url ?? '',
      from: Number(range?.[1] ?? 0),
      hasRange: range !== null,
    }
    requests.push(request)
    handler(request, response)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  afterAll(() => {
    server.closeAllConnections()
    server.close()
  })
  return { base: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`, requests }
}

/** Answers as a server that knows ranges (RFC 9110, section 14). */
export function sendFile(bytes: Uint8Array, { from, hasRange }: FileRequest, response: ServerResponse): void {
  sendHead(bytes, { from, hasRange }, response)
  response.end(bytes.subarray(from))
}

export function sendHead(
  bytes: Uint8Array,
  { from, hasRange }: Pick<FileRequest, 'from' | 'hasRange'>,
  response: ServerResponse,
): void {
  const range = { 'content-range': `bytes ${from}-${bytes.length - 1}/${bytes.length}` }
  response.writeHead(hasRange ? 206 : 200, {
    'content-length': bytes.length - from,
    ...(hasRange ? range : {}),
  })
}

/** Sends up to byte `until` and cuts the connection. */
export function cutAt(
  until: number,
  bytes: Uint8Array,
  request: FileRequest,
  response: ServerResponse,
): void {
  sendHead(bytes, request, response)
  response.write(bytes.subarray(request.from, until))
  void endLater(response)
}

/**
 * Ends the connection once its client, which may live in this process, has had the chance to read what was sent: `fetch`
 * forgets an answer whose end arrives with its beginning. Ended, not destroyed: a reset would throw away what is on its way.
 */
async function endLater({ socket }: ServerResponse): Promise<void> {
  await setTimeout(200)
  // After a long pause timers come before sockets: let those have their turn.
  for (let turn = 0; turn < 3; turn++) await setImmediate()
  socket?.end()
}
