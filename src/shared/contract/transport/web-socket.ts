import { Packr } from 'msgpackr'
import type { Channel } from '../definition.ts'
import { createChannelEnd } from './channel-end.ts'

/**
 * Largest message in either direction. The largest that is sent on purpose is a plane of a volume: 8192² voxels of 16 bits
 * are 128 MiB.
 */
export const largestFrameBytes = 256 * 2 ** 20

/**
 * Most bytes that wait to be sent. A peer that lets more pile up does not read any more; without a limit it would fill the
 * memory of this process.
 */
export const mostWaitingBytes = 512 * 2 ** 20

/** Sent as text to see whether the line still carries something; answered with `pong`. Messages are binary. */
export const ping = 'ping'
const pong = 'pong'

/** 1007, 1009 and 1013 of RFC 6455 (not understood, too big, try again later) in the private range: a page may send no others. */
const closeCodes = { normal: 1000, malformed: 4007, tooBig: 4009, notReading: 4013 } as const

/** Longest close reason, in bytes (RFC 6455 §5.5). */
const longestReason = 123

/** What a browser's `WebSocket` and that of `ws` have in common. */
export interface SocketLike {
  binaryType: string
  readonly bufferedAmount: number
  send(data: Uint8Array<ArrayBuffer> | string): void
  close(code: number, reason: string): void
  addEventListener(type: 'message', listener: (event: { readonly data: unknown }) => void): void
  addEventListener(
    type: 'close',
    listener: (event: { readonly code: number; readonly reason: string }) => void,
  ): void
  addEventListener(type: 'error', listener: () => void): void
}

// Without records: those are compiled with `new Function`, which the window's policy forbids.
const packr = new Packr({ useRecords: false, moreTypes: true, copyBuffers: true })

/**
 * A channel over an open socket. Typed arrays arrive as the same kind, aligned and in memory of their own. What cannot be
 * understood, is too big or piles up unread closes the channel with that reason.
 */
export function createSocketChannel(socket: SocketLike): Channel {
  let closeCode: number = closeCodes.normal
  const end = createChannelEnd({
    post(message) {
      const frame = encodeFrame(message)
      if (frame.byteLength > largestFrameBytes) {
        throw new RangeError(
          `expected a message of at most ${largestFrameBytes} bytes, found ${frame.byteLength}`,
        )
      }
      socket.send(frame)
      if (socket.bufferedAmount > mostWaitingBytes) {
        closeWith(closeCodes.notReading, `the other side does not read: ${mostWaitingBytes} bytes wait`)
      }
    },
    close(reason) {
      socket.close(closeCode, shortened(reason))
    },
  })
  function closeWith(code: number, reason: string): void {
    closeCode = code
    end.channel.close(reason)
  }
  socket.binaryType = 'arraybuffer'
  socket.addEventListener('message', ({ data }) => {
    if (data === ping) {
      socket.send(pong)
      return
    }
    if (data === pong) return
    const decoded = decodeFrame(data)
    if (decoded.ok) end.receive(decoded.message)
    else closeWith(decoded.tooBig ? closeCodes.tooBig : closeCodes.malformed, decoded.reason)
  })
  socket.addEventListener('close', ({ code, reason }) => {
    end.ended(reason === '' ? `the socket was closed (code ${code})` : reason)
  })
  // Always followed by `close`, which tells more; without a listener `ws` would end the process.
  socket.addEventListener('error', () => undefined)
  return end.channel
}

/** MessagePack with its extension for typed arrays. */
export function encodeFrame(message: unknown): Uint8Array<ArrayBuffer> {
  // A `Buffer` in Node, whose types shared code does not have.
  const packed = packr.pack(message) as Uint8Array<ArrayBuffer>
  return new Uint8Array(packed.buffer, packed.byteOffset, packed.byteLength)
}

type DecodedFrame = { ok: true; message: unknown } | { ok: false; tooBig: boolean; reason: string }

export function decodeFrame(data: unknown): DecodedFrame {
  if (Object.prototype.toString.call(data) !== '[object ArrayBuffer]') {
    return { ok: false, tooBig: false, reason: 'malformed frame: expected bytes, found text' }
  }
  const bytes = new Uint8Array(data as ArrayBuffer)
  if (bytes.byteLength > largestFrameBytes) {
    return {
      ok: false,
      tooBig: true,
      reason: `frame too big: ${bytes.byteLength} bytes, at most ${largestFrameBytes} are taken`,
    }
  }
  try {
    return { ok: true, message: packr.unpack(bytes) as unknown }
  } catch (error) {
    const finding = error instanceof Error ? error.message : String(error)
    return { ok: false, tooBig: false, reason: `malformed frame: ${finding}` }
  }
}

function shortened(reason: string): string {
  // Reasons are ours and ASCII, but may quote what came.
  return reason.replace(/[^\x20-\x7e]/g, '?').slice(0, longestReason)
}
