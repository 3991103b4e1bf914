import { inflate, inflateSync } from 'node:zlib'

/**
 * Decompression of TIFF strips and tiles into a buffer of known size. The bound matters: the file decides how far its
 * bytes expand (LZW up to 2700-fold), so output beyond what the image needs is never produced.
 */

/** A strip or tile whose bytes do not decode; the caller names the file. */
export class CodecError extends Error {}

/** PackBits, TIFF 6.0 section 9. Returns exactly `length` bytes. Throws {@link CodecError} when the input runs out. */
export function decodePackBits(source: Uint8Array, length: number): Uint8Array {
  const target = new Uint8Array(length)
  let read = 0
  let written = 0
  while (written < length) {
    if (read >= source.length) throw new CodecError(`PackBits data end after ${written} of ${length} bytes`)
    const header = source[read++]
    if (header < 128) {
      const count = Math.min(header + 1, length - written)
      if (read + count > source.length) throw new CodecError('PackBits run past the end')
      target.set(source.subarray(read, read + count), written)
      read += header + 1
      written += count
    } else if (header > 128) {
      const count = Math.min(257 - header, length - written)
      if (read >= source.length) throw new CodecError('PackBits run past the end')
      target.fill(source[read++], written, written + count)
      written += count
    }
  }
  return target
}

const clearCode = 256
const endCode = 257
const maxCodes = 4096

/**
 * LZW as TIFF 6.0 section 13 has it (most significant bit first, early change of the code width). Returns exactly
 * `length` bytes. Throws {@link CodecError} on codes that no encoder writes and on input that runs out.
 */
export function decodeLzw(source: Uint8Array, length: number): Uint8Array {
  const target = new Uint8Array(length)
  // Every code stands for a piece of the output already written: where it starts and how long it is.
  const starts = new Uint32Array(maxCodes)
  const lengths = new Uint32Array(maxCodes)
  let next = endCode + 1
  let width = 9
  let bits = 0
  let bitCount = 0
  let read = 0
  let written = 0
  let previousStart = -1
  let previousLength = 0
  while (written < length) {
    while (bitCount < width) {
      if (read >= source.length) throw new CodecError(`LZW data end after ${written} of ${length} bytes`)
      bits = ((bits << 8) | source[read++]) & 0xffffff
      bitCount += 8
    }
    const code = (bits >>> (bitCount - width)) & ((1 << width) - 1)
    bitCount -= width
    if (code === endCode) throw new CodecError(`LZW data end after ${written} of ${length} bytes`)
    if (code === clearCode) {
      next = endCode + 1
      width = 9
      previousStart = -1
      continue
    }
    const start = written
    if (code < clearCode) {
      target[written++] = code
    } else if (previousStart >= 0 && code < next) {
      written = copyWithin(target, starts[code], lengths[code], written)
    } else if (previousStart >= 0 && code === next) {
      // The code being defined right now: the previous piece and its own first byte.
      written = copyWithin(target, previousStart, previousLength, written)
      if (written < length) target[written++] = target[previousStart]!
    } else {
      throw new CodecError(`LZW code ${code} where at most ${next} is known`)
    }
    if (previousStart >= 0 && next < maxCodes) {
      // The new code is the previous piece plus the byte that follows it, which lies right behind it in the output.
      starts[next] = previousStart
      lengths[next] = previousLength + 1
      next++
      if (next + 1 >= 1 << width && width < 12) width++
    }
    previousStart = start
    previousLength = written - start
  }
  return target
}

function copyWithin(target: Uint8Array, from: number, count: number, to: number): number {
  const end = Math.min(target.length, to + count)
  if (count > 32 && from + count <= to) {
    target.copyWithin(to, from, from + (end - to))
  } else {
    for (let index = to, source = from; index < end; index++, source++) target[index] = target[source]!
  }
  return end
}

/** Below this size, handing a piece to the thread pool costs more than inflating it. */
const inflateHereBytes = 16 * 1024

/**
 * Inflates zlib data (RFC 1950), on Node's thread pool unless it is small. Returns at most `maxLength` bytes in one buffer.
 * Throws {@link CodecError} on damaged data and when more comes out.
 */
export async function inflateBounded(source: Uint8Array, maxLength: number): Promise<Uint8Array> {
  // One byte more than expected in a single chunk: no growing, no joining of pieces. (Node wants at least 64.)
  const options = { chunkSize: Math.max(64, maxLength + 1), maxOutputLength: Math.max(64, maxLength + 1) }
  let result: Uint8Array
  try {
    result =
      maxLength <= inflateHereBytes
        ? inflateSync(source, options)
        : await new Promise<Uint8Array>((resolve, reject) => {
            inflate(source, options, (error, inflated) => {
              if (error === null) resolve(inflated)
              else reject(error)
            })
          })
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw new CodecError(`damaged deflate data (${reason})`, { cause: error })
  }
  if (result.length > maxLength) throw new CodecError(`more than ${maxLength} bytes`)
  return result
}
