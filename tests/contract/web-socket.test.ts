import { once } from 'node:events'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { WebSocket } from 'ws'
import type { Channel } from '../../src/shared/contract/definition.ts'
import { connectContract } from '../../src/shared/contract/transport/connect-contract.ts'
import type { ContractServer } from '../../src/shared/contract/transport/serve-contract.ts'
import {
  createSocketChannel,
  decodeFrame,
  encodeFrame,
  largestFrameBytes,
  mostWaitingBytes,
} from '../../src/shared/contract/transport/web-socket.ts'
import type { SocketLike } from '../../src/shared/contract/transport/web-socket.ts'
import { testContract } from './support/test-contract.ts'
import { createTestServer } from './support/test-server.ts'
import { startSocketServer } from './support/transports.ts'

function arrayBufferOf(bytes: Uint8Array): ArrayBuffer {
  const copy = new Uint8Array(bytes.byteLength)
  copy.set(bytes)
  return copy.buffer
}

describe('bytes on a web socket', () => {
  let server: ContractServer
  let sockets: Awaited<ReturnType<typeof startSocketServer>>

  beforeAll(async () => {
    server = createTestServer()
    sockets = await startSocketServer((channel) => {
      server.connect(channel)
    })
  })
  afterAll(async () => {
    await sockets.dispose()
  })

  it.each([
    ['text', 'hello'],
    ['a byte that MessagePack never uses', Uint8Array.of(0xc1)],
    ['a list that ends too early', Uint8Array.of(0xdd, 0xff, 0xff, 0xff, 0xff)],
    ['a map that ends too early', Uint8Array.of(0x82, 0xa1, 0x74)],
    ['an extension that does not exist', Uint8Array.of(0xc7, 0x01, 0x55, 0x00)],
    ['a typed array of an unknown kind', Uint8Array.of(0xc7, 0x02, 0x74, 0x63, 0x00)],
    ['a typed array that is cut', Uint8Array.of(0xc7, 0x04, 0x74, 0x08, 0x00, 0x00, 0x00)],
    ['two messages in one', Uint8Array.of(0xc0, 0xc0)],
    ['nothing', new Uint8Array(0)],
  ])('close the channel when they are %s, and the server lives', async (_, bytes) => {
    const socket = new WebSocket(`ws://127.0.0.1:${sockets.port}`)
    await once(socket, 'open')
    socket.send(bytes)
    const [code, reason] = (await once(socket, 'close')) as [number, Buffer]
    // 1000: it was a message, but none of the contract's.
    expect([1000, 4007]).toContain(code)
    expect(reason.toString()).toMatch(/^malformed frame: /)
    const connection = connectContract(testContract, await sockets.connect(), 'test')
    const { client } = connection
    expect(await client.sample.double({ value: 1 })).toEqual({ value: 2 })
    connection.close()
  })

  it('answer a ping without troubling the contract', async () => {
    const socket = new WebSocket(`ws://127.0.0.1:${sockets.port}`)
    await once(socket, 'open')
    socket.send('ping')
    const [answer] = (await once(socket, 'message')) as [Buffer]
    expect(answer.toString()).toBe('pong')
    socket.close()
  })

  it('tell a client whose request is too big, and the channel goes on', async () => {
    const connection = connectContract(testContract, await sockets.connect(), 'test')
    const { client } = connection
    const data = new Uint8Array(largestFrameBytes)
    await expect(client.sample.echo({ data })).rejects.toMatchObject({ _tag: 'Internal' })
    expect(await client.sample.double({ value: 1 })).toEqual({ value: 2 })
    connection.close()
  })
})

describe('frames', () => {
  it('keep what JSON loses', () => {
    const message = { nothing: undefined, endless: Number.NEGATIVE_INFINITY, at: [1, null], big: 2 ** 53 }
    const decoded = decodeFrame(arrayBufferOf(encodeFrame(message)))
    expect(decoded).toEqual({ ok: true, message })
  })

  it('align every array, whatever stands before it', () => {
    for (let offset = 0; offset < 8; offset++) {
      const values = Float64Array.of(1.5, -2.5)
      const decoded = decodeFrame(arrayBufferOf(encodeFrame({ name: 'x'.repeat(offset), values })))
      expect(decoded).toEqual({ ok: true, message: { name: 'x'.repeat(offset), values } })
    }
  })

  it('cannot change the prototype of what they become', () => {
    // {"__proto__": {"polluted": true}}
    const bytes = Uint8Array.of(
      0x81,
      0xa9,
      ...Buffer.from('__proto__'),
      0x81,
      0xa8,
      ...Buffer.from('polluted'),
      0xc3,
    )
    const decoded = decodeFrame(arrayBufferOf(bytes))
    expect(decoded.ok).toBe(true)
    expect('polluted' in (decoded as { message: object }).message).toBe(false)
  })

  it('that are too big are refused by their size alone', () => {
    const decoded = decodeFrame(new ArrayBuffer(largestFrameBytes + 1))
    expect(decoded).toMatchObject({ ok: false, tooBig: true })
  })
})

describe('a peer that does not read', () => {
  it('loses its connection before it fills the memory', () => {
    const closes: [number, string][] = []
    let bufferedAmount = 0
    const socket: SocketLike = {
      binaryType: 'blob',
      get bufferedAmount() {
        return bufferedAmount
      },
      send: () => undefined,
      close: (code, reason) => closes.push([code, reason]),
      addEventListener: () => undefined,
    }
    const channel: Channel = createSocketChannel(socket)
    const reasons: string[] = []
    channel.onClose((reason) => reasons.push(reason))
    bufferedAmount = mostWaitingBytes
    channel.post({})
    expect(closes).toEqual([])
    bufferedAmount = mostWaitingBytes + 1
    channel.post({})
    expect(closes).toHaveLength(1)
    expect(closes[0][0]).toBe(4013)
    expect(reasons).toEqual([closes[0][1]])
  })
})
