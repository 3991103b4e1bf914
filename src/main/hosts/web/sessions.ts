import { randomBytes, timingSafeEqual } from 'node:crypto'

/** Links that were printed and not used yet; more than this many at once helps nobody but a guesser. */
const maxOpenLinks = 16
/** Browsers signed in; the oldest gives way. */
const maxSessions = 64

/**
 * One-time tokens and the sessions that they are exchanged for. A token stands in a link and so in histories and logs: it works
 * once. A session lives in an HttpOnly cookie, as long as the server.
 */
export class Sessions {
  /** Own name per server: cookies do not know ports, and two servers may run on one machine. */
  readonly cookieName = `phasemark-${randomBytes(6).toString('hex')}`
  readonly #tokens: string[] = []
  readonly #sessions: string[] = []

  /** A new one-time token: 256 bits, base64url. */
  issueToken(): string {
    const token = secret()
    this.#tokens.push(token)
    if (this.#tokens.length > maxOpenLinks) this.#tokens.shift()
    return token
  }

  /** The value of a Set-Cookie header for a valid token, which is used up by this; `null` for any other. */
  redeem(token: string): string | null {
    const position = indexOfSecret(this.#tokens, token)
    if (position < 0) return null
    this.#tokens.splice(position, 1)
    const session = secret()
    this.#sessions.push(session)
    if (this.#sessions.length > maxSessions) this.#sessions.shift()
    return `${this.cookieName}=${session}; Path=/; HttpOnly; SameSite=Strict`
  }

  /** Whether a Cookie header carries one of our sessions. */
  isSignedIn(cookieHeader: string | undefined): boolean {
    const wanted = `${this.cookieName}=`
    for (const part of (cookieHeader ?? '').split(';')) {
      const cookie = part.trim()
      if (cookie.startsWith(wanted) && indexOfSecret(this.#sessions, cookie.slice(wanted.length)) >= 0)
        return true
    }
    return false
  }
}

function secret(): string {
  return randomBytes(32).toString('base64url')
}

/** Compares with all in constant time per entry. */
function indexOfSecret(known: readonly string[], candidate: string): number {
  const wanted = Buffer.from(candidate)
  return known.findIndex((secretValue) => {
    const bytes = Buffer.from(secretValue)
    return bytes.length === wanted.length && timingSafeEqual(bytes, wanted)
  })
}
