/**
 * Times from a pointer event to the draw that shows it, in the browser's User Timing list, where profilers and tests find them:
 * `performance.getEntriesByType('measure')`, names `phasemark:pointer-to-draw:<n>`. Always on; costs some microseconds per draw.
 */
export const tracePrefix = 'phasemark:pointer-to-draw:'

/** Entries kept: an older one is taken out before its number is used again, so the list never grows. */
export const tracesKept = 200

export interface DrawTrace {
  /** Bytes of labels uploaded for the draw. */
  uploadedBytes: number
  axis: string
}

let next = 0

/** Records a draw that was just submitted. `eventTimeStamp`: the event's own time (`performance.now()` clock). */
export function recordDraw(eventTimeStamp: number, detail: DrawTrace): void {
  const name = `${tracePrefix}${next}`
  next = (next + 1) % tracesKept
  performance.clearMeasures(name)
  performance.measure(name, { start: eventTimeStamp, end: performance.now(), detail })
}
