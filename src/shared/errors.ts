/**
 * Every error that Phasemark raises on purpose, as a closed union told apart by `_tag`.
 *
 * An error is data: it crosses process boundaries as {@link ErrorData} and is rebuilt on the other side. Guards test the
 * tag, never `instanceof` and never the message. A message names the operation, what was expected and what was found,
 * so that the person reading it knows which file to look at and what to do.
 */
export interface ErrorFields {
  /** The command or call was put wrongly: unknown option, contradiction, output inside an input. */
  WrongUsage: { argument?: string }
  /** A file or folder that was named does not exist. */
  NotFound: { path: string }
  /** Input that was read but cannot be used: mixed slices, a truncated file, labels of another shape. */
  BadInput: { path: string; expected: string; found: string }
  /** The compute runtime (TensorFlow) is missing or does not load. */
  RuntimeUnavailable: { remedy: string }
  /** Pretrained weights were asked for and are not there, or fail their checksum. */
  WeightsUnavailable: { remedy: string }
  /** The device ran out of memory and even the smallest batch or tile did not fit. */
  OutOfMemory: { device: string }
  /** The user or a signal stopped the operation; what was made so far is kept. */
  Cancelled: { resumeHint?: string }
  /** The disk is full. */
  NoSpace: { path: string }
  /** The place cannot be written: permissions or a read-only file system. */
  NotWritable: { path: string }
  /** The output exists already and resuming was not asked for. */
  OutputExists: { path: string }
  /** Another process holds the run or project. */
  Locked: { path: string; owner: string }
  /** The process that was asked ended, or the connection to it broke, before it answered. */
  Disconnected: { process: string }
  /** A defect in Phasemark itself. */
  Internal: object
}

export type ErrorTag = keyof ErrorFields

/** The form in which an error crosses a process boundary. Arbitrary causes become text. */
export interface ErrorData {
  _tag: ErrorTag
  message: string
  fields: Record<string, unknown>
  cause?: string
}

/** An error of the closed union; `fields` depends on `_tag`. */
export class PhasemarkError<Tag extends ErrorTag = ErrorTag> extends Error {
  readonly _tag: Tag
  readonly fields: ErrorFields[Tag]

  constructor(tag: Tag, message: string, fields: ErrorFields[Tag], options?: { cause?: unknown }) {
    super(message, options)
    this.name = 'PhasemarkError'
    this._tag = tag
    this.fields = fields
  }
}

/** Exit codes of the command line, one per tag. */
export const exitCodes: Record<ErrorTag, number> = {
  Internal: 1,
  OutOfMemory: 1,
  WrongUsage: 2,
  NotFound: 3,
  BadInput: 3,
  RuntimeUnavailable: 4,
  WeightsUnavailable: 4,
  Cancelled: 5,
  NoSpace: 6,
  NotWritable: 6,
  OutputExists: 6,
  Locked: 6,
  Disconnected: 1,
}

/** Whether `error` is one of ours; works across realms and worker threads. */
export function isPhasemarkError(error: unknown): error is PhasemarkError {
  return (
    typeof error === 'object' &&
    error !== null &&
    '_tag' in error &&
    typeof error._tag === 'string' &&
    error._tag in exitCodes
  )
}

/** Whether `error` is ours and carries `tag`. */
export function hasTag<Tag extends ErrorTag>(error: unknown, tag: Tag): error is PhasemarkError<Tag> {
  return isPhasemarkError(error) && error._tag === tag
}

/** Input that was read but cannot be used. The message is made of the three parts, so that none is forgotten. */
export function badInput(
  path: string,
  expected: string,
  found: string,
  options?: { cause?: unknown },
): PhasemarkError<'BadInput'> {
  return new PhasemarkError(
    'BadInput',
    `${path}: expected ${expected}, found ${found}`,
    { path, expected, found },
    options,
  )
}

/** The operation was stopped through its `AbortSignal`. */
export function cancelled(resumeHint?: string): PhasemarkError<'Cancelled'> {
  return new PhasemarkError(
    'Cancelled',
    resumeHint === undefined ? 'stopped' : `stopped; ${resumeHint}`,
    resumeHint === undefined ? {} : { resumeHint },
  )
}

/** Throws `Cancelled` when the signal has fired. */
export function throwIfCancelled(signal: { readonly aborted: boolean } | undefined): void {
  if (signal?.aborted) throw cancelled()
}

/** Turns any thrown value into plain data. */
export function toErrorData(error: unknown): ErrorData {
  if (isPhasemarkError(error)) {
    const data: ErrorData = { _tag: error._tag, message: error.message, fields: { ...error.fields } }
    if (error.cause !== undefined) data.cause = describe(error.cause)
    return data
  }
  return { _tag: 'Internal', message: describe(error), fields: {}, cause: stackOf(error) }
}

/** Rebuilds an error from its plain form. */
export function fromErrorData(data: ErrorData): PhasemarkError {
  return new PhasemarkError(
    data._tag,
    data.message,
    data.fields,
    data.cause === undefined ? undefined : { cause: data.cause },
  )
}

function describe(value: unknown): string {
  return value instanceof Error ? value.message : String(value)
}

function stackOf(value: unknown): string {
  return value instanceof Error ? (value.stack ?? value.message) : String(value)
}
