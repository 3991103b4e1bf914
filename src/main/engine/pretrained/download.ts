import { open, rm, stat, type FileHandle } from 'node:fs/promises'
import { cancelled, PhasemarkError, throwIfCancelled } from '../../../shared/errors.ts'
import { systemErrorCode } from '../files/system-error.ts'
import { writeError } from '../files/write-error.ts'
import type { JobOptions } from '../job-options.ts'
import { hashFile } from './file-hashes.ts'

export interface DownloadOptions extends JobOptions {
  url: URL
  /** Where the bytes gather; what an earlier attempt left there is gone on with. */
  partialFile: string
  /** Of the whole file, as its publisher states them. */
  bytes: number
  md5: string
  /** What to do instead when there is no connection, for messages. */
  byHand: string
  /** Remarks: the connection was lost, the server starts from the beginning. */
  onNote?: (sentence: string) => void
  /** First pause before trying again; it doubles. Default one second. */
  pauseMs?: number
  /** A connection on which nothing comes for so long is given up, and resumed. Default one minute. */
  silenceMs?: number
}

export interface DownloadResult {
  /** Bytes that an earlier attempt had left. */
  resumedFromByte: number
  /** Bytes that came over the network now. */
  downloadedBytes: number
}

/** So many tries in a row without an advance end the download. */
const fruitlessTries = 4

const progressEveryMs = 250

/**
 * Downloads a file into `partialFile` and checks its md5; goes on where an earlier attempt ended, also when the connection is lost on
 * the way. The caller takes the file away.
 *
 * Throws `WeightsUnavailable` without a connection, when the server refuses, or when it delivers something else (which is then
 * removed); `Cancelled` (what came is kept), `NoSpace`, `NotWritable`.
 */
export async function download(options: DownloadOptions): Promise<DownloadResult> {
  const { partialFile, bytes, md5, signal, url } = options
  const resumedFromByte = await usableBytes(partialFile, bytes)
  const progress = progressReporter(options)
  let [have, received, tries] = [resumedFromByte, 0, 0]
  // At a server that always starts from the beginning, only more than ever before is an advance.
  let most = resumedFromByte
  while (have < bytes) {
    throwIfCancelled(signal)
    const attempt = await tryOnce(options, have, progress)
    received += attempt.received
    have = attempt.have
    if (attempt.lost === null) continue
    tries = have > most ? 0 : tries + 1
    most = Math.max(most, have)
    // Without a connection from the start it is not worth waiting: somebody is offline.
    if (received === 0 || tries >= fruitlessTries) throw connectionFailed(options, attempt.lost, have)
    options.onNote?.(`connection lost after ${have} of ${bytes} bytes (${attempt.lost}); going on`)
    await pause((options.pauseMs ?? 1000) * 2 ** tries, signal)
  }
  const found = await hashFile(partialFile, signal)
  if (found.md5 !== md5) {
    await rm(partialFile, { force: true })
    throw unavailable(
      `${url.href}: expected ${bytes} bytes with md5 ${md5}, found ${found.sizeBytes} bytes with md5 ${found.md5}; they were removed`,
      `Run phasemark weights fetch again. If it happens again, ${options.byHand}`,
    )
  }
  return { resumedFromByte, downloadedBytes: received }
}

interface Attempt {
  /** Size of the partial file now. */
  have: number
  /** Bytes that this attempt brought. */
  received: number
  /** Why it ended early, when going on makes sense. */
  lost: string | null
}

type ReportProgress = (done: number) => void

/** One request for what is missing. */
async function tryOnce(options: DownloadOptions, from: number, progress: ReportProgress): Promise<Attempt> {
  const { signal } = options
  const watch = watchSilence(options)
  try {
    const answer = await request(options, from, watch.signal)
    if (answer.status === 416 && from > 0) {
      // The server has fewer bytes than we: what we have is of another file.
      await rm(options.partialFile, { force: true })
      return { have: 0, received: 0, lost: null }
    }
    if (answer.status >= 500 || answer.status === 429) {
      return { have: from, received: 0, lost: `the server answers ${answer.status} ${answer.statusText}` }
    }
    const start = startOf(answer, options, from)
    return await receive(answer, start, options, watch, progress)
  } catch (error) {
    if (signal?.aborted) throw cancelled(resumeHint)
    const lost = networkReason(error)
    if (lost === null) throw error
    return { have: from, received: 0, lost }
  } finally {
    watch.stop()
  }
}

const resumeHint = 'run phasemark weights fetch again to go on where it stopped'

async function request({ url }: DownloadOptions, from: number, signal: AbortSignal): Promise<Response> {
  return fetch(url, {
    // A compressed answer could not be resumed by position.
    headers: { 'accept-encoding': 'identity', ...(from > 0 ? { range: `bytes=${from}-` } : {}) },
    signal,
  })
}

/**
 * Position at which the answer's bytes belong. Throws `WeightsUnavailable` for an answer that is not this file: a missing page, or the
 * sign-in page of a hotel.
 */
function startOf(answer: Response, options: DownloadOptions, from: number): number {
  const { url, bytes } = options
  if (answer.status !== 200 && answer.status !== 206) {
    throw unavailable(
      `${url.href}: expected the file, found the answer ${answer.status} ${answer.statusText}`,
      `The address may have changed: ${options.byHand}`,
    )
  }
  const range = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(answer.headers.get('content-range') ?? '')
  const start = answer.status === 206 ? Number(range?.[1] ?? NaN) : 0
  const length = answer.headers.get('content-length')
  if ((start !== from && start !== 0) || (length !== null && start + Number(length) !== bytes)) {
    const what = answer.headers.get('content-type') ?? 'unknown type'
    throw unavailable(
      `${url.href}: expected a file of ${bytes} bytes, found ${length ?? 'some'} bytes (${what}) from position ${start}`,
      `Check that this computer reaches the internet without a sign-in page, or ${options.byHand}`,
    )
  }
  if (start !== from)
    options.onNote?.('the server cannot go on in the middle of the file; from the beginning')
  return start
}

/** Appends the answer to the partial file. Losing the connection is part of the result, not an error. */
async function receive(
  answer: Response,
  start: number,
  options: DownloadOptions,
  watch: SilenceWatch,
  progress: ReportProgress,
): Promise<Attempt> {
  const { partialFile, bytes, signal } = options
  const handle = await openAt(partialFile, start)
  let have = start
  const attempt = (lost: string | null): Attempt => ({ have, received: have - start, lost })
  try {
    for await (const piece of answer.body ?? []) {
      watch.heard()
      const chunk = piece as Uint8Array
      if (have + chunk.length > bytes) {
        throw unavailable(
          `${options.url.href}: expected ${bytes} bytes, found more`,
          `Run phasemark weights fetch again, or ${options.byHand}`,
        )
      }
      await append(handle, chunk, have, partialFile)
      have += chunk.length
      progress(have)
    }
    return attempt(have < bytes ? 'the server ended early' : null)
  } catch (error) {
    if (signal?.aborted) throw cancelled(resumeHint)
    const lost = networkReason(error)
    if (lost === null) throw error
    return attempt(lost)
  } finally {
    // Not synced: whatever a power cut leaves there is found by the checksum.
    await handle.close()
  }
}

/** Opens the partial file for writing and cuts off what is beyond `start`. */
async function openAt(file: string, start: number): Promise<FileHandle> {
  try {
    const handle = await open(file, start === 0 ? 'w' : 'r+')
    await handle.truncate(start)
    return handle
  } catch (error) {
    throw writeError(file, error)
  }
}

async function append(handle: FileHandle, chunk: Uint8Array, position: number, file: string): Promise<void> {
  try {
    let done = 0
    while (done < chunk.length) {
      const { bytesWritten } = await handle.write(chunk, done, chunk.length - done, position + done)
      done += bytesWritten
    }
  } catch (error) {
    if (systemErrorCode(error) !== 'ENOSPC') throw writeError(file, error)
    throw new PhasemarkError(
      'NoSpace',
      `${file}: no space left on the disk; free some and ${resumeHint}`,
      { path: file },
      { cause: error },
    )
  }
}

/** Size of what an earlier attempt left; more than the whole file is of no use and removed. */
async function usableBytes(file: string, bytes: number): Promise<number> {
  let size: number
  try {
    size = (await stat(file)).size
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return 0
    throw writeError(file, error)
  }
  if (size <= bytes) return size
  await rm(file, { force: true })
  return 0
}

interface SilenceWatch {
  /** Fires when the caller's signal does, or when nothing was heard for too long. */
  signal: AbortSignal
  heard(): void
  stop(): void
}

function watchSilence({ signal, silenceMs = 60_000 }: DownloadOptions): SilenceWatch {
  const silence = new AbortController()
  const giveUp = () => silence.abort(new SilenceError(silenceMs))
  let timer = setTimeout(giveUp, silenceMs)
  return {
    signal: signal === undefined ? silence.signal : AbortSignal.any([signal, silence.signal]),
    heard() {
      clearTimeout(timer)
      timer = setTimeout(giveUp, silenceMs)
    },
    stop() {
      clearTimeout(timer)
      // Ends an answer that nobody wants to read to its end.
      silence.abort()
    },
  }
}

class SilenceError extends Error {
  constructor(silenceMs: number) {
    super(`nothing came for ${silenceMs / 1000} s`)
  }
}

/** The reason when an error comes from the network, else `null`. */
function networkReason(error: unknown): string | null {
  if (error instanceof SilenceError) return error.message
  // Node's fetch throws a TypeError whose cause is the error of the connection; a TypeError without cause is a defect of ours.
  if (!(error instanceof TypeError) || !(error.cause instanceof Error)) return null
  return error.cause.message || codeOf(error.cause)
}

function codeOf(error: Error): string {
  return 'code' in error ? String(error.code) : error.name
}

function connectionFailed(options: DownloadOptions, reason: string, have: number) {
  const kept = have > 0 ? `; ${have} of ${options.bytes} bytes are kept: ${resumeHint}` : ''
  return unavailable(
    `${options.url.href}: expected a download of ${options.bytes} bytes, found no connection (${reason})${kept}`,
    `Connect to the internet, or ${options.byHand}`,
  )
}

function unavailable(message: string, remedy: string): PhasemarkError<'WeightsUnavailable'> {
  return new PhasemarkError('WeightsUnavailable', `${message}. ${remedy}`, { remedy })
}

async function pause(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  await new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, milliseconds)
    signal?.addEventListener('abort', () => {
      clearTimeout(timer)
      resolve()
    })
  })
  if (signal?.aborted) throw cancelled(resumeHint)
}

/** Reports at most four times a second, with the time left at the speed of this download. */
function progressReporter({ onProgress, bytes: total }: DownloadOptions): ReportProgress {
  const startedMs = performance.now()
  let [startedAt, lastMs] = [-1, -Infinity]
  return (done) => {
    const now = performance.now()
    if (startedAt < 0) startedAt = done
    if (done < total && now - lastMs < progressEveryMs) return
    lastMs = now
    const speed = (done - startedAt) / Math.max(now - startedMs, 1)
    const eta = speed > 0 ? { etaSeconds: (total - done) / speed / 1000 } : {}
    onProgress?.({ stage: 'downloading', done, total, unit: 'bytes', ...eta })
  }
}
