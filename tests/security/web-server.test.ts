import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import http from 'node:http'
import os from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { isLoopbackHost, isSameOrigin } from '../../src/main/hosts/web/request-guard.ts'
import { Sessions } from '../../src/main/hosts/web/sessions.ts'
import { startWebServer, type WebServer } from '../../src/main/hosts/web/web-server.ts'

interface Answer {
  status: number
  headers: http.IncomingHttpHeaders
  body: string
}

const folder = mkdtempSync(path.join(os.tmpdir(), 'phasemark-web-'))
const windowFolder = path.join(folder, 'window')
let sessions: Sessions
let server: WebServer
let upgraded: string[]

/** `http.request` instead of `fetch`: it sends Host, Origin and paths as they are given. */
async function request(
  target: string,
  headers: Record<string, string> = {},
  method = 'GET',
): Promise<Answer> {
  return await new Promise((resolve, reject) => {
    const asked = http.request(
      {
        host: '127.0.0.1',
        port: server.port,
        path: target,
        method,
        headers: { Host: `localhost:${server.port}`, ...headers },
      },
      (response) => {
        let body = ''
        response.setEncoding('utf8')
        response.on('data', (text: string) => (body += text))
        response.on('end', () =>
          resolve({ status: response.statusCode ?? 0, headers: response.headers, body }),
        )
      },
    )
    asked.on('upgrade', (response, socket) => {
      socket.destroy()
      resolve({ status: response.statusCode ?? 0, headers: response.headers, body: '' })
    })
    asked.on('error', reject)
    asked.end()
  })
}

async function signIn(): Promise<string> {
  const answer = await request(`/?token=${sessions.issueToken()}`)
  return (answer.headers['set-cookie']?.[0] ?? '').split(';')[0] ?? ''
}

const webSocketHeaders = {
  Connection: 'Upgrade',
  Upgrade: 'websocket',
  'Sec-WebSocket-Version': '13',
  'Sec-WebSocket-Key': 'AAAAAAAAAAAAAAAAAAAAAA==',
}

beforeAll(() => {
  mkdirSync(windowFolder)
  writeFileSync(path.join(windowFolder, 'index.html'), '<!doctype html><title>the window</title>')
  writeFileSync(path.join(windowFolder, 'notes.txt'), 'not part of the window')
  writeFileSync(path.join(folder, 'secret.js'), 'hidden words')
  symlinkSync(path.join(folder, 'secret.js'), path.join(windowFolder, 'link.js'))
})

beforeEach(async () => {
  sessions = new Sessions()
  upgraded = []
  server = await startWebServer({
    windowFolder,
    port: 0,
    sessions,
    onError: (error) => {
      throw error
    },
    onUpgrade: (address, _request, socket) => {
      upgraded.push(address)
      socket.end('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n')
    },
  })
  return async () => await server.close()
})

afterAll(() => rmSync(folder, { recursive: true, force: true }))

describe('the web host lets in', () => {
  it('who comes with a one-time link, and exchanges it for a cookie that scripts cannot read', async () => {
    const first = await request(`/?token=${sessions.issueToken()}`)
    expect(first.status).toBe(303)
    expect(first.headers.location).toBe('/')
    expect(first.headers['set-cookie']?.[0]).toMatch(/; Path=\/; HttpOnly; SameSite=Strict$/)
    const cookie = first.headers['set-cookie']?.[0]?.split(';')[0] ?? ''
    const page = await request('/', { Cookie: `other=1; ${cookie}` })
    expect(page.status).toBe(200)
    expect(page.body).toContain('the window')
  })

  it('a browser behind a tunnel, whose port is another', async () => {
    const cookie = await signIn()
    expect((await request('/', { Host: 'localhost:9000', Cookie: cookie })).status).toBe(200)
    expect(
      (
        await request('/rpc/data', {
          ...webSocketHeaders,
          Host: 'localhost:9000',
          Origin: 'http://localhost:9000',
          Cookie: cookie,
        })
      ).status,
    ).toBe(101)
  })
})

describe('the web host refuses', () => {
  it('who has no cookie, or another one', async () => {
    expect((await request('/')).status).toBe(401)
    expect((await request('/', { Cookie: `${sessions.cookieName}=${'A'.repeat(43)}` })).status).toBe(401)
    expect((await request('/?token=guess')).status).toBe(401)
  })

  it('a link that was used', async () => {
    const link = `/?token=${sessions.issueToken()}`
    expect((await request(link)).status).toBe(303)
    expect((await request(link)).status).toBe(401)
  })

  it.each(['phasemark.example:80', '192.168.1.2', 'localhost.evil.example', 'localhost@evil.example'])(
    'a name that is not this machine: %s',
    async (host) => {
      const cookie = await signIn()
      const { status, headers } = await request('/', { Host: host, Cookie: cookie })
      expect(status).toBe(421)
      expect(headers['set-cookie']).toBeUndefined()
    },
  )

  it('a token under a foreign name, without using it up', async () => {
    const token = sessions.issueToken()
    expect((await request(`/?token=${token}`, { Host: 'evil.example' })).status).toBe(421)
    expect((await request(`/?token=${token}`)).status).toBe(303)
  })

  it('other methods and pages of other origins', async () => {
    const cookie = await signIn()
    expect((await request('/', { Cookie: cookie }, 'POST')).status).toBe(405)
    expect((await request('/', { Cookie: cookie, Origin: 'http://evil.example' })).status).toBe(403)
  })

  it.each([
    ['without an origin', {}],
    ['of another origin', { Origin: 'http://evil.example' }],
    ['of another port of this machine', { Origin: 'http://localhost:1' }],
    ['of an opaque origin', { Origin: 'null' }],
  ])('a WebSocket %s, though the cookie is right', async (_title, headers: Record<string, string>) => {
    const cookie = await signIn()
    expect((await request('/rpc/data', { ...webSocketHeaders, ...headers, Cookie: cookie })).status).toBe(403)
    expect(upgraded).toEqual([])
  })

  it('a WebSocket without a cookie', async () => {
    const origin = `http://localhost:${server.port}`
    expect((await request('/rpc/data', { ...webSocketHeaders, Origin: origin })).status).toBe(401)
    expect(upgraded).toEqual([])
  })

  it.each([
    '/../secret.js',
    '/%2e%2e/secret.js',
    '/..%2fsecret.js',
    '/link.js',
    '/notes.txt',
    '/%00',
    '/%zz',
    '//etc/passwd',
  ])('files outside the window: %s', async (target) => {
    const { status, body } = await request(target, { Cookie: await signIn() })
    expect(status).toBe(404)
    expect(body).not.toContain('hidden words')
  })

  it('scripts of others, by policy, on every page', async () => {
    const cookie = await signIn()
    for (const target of ['/', '/nowhere']) {
      const policy = (await request(target, { Cookie: cookie })).headers['content-security-policy']
      expect(policy).toContain("default-src 'none'")
      expect(policy).toContain("script-src 'self'")
      expect(policy).not.toMatch(/script-src[^;]*unsafe/)
      expect(policy).toContain("frame-ancestors 'none'")
    }
  })

  it('to write what it was sent into a page', async () => {
    const { body } = await request('/%3Cscript%3Ealert(1)%3C/script%3E', { Cookie: await signIn() })
    expect(body).not.toContain('<script>')
  })
})

it('a port that is taken is said as wrong usage', async () => {
  await expect(
    startWebServer({
      windowFolder,
      port: server.port,
      sessions,
      onError: () => undefined,
      onUpgrade: () => undefined,
    }),
  ).rejects.toMatchObject({ _tag: 'WrongUsage' })
})

describe('predicates', () => {
  it.each(['localhost', 'localhost:80', '127.0.0.1:65535', '[::1]:8080', 'LOCALHOST:1'])(
    '%s is loopback',
    (host) => {
      expect(isLoopbackHost(host)).toBe(true)
    },
  )
  it.each([
    undefined,
    '',
    'localhost:',
    '127.0.0.1.example',
    '::1',
    '[::1]evil',
    '0.0.0.0',
    '127.1',
    'localhost:80:80',
  ])('%s is not', (host) => {
    expect(isLoopbackHost(host)).toBe(false)
  })
  it('origins are equal in scheme, name and port', () => {
    expect(isSameOrigin('http://localhost:80', 'localhost:80')).toBe(true)
    expect(isSameOrigin('https://localhost:80', 'localhost:80')).toBe(false)
    expect(isSameOrigin('http://localhost', 'localhost:80')).toBe(false)
  })
})
