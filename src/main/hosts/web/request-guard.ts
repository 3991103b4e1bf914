import type { IncomingMessage } from 'node:http'

/**
 * Who may talk to the web host. It listens on loopback only, but every page in the user's browser can reach loopback too:
 * by a name that its DNS suddenly resolves to 127.0.0.1 (rebinding), or by sending requests across origins.
 */

const loopbackNames = new Set(['127.0.0.1', 'localhost', '[::1]'])

/**
 * Whether the Host header names this machine. Any port is allowed: through an SSH tunnel the browser's port is another than
 * ours, and a port cannot be forged by DNS.
 */
export function isLoopbackHost(host: string | undefined): boolean {
  if (host === undefined) return false
  const match = /^(\[::1\]|[^:[\]]+)(?::\d{1,5})?$/.exec(host.toLowerCase())
  return match !== null && loopbackNames.has(match[1])
}

/** Whether the Origin header is the page that this host itself delivered: same scheme, name and port as the Host header. */
export function isSameOrigin(origin: string | undefined, host: string | undefined): boolean {
  return origin !== undefined && host !== undefined && origin.toLowerCase() === `http://${host.toLowerCase()}`
}

/** Why a request is refused, as a status and a sentence for the page; `null` when it may go on. */
export function refusal(
  request: Pick<IncomingMessage, 'method' | 'headers'>,
): { status: number; reason: string } | null {
  if (!isLoopbackHost(request.headers.host)) {
    return {
      status: 421,
      reason: `Phasemark answers to localhost and 127.0.0.1 only, not to ${describeHeader(request.headers.host)}.`,
    }
  }
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    return { status: 405, reason: 'Only GET is answered here.' }
  }
  // Browsers send no Origin with ordinary navigation; where there is one it must be ours.
  const origin = request.headers.origin
  if (origin !== undefined && !isSameOrigin(origin, request.headers.host)) {
    return { status: 403, reason: 'A page of another origin asked.' }
  }
  return null
}

function describeHeader(value: string | undefined): string {
  return value === undefined ? 'a request without Host' : `“${value.slice(0, 100)}”`
}
