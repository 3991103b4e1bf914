import { readFile, realpath } from 'node:fs/promises'
import path from 'node:path'

/**
 * The built window as a host serves it: files of one folder, with a policy that lets nothing else in. Electron's own protocol
 * and the web server answer with the same files and headers.
 */
export interface WindowFile {
  readonly bytes: Uint8Array<ArrayBuffer>
  readonly contentType: string
}

/** What the build of the window emits; anything else in the folder is not served. */
const contentTypes: Readonly<Record<string, string | undefined>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.json': 'application/json; charset=utf-8',
  '.map': 'application/json; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.webp': 'image/webp',
  '.ico': 'image/x-icon',
  '.woff2': 'font/woff2',
  '.wasm': 'application/wasm',
}

/** Longer addresses than any file of the build has; bounds what is decoded and looked up. */
const longestPath = 1024

/**
 * Content security policy of the window: own scripts only, no remote connection, no frame around it. Inline styles are
 * positions of floating elements (docs/adr/0009). `connect` adds sources of `connect-src`, for a host whose own origin is not
 * enough (older browsers do not count `ws:` as `'self'`).
 */
export function contentSecurityPolicy(connect: readonly string[] = []): string {
  return [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self' 'unsafe-inline'",
    "img-src 'self' data: blob:",
    "font-src 'self'",
    `connect-src ${["'self'", ...connect].join(' ')}`,
    "worker-src 'self' blob:",
    "form-action 'none'",
    "base-uri 'none'",
    "frame-ancestors 'none'",
  ].join('; ')
}

/** Headers of every answer. */
export function windowHeaders(contentType: string, connect: readonly string[] = []): Record<string, string> {
  return {
    'Content-Type': contentType,
    'Content-Security-Policy': contentSecurityPolicy(connect),
    'X-Content-Type-Options': 'nosniff',
    'Referrer-Policy': 'no-referrer',
    'Cross-Origin-Opener-Policy': 'same-origin',
    'Cross-Origin-Resource-Policy': 'same-origin',
    'Cache-Control': 'no-cache',
  }
}

/**
 * The file at `pathname` (the still encoded path of an address) inside `folder`, or `null` when there is none that may be
 * served: unknown kind, outside the folder by `..`, by an encoded separator or by a link.
 */
export async function readWindowFile(folder: string, pathname: string): Promise<WindowFile | null> {
  const relative = relativePath(pathname)
  if (relative === null) return null
  const contentType = contentTypes[path.extname(relative)]
  if (contentType === undefined) return null
  try {
    const [root, file] = await Promise.all([realpath(folder), realpath(path.join(folder, relative))])
    if (!file.startsWith(root + path.sep)) return null
    return { bytes: new Uint8Array(await readFile(file)), contentType }
  } catch (error) {
    // Errors of files inside an application archive have a code, but no system call.
    const code = error instanceof Error && 'code' in error ? error.code : undefined
    if (code === 'ENOENT' || code === 'ENOTDIR' || code === 'EISDIR' || code === 'ENAMETOOLONG') return null
    throw error
  }
}

function relativePath(pathname: string): string | null {
  if (pathname.length > longestPath) return null
  let decoded
  try {
    decoded = decodeURIComponent(pathname)
  } catch {
    // A malformed escape names no file.
    return null
  }
  if (!decoded.startsWith('/') || /[\0\\:]/.test(decoded)) return null
  const parts = decoded.slice(1).split('/')
  if (parts.includes('..') || parts.includes('.')) return null
  return decoded === '/' ? 'index.html' : parts.join('/')
}
