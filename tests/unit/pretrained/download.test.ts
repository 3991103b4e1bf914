import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, test } from 'vitest'
import type { Progress } from '../../../src/shared/job.ts'
import { download, type DownloadOptions } from '../../../src/main/engine/pretrained/download.ts'
import { scratchFolder } from '../../support/file-tree.ts'
import { cutAt, sendFile, sendHead, serve, type FileServer } from './file-server.ts'
import { hexHash } from './tiny-weights.ts'

const scratch = scratchFolder('download')
const content = Uint8Array.from({ length: 300_000 }, (_, i) => (i * i) >> 7)
let files = 0

function job(server: Pick<FileServer, 'base'>, more: Partial<DownloadOptions> = {}): DownloadOptions {
  return {
    url: new URL('weights.h5', server.base),
    partialFile: path.join(scratch, `${files++}.partial`),
    bytes: content.length,
    md5: hexHash('md5', content),
    byHand: 'bring it by hand',
    pauseMs: 1,
    ...more,
  }
}

function unavailable(message: RegExp) {
  return { _tag: 'WeightsUnavailable', message: expect.stringMatching(message) as string }
}

describe('a download', () => {
  test('comes whole, with progress and the time left', async () => {
    const server = await serve((request, response) => {
      sendHead(content, request, response)
      response.write(content.subarray(0, 100_000))
      setTimeout(() => response.end(content.subarray(100_000)), 400)
    })
    const reports: Progress[] = []
    const options = job(server, { onProgress: (progress) => reports.push(progress) })
    expect(await download(options)).toEqual({ resumedFromByte: 0, downloadedBytes: content.length })
    expect(readFileSync(options.partialFile).equals(content)).toBe(true)
    expect(server.requests).toMatchObject([{ path: '/weights.h5', hasRange: false }])
    for (const report of reports) {
      expect(report).toMatchObject({ stage: 'downloading', total: content.length, unit: 'bytes' })
    }
    expect(reports.at(-1)).toMatchObject({ done: content.length, etaSeconds: 0 })
  })

  test('goes on where an earlier attempt ended', async () => {
    const server = await serve((request, response) => sendFile(content, request, response))
    const options = job(server)
    writeFileSync(options.partialFile, content.subarray(0, 123_456))
    expect(await download(options)).toEqual({
      resumedFromByte: 123_456,
      downloadedBytes: content.length - 123_456,
    })
    expect(server.requests).toMatchObject([{ from: 123_456 }])
    expect(readFileSync(options.partialFile).equals(content)).toBe(true)
  })

  test('goes on by itself when the connection is cut, again and again', async () => {
    const server = await serve((request, response) => {
      if (request.count < 5) cutAt((request.count + 1) * 50_000, content, request, response)
      else sendFile(content, request, response)
    })
    const notes: string[] = []
    const options = job(server, { onNote: (note) => notes.push(note) })
    expect(await download(options)).toEqual({ resumedFromByte: 0, downloadedBytes: content.length })
    expect(server.requests.map(({ from }) => from)).toEqual([0, 50_000, 100_000, 150_000, 200_000, 250_000])
    expect(notes[0]).toMatch(/^connection lost after 50000 of 300000 bytes \(.+\); going on$/)
    expect(readFileSync(options.partialFile).equals(content)).toBe(true)
  })

  test('goes on when a busy server refuses for a while', async () => {
    const server = await serve((request, response) => {
      if (request.count === 0) cutAt(10_000, content, request, response)
      else if (request.count < 3) response.writeHead(503).end('busy')
      else sendFile(content, request, response)
    })
    const options = job(server)
    expect(await download(options)).toMatchObject({ downloadedBytes: content.length })
    expect(server.requests).toHaveLength(4)
  })

  test('goes on when nothing comes any more', async () => {
    const server = await serve((request, response) => {
      sendHead(content, request, response)
      if (request.count === 0) response.write(content.subarray(0, 60_000))
      else response.end(content.subarray(request.from))
    })
    const notes: string[] = []
    const options = job(server, { silenceMs: 300, onNote: (note) => notes.push(note) })
    expect(await download(options)).toMatchObject({ downloadedBytes: content.length })
    expect(notes).toEqual(['connection lost after 60000 of 300000 bytes (nothing came for 0.3 s); going on'])
  })

  test('starts again at a server that knows no ranges', async () => {
    const server = await serve((_, response) => {
      response.writeHead(200, { 'content-length': content.length }).end(content)
    })
    const notes: string[] = []
    const options = job(server, { onNote: (note) => notes.push(note) })
    writeFileSync(options.partialFile, 'what an earlier attempt left')
    expect(await download(options)).toMatchObject({ downloadedBytes: content.length })
    expect(server.requests).toMatchObject([{ hasRange: true }])
    expect(notes).toEqual([expect.stringMatching(/from the beginning/)])
    expect(readFileSync(options.partialFile).equals(content)).toBe(true)
  })

  test('needs no stated length', async () => {
    const server = await serve((_, response) => {
      response.write(content.subarray(0, 1000))
      response.end(content.subarray(1000))
    })
    const options = job(server)
    await download(options)
    expect(readFileSync(options.partialFile).equals(content)).toBe(true)
  })

  test('follows where the server sends it', async () => {
    const target = await serve((request, response) => sendFile(content, request, response))
    const server = await serve((_, response) => {
      response.writeHead(302, { location: `${target.base}moved.h5` }).end()
    })
    const options = job(server)
    writeFileSync(options.partialFile, content.subarray(0, 1000))
    await download(options)
    expect(target.requests).toMatchObject([{ path: '/moved.h5', from: 1000 }])
  })

  test('that is complete already uses no network', async () => {
    const options = job({ base: 'http://127.0.0.1:9/' })
    writeFileSync(options.partialFile, content)
    expect(await download(options)).toEqual({ resumedFromByte: content.length, downloadedBytes: 0 })
  })

  test.each([
    ['longer than the file', 400_000],
    ['that the server does not know the rest of', 200_000],
  ])('with a leftover %s starts again', async (_, length) => {
    const server = await serve((request, response) => {
      if (request.hasRange) response.writeHead(416).end()
      else sendFile(content, request, response)
    })
    const options = job(server)
    writeFileSync(options.partialFile, new Uint8Array(length))
    expect(await download(options)).toMatchObject({ downloadedBytes: content.length })
    expect(readFileSync(options.partialFile).equals(content)).toBe(true)
  })
})

describe('a download fails', () => {
  test('with a wrong checksum, and removes what came', async () => {
    const server = await serve((request, response) =>
      sendFile(
        content.map((value) => value ^ 1),
        request,
        response,
      ),
    )
    const options = job(server)
    await expect(download(options)).rejects.toMatchObject(
      unavailable(
        /weights\.h5: expected 300000 bytes with md5 [0-9a-f]{32}, found 300000 bytes with md5 .*bring it by hand/,
      ),
    )
    expect(existsSync(options.partialFile)).toBe(false)
  })

  test.each([404, 403, 410])('with the answer %i, keeping what is there', async (status) => {
    const server = await serve((_, response) => {
      response.writeHead(status).end('<html>')
    })
    const options = job(server)
    writeFileSync(options.partialFile, content.subarray(0, 1000))
    await expect(download(options)).rejects.toMatchObject(
      unavailable(new RegExp(`expected the file, found the answer ${status}.*bring it by hand`)),
    )
    expect(server.requests).toHaveLength(1)
    expect(readFileSync(options.partialFile)).toHaveLength(1000)
  })

  test('at a sign-in page', async () => {
    const server = await serve((_, response) => {
      response.writeHead(200, { 'content-type': 'text/html', 'content-length': 6 }).end('<html>')
    })
    const options = job(server)
    await expect(download(options)).rejects.toMatchObject(
      unavailable(/found 6 bytes \(text\/html\).*sign-in page/),
    )
    expect(existsSync(options.partialFile)).toBe(false)
  })

  test('when more comes than there should be', async () => {
    const server = await serve((_, response) => {
      response.write(content)
      response.end('more')
    })
    await expect(download(job(server))).rejects.toMatchObject(
      unavailable(/expected 300000 bytes, found more/),
    )
  })

  test('when the rest belongs elsewhere', async () => {
    const server = await serve((_, response) => {
      response.writeHead(206, { 'content-range': 'bytes 5-299999/300000', 'content-length': 299_995 })
      response.end(content.subarray(5))
    })
    const options = job(server)
    writeFileSync(options.partialFile, content.subarray(0, 1000))
    await expect(download(options)).rejects.toMatchObject(unavailable(/from position 5/))
  })

  test('at once when there is nobody there', async () => {
    const options = job({ base: 'http://127.0.0.1:9/' })
    const closed = { ...options, url: new URL('http://localhost.invalid/weights.h5') }
    await expect(download(closed)).rejects.toMatchObject(
      unavailable(/found no connection \(.+\).*bring it by hand/),
    )
  })

  test('when the connection is cut without anything coming any more, and keeps what came', async () => {
    const server = await serve((request, response) => {
      if (request.count === 0) cutAt(70_000, content, request, response)
      else response.destroy()
    })
    const options = job(server)
    await expect(download(options)).rejects.toMatchObject(
      unavailable(/no connection \(.+\); 70000 of 300000 bytes are kept: run phasemark weights fetch again/),
    )
    expect(readFileSync(options.partialFile).equals(content.subarray(0, 70_000))).toBe(true)
    // One that brought something, and four that did not.
    expect(server.requests).toHaveLength(5)
  })

  test('when a server without ranges always ends at the same place', async () => {
    const server = await serve((request, response) => {
      cutAt(20_000, content, { ...request, from: 0, hasRange: false }, response)
    })
    await expect(download(job(server))).rejects.toMatchObject(unavailable(/20000 of 300000 bytes are kept/))
    expect(server.requests).toHaveLength(5)
  })

  test('when the server ends early', async () => {
    const server = await serve((request, response) => {
      if (request.from >= 1000)
        response.writeHead(206, { 'content-range': `bytes ${request.from}-299999/300000` }).end()
      else {
        response.write(content.subarray(0, 1000))
        response.end()
      }
    })
    await expect(download(job(server))).rejects.toMatchObject(
      unavailable(/ended early.*1000 of 300000 bytes/),
    )
  })
})

test('a stopped download keeps what came, says how to go on, and goes on', async () => {
  const server = await serve((request, response) => {
    sendHead(content, request, response)
    // The first answer never ends.
    if (request.count === 0) response.write(content.subarray(0, 80_000))
    else response.end(content.subarray(request.from))
  })
  const controller = new AbortController()
  const options = job(server, {
    signal: controller.signal,
    onProgress: ({ done }) => {
      if (done === 80_000) controller.abort()
    },
  })
  // Progress is reported four times a second at most, so the last bytes may go unreported: stop in any case.
  setTimeout(() => controller.abort(), 500)
  await expect(download(options)).rejects.toMatchObject({
    _tag: 'Cancelled',
    message: expect.stringMatching(/run phasemark weights fetch again to go on/) as string,
  })
  expect(readFileSync(options.partialFile).equals(content.subarray(0, 80_000))).toBe(true)
  expect(await download({ ...options, signal: new AbortController().signal })).toEqual({
    resumedFromByte: 80_000,
    downloadedBytes: 220_000,
  })
  await expect(download(job(server, { signal: AbortSignal.abort() }))).rejects.toMatchObject({
    _tag: 'Cancelled',
  })
})
