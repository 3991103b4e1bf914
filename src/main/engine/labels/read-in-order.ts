/** Decoded slices that may be under way at once, in bytes, beside the one in use. */
const bytesAhead = 128 * 1024 * 1024
const maxReadsAhead = 4

/** How many reads of `sliceBytes` each may be under way at once: at least one, so that reading and computing overlap. */
export function readsAhead(sliceBytes: number): number {
  return Math.max(1, Math.min(maxReadsAhead, Math.floor(bytesAhead / Math.max(1, sliceBytes))))
}

/**
 * Calls `read` for 0, 1, … `count` - 1 and yields the results in that order; up to `ahead` reads go on while the consumer works. A
 * failed read throws when it is its turn.
 */
export async function* readInOrder<Result>(
  count: number,
  ahead: number,
  read: (index: number) => Promise<Result>,
): AsyncGenerator<Result, void, void> {
  const coming: Promise<Result>[] = []
  let next = 0
  try {
    for (let index = 0; index < count; index++) {
      while (next < count && next <= index + ahead) {
        const reading = read(next++)
        // Without a handler, a read that fails before its turn would end the process.
        reading.catch(() => undefined)
        coming.push(reading)
      }
      yield await coming.shift()!
    }
  } finally {
    // A consumer that stops early closes files next: no read may still be using them.
    await Promise.allSettled(coming)
  }
}
