/**
 * A tile is a square of labels of one XY slice, `tileEdge` × `tileEdge`, C order (y, x). Tiles rest packed: people paint areas, so
 * that runs along rows are a few bytes, and a single row can be read without unpacking the others, which is what the planes
 * XZ and YZ need.
 *
 * Packed: byte 0 is 1 and the plain tile follows; or byte 0 is 0, then for each row the position (uint16, little-endian, from the
 * start of the runs) of its runs, then runs of two bytes (label, length − 1) that add up to `tileEdge`. Equal neighbouring rows share
 * their runs.
 */
export const tileEdge = 128
export const tileVoxels = tileEdge * tileEdge

const runsOffset = 1 + 2 * tileEdge
/** Above this size runs are no gain. */
const largestRuns = (tileVoxels * 3) / 4
/** A packed tile is never larger. */
export const largestPacked = tileVoxels + 1

/** Voxels from which on `fill` is quicker than a loop. */
const longRun = 48

const scratch = new Uint8Array(largestPacked + 2 * tileEdge)

/** The packed form of a tile, or `null` when nothing in it is labelled. */
export function packTile(plain: Uint8Array): Uint8Array | null {
  const words = wordsOf(plain)
  let at = runsOffset
  let labelled = false
  scratch[0] = 0
  for (let row = 0; row < tileEdge; row++) {
    const start = row * tileEdge
    if (row > 0 && equalRows(words, start >> 2, (start - tileEdge) >> 2)) {
      scratch[1 + 2 * row] = scratch[2 * row - 1]
      scratch[2 + 2 * row] = scratch[2 * row]
      continue
    }
    scratch[1 + 2 * row] = (at - runsOffset) & 0xff
    scratch[2 + 2 * row] = (at - runsOffset) >> 8
    const end = start + tileEdge
    for (let x = start; x < end;) {
      const label = plain[x]
      let stop = x + 1
      while ((stop & 3) !== 0 && plain[stop] === label) stop++
      if ((stop & 3) === 0 && stop < end) {
        const four = fourOf(label)
        while (stop < end && words[stop >> 2] === four) stop += 4
        while (stop < end && plain[stop] === label) stop++
      }
      scratch[at++] = label
      scratch[at++] = stop - x - 1
      labelled ||= label !== 0
      x = stop
    }
    if (at > largestRuns) return packPlain(plain)
  }
  return labelled ? scratch.slice(0, at) : null
}

function equalRows(words: Int32Array, a: number, b: number): boolean {
  for (let x = 0; x < tileEdge >> 2; x++) if (words[a + x] !== words[b + x]) return false
  return true
}

/** The voxels of a plain tile by fours, for loops that compare many. */
export function wordsOf(plain: Uint8Array): Int32Array {
  return new Int32Array(plain.buffer, plain.byteOffset, tileVoxels >> 2)
}

/** Four voxels of a label, as in {@link wordsOf}. */
function fourOf(label: number): number {
  return Math.imul(label, 0x01010101)
}

/**
 * Makes voxels [from, to) of a plain tile, all of them `before`, to `after`. Returns the position of the first that is not
 * `before`, those in front of it being changed; −1 when all are.
 *
 * @param words of the same tile, see {@link wordsOf}
 */
export function replaceLabel(
  plain: Uint8Array,
  words: Int32Array,
  from: number,
  to: number,
  before: number,
  after: number,
): number {
  let i = from
  if (to - from >= 12) {
    for (; (i & 3) !== 0; i++) {
      if (plain[i] !== before) return i
      plain[i] = after
    }
    const [old, current, end] = [fourOf(before), fourOf(after), to >> 2]
    let word = i >> 2
    for (; word < end && words[word] === old; word++) words[word] = current
    i = word << 2
  }
  for (; i < to; i++) {
    if (plain[i] !== before) return i
    plain[i] = after
  }
  return -1
}

function packPlain(plain: Uint8Array): Uint8Array {
  const packed = new Uint8Array(tileVoxels + 1)
  packed[0] = 1
  packed.set(plain, 1)
  return packed
}

/** Writes the whole tile into `plain`, of length `tileVoxels`. */
export function unpackTile(packed: Uint8Array, plain: Uint8Array): void {
  if (packed[0] === 1) {
    plain.set(packed.subarray(1, 1 + tileVoxels))
    return
  }
  let above = -1
  for (let row = 0; row < tileEdge; row++) {
    const start = row * tileEdge
    const position = packed[1 + 2 * row] + (packed[2 + 2 * row] << 8)
    if (position === above) {
      plain.copyWithin(start, start - tileEdge, start)
      continue
    }
    above = position
    let at = runsOffset + position
    for (let x = start; x < start + tileEdge; at += 2) {
      const stop = x + packed[at + 1] + 1
      fillRun(plain, packed[at], x, stop)
      x = stop
    }
  }
}

/** Writes columns [from, to) of a row to `target` at `offset`. */
export function unpackRow(
  packed: Uint8Array,
  row: number,
  from: number,
  to: number,
  target: Uint8Array,
  offset: number,
): void {
  if (packed[0] === 1) {
    const start = 1 + row * tileEdge
    target.set(packed.subarray(start + from, start + to), offset)
    return
  }
  let at = runsOffset + packed[1 + 2 * row] + (packed[2 + 2 * row] << 8)
  const shift = offset - from
  for (let x = 0; x < to; at += 2) {
    const stop = x + packed[at + 1] + 1
    if (stop > from)
      fillRun(target, packed[at], shift + (x > from ? x : from), shift + (stop < to ? stop : to))
    x = stop
  }
}

/** As `fill`, whose call takes longer than most runs of real labels do. */
function fillRun(target: Uint8Array, label: number, from: number, to: number): void {
  if (to - from > longRun) target.fill(label, from, to)
  else for (let i = from; i < to; i++) target[i] = label
}

/** Whether a packed tile that came from a file can be unpacked: every row has whole runs of the right length. */
export function isPackedTile(packed: Uint8Array): boolean {
  if (packed[0] === 1) return packed.length === tileVoxels + 1
  if (packed[0] !== 0 || packed.length < runsOffset) return false
  for (let row = 0; row < tileEdge; row++) {
    let at = runsOffset + packed[1 + 2 * row] + (packed[2 + 2 * row] << 8)
    let x = 0
    for (; x < tileEdge; at += 2) {
      if (at + 1 >= packed.length) return false
      x += packed[at + 1] + 1
    }
    if (x !== tileEdge) return false
  }
  return true
}
