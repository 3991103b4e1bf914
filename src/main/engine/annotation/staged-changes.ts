import type { VoxelBox } from '../../../shared/annotation/edit.ts'
import type { Breaks } from './breaks.ts'
import { MalformedChanges, RunReader } from './changes.ts'
import { emptyRegion, growRegion, tileDifference, type Region } from './difference.ts'
import type { LabelVoxels } from './label-voxels.ts'
import {
  deflateTilesLater,
  encodeTiles,
  inflateTilesLater,
  packedOf,
  readTile,
  type Tile,
} from './stored-slice.ts'
import { replaceLabel, tileEdge, tileVoxels, wordsOf } from './tile.ts'

/** Changed tiles of one visit to a slice from which on it may be worth while to put the whole slice together. */
const wholeSliceTiles = 16

/** A tile that is written to, as voxels and by fours. */
interface ReadyTile {
  plain: Uint8Array
  words: Int32Array
}

/** What a slice is going to be. */
interface StagedSlice {
  readonly z: number
  /** Tiles under the changed ones, while they are needed: those in force, or those of `blob`. */
  below: ReadonlyMap<number, Tile> | null
  /** Changed tiles, also those that have become empty. */
  readonly tiles: Map<number, Tile>
  /** Whether `blob` is, or is about to be, the whole slice, without what `tiles` holds by now. */
  isWhole: boolean
  blob: Uint8Array | null
  /** Changed tiles that are part of `blob`. */
  readonly inBlob: Set<number>
  /** Labelled voxels per material, length 256. */
  readonly counts: Uint32Array
  /** Tiles changed since runs of another slice came. */
  visited: number
  /** What the runs changed: right as long as only one step came here. */
  readonly region: Region
  /** The step that came here last. */
  step: number
  /** Whether several steps did, so that voxels may have become what they were. */
  isMixed: boolean
}

/**
 * Labels after changes that are not in force yet: encoded changes are carried out, or taken back, beside the labels, which are read
 * meanwhile and which {@link install} then changes at once. Whoever does not install has changed nothing. Only what differs is held:
 * plain tiles while they are worked on, then packed ones, then deflated slices; each has the limit that the labels themselves have.
 * Other things have their turn in between; the labels may be read, not changed, until it is installed.
 */
export class StagedChanges {
  readonly #voxels: LabelVoxels
  readonly #breaks: Breaks
  /** The one used last at the end. */
  readonly #slices = new Map<number, StagedSlice>()
  #step = 0
  #current: StagedSlice | null = null
  /** Row of tiles of the current slice, and those of its tiles that are ready to be written to. */
  #tileRow = -1
  readonly #ready: (ReadyTile | undefined)[]
  /** Plain tiles, the one used last at the end. */
  readonly #plain = new Set<Tile>()
  #packedBytes = 0
  /** Plain tiles to be used again: as many as there were at once. */
  readonly #spare: Uint8Array[] = []
  /** The slice that was put together last is being deflated. */
  #deflating: Promise<void> = Promise.resolve()

  constructor(voxels: LabelVoxels, breaks: Breaks) {
    this.#voxels = voxels
    this.#breaks = breaks
    this.#ready = new Array<ReadyTile | undefined>(voxels.tilesPerRow).fill(undefined)
  }

  /** Says that the changes that follow belong to another undo step. */
  beginStep(): void {
    this.#step++
  }

  /**
   * Carries out an encoded piece, or takes it back. Every voxel must be what the changes say it was.
   * Throws {@link MalformedChanges}; then this is of no more use.
   */
  async apply(piece: Uint8Array, direction: 'forward' | 'backward'): Promise<void> {
    const runs = new RunReader(piece, this.#voxels.shape)
    for (let more = runs.next(); more;) {
      const slice = this.#current?.z === runs.z ? this.#current : await this.#enter(runs.z)
      this.#note(slice)
      more = this.#applyTileRow(slice, runs, direction === 'forward')
      if (this.#breaks.isDue) await this.#breaks.take()
    }
  }

  /** Box and number of voxels that differ from the labels in force. */
  async difference(): Promise<{ box: VoxelBox | null; voxels: number }> {
    const region = emptyRegion()
    for (const slice of this.#slices.values()) {
      const changed = slice.isMixed ? await this.#compare(slice) : slice.region
      growRegion(region, slice.z, changed)
      if (this.#breaks.isDue) await this.#breaks.take()
    }
    const { start, stop, voxels } = region
    return { box: voxels === 0 ? null : { start, stop }, voxels }
  }

  /** Puts everything in force, at once after all is ready. This is of no more use then. */
  async install(): Promise<void> {
    for (const slice of this.#slices.values()) {
      if (slice.isWhole && slice.tiles.size > 0) await this.#putTogether(slice)
      // Unpacked here, while others have their turn, instead of below.
      else if (!slice.isWhole) await this.#voxels.tilesOf(slice.z)
      if (this.#breaks.isDue) await this.#breaks.take()
    }
    await this.#deflating
    for (const { z, blob, tiles, counts } of this.#slices.values())
      if (blob === null) this.#voxels.replaceTiles(z, tiles, counts)
      else this.#voxels.replaceSlice(z, { tiles: null, blob, counts, warmBytes: 0 })
  }

  /** Carries out runs up to the end of their row of tiles. Returns whether more follow. */
  #applyTileRow(slice: StagedSlice, runs: RunReader, isForward: boolean): boolean {
    const { counts, region } = slice
    const tileRow = Math.floor(runs.y / tileEdge)
    const [top, bottom] = [tileRow * tileEdge, (tileRow + 1) * tileEdge]
    if (tileRow !== this.#tileRow) this.#ready.fill(undefined)
    this.#tileRow = tileRow
    const ready = this.#ready
    let [voxels, left, right] = [0, Infinity, 0]
    let last: number
    region.start[1] = Math.min(region.start[1], runs.y)
    let more
    do {
      const { y, x, length } = runs
      const before = isForward ? runs.before : runs.after
      const after = isForward ? runs.after : runs.before
      const row = (y - top) * tileEdge
      let from = x % tileEdge
      for (let column = Math.floor(x / tileEdge), rest = length; rest > 0; column++) {
        const { plain, words } = ready[column] ?? this.#prepareTile(slice, column)
        const end = Math.min(tileEdge, from + rest)
        const wrong = replaceLabel(plain, words, row + from, row + end, before, after)
        if (wrong !== -1)
          throw new MalformedChanges(
            `at (${slice.z}, ${y}, ${column * tileEdge + wrong - row}) the label is ${plain[wrong]}, not ${before}`,
          )
        rest -= end - from
        from = 0
      }
      counts[before] -= length
      counts[after] += length
      voxels += length
      if (x < left) left = x
      if (x + length > right) right = x + length
      last = y
      more = runs.next()
    } while (more && runs.y < bottom && runs.y >= last && runs.z === slice.z)
    counts[0] = 0
    region.voxels += voxels
    region.start[2] = Math.min(region.start[2], left)
    region.stop[1] = Math.max(region.stop[1], last + 1)
    region.stop[2] = Math.max(region.stop[2], right)
    return more
  }

  /** The tile in a column of the current row of tiles, to be written to. */
  #prepareTile(slice: StagedSlice, column: number): ReadyTile {
    const index = this.#tileRow * this.#voxels.tilesPerRow + column
    let tile = slice.tiles.get(index)
    if (tile?.plain == null) {
      const plain = this.#spare.pop() ?? new Uint8Array(tileVoxels)
      readTile(tile ?? slice.below?.get(index), plain)
      this.#packedBytes -= tile?.packed?.length ?? 0
      tile = { packed: null, plain, stale: true }
      slice.tiles.set(index, tile)
    }
    slice.visited++
    this.#plain.delete(tile)
    this.#plain.add(tile)
    if (this.#plain.size > this.#voxels.limits.plainTiles)
      for (const oldest of this.#plain) {
        this.#pack(oldest)
        break
      }
    const ready = { plain: tile.plain!, words: wordsOf(tile.plain!) }
    this.#ready[column] = ready
    return ready
  }

  #pack(tile: Tile): Uint8Array | null {
    if (!this.#plain.delete(tile)) return tile.packed
    const packed = packedOf(tile)
    if (tile.plain !== null) this.#spare.push(tile.plain)
    tile.plain = null
    this.#packedBytes += packed?.length ?? 0
    return packed
  }

  /** Makes a slice the current one, ready to be changed. */
  async #enter(z: number): Promise<StagedSlice> {
    const left = this.#current
    this.#current = null
    this.#tileRow = -1
    if (left !== null) {
      const isMostlyNew = left.visited >= wholeSliceTiles && 2 * left.visited >= (left.below?.size ?? 0)
      if (isMostlyNew) {
        // Slices come in order then: the next is inflated while this one is worked on. What fails is told when it is needed.
        this.#voxels.prefetch(z + 1, z + 2).catch(() => undefined)
        await this.#putTogether(left)
      }
      // Memory for all of what is in force is not ours to hold.
      left.below = null
      for (const oldest of this.#slices.values()) {
        if (this.#packedBytes <= this.#voxels.limits.warmBytes) break
        if (oldest.tiles.size > 0) await this.#putTogether(oldest)
      }
    }
    let slice = this.#slices.get(z)
    if (slice === undefined)
      slice = {
        z,
        below: await this.#voxels.tilesOf(z),
        tiles: new Map(),
        isWhole: false,
        blob: null,
        inBlob: new Set(),
        counts: this.#voxels.countSlice(z).slice(),
        visited: 0,
        region: emptyRegion(),
        step: this.#step,
        isMixed: false,
      }
    else await this.#unpack(slice)
    slice.visited = 0
    this.#slices.delete(z)
    this.#slices.set(z, slice)
    this.#current = slice
    return slice
  }

  #note(slice: StagedSlice): void {
    slice.isMixed ||= slice.step !== this.#step
    slice.step = this.#step
  }

  /** Makes one blob of a slice, deflated while the caller goes on with the next. */
  async #putTogether(slice: StagedSlice): Promise<void> {
    await this.#unpack(slice)
    const packed: [number, Uint8Array][] = []
    const take = (index: number, bytes: Uint8Array | null) => {
      if (bytes !== null) packed.push([index, bytes])
    }
    for (const [index, tile] of slice.below ?? []) if (!slice.tiles.has(index)) take(index, packedOf(tile))
    for (const [index, tile] of slice.tiles) {
      take(index, this.#pack(tile))
      this.#packedBytes -= tile.packed?.length ?? 0
      slice.inBlob.add(index)
    }
    slice.tiles.clear()
    slice.below = null
    slice.isWhole = true
    this.#voxels.cool(slice.z)
    // One at a time, so that no more than two slices wait for it.
    await this.#deflating
    this.#deflating = deflateTilesLater(encodeTiles(packed)).then((blob) => {
      slice.blob = blob
    })
    // Told to whoever waits for it next; nobody may, when the changes turn out to be of no use.
    this.#deflating.catch(() => undefined)
  }

  /** Makes sure that `below` is there. */
  async #unpack(slice: StagedSlice): Promise<void> {
    if (slice.below !== null) return
    if (slice.isWhole) {
      await this.#deflating
      slice.below = await inflateTilesLater(slice.blob!, this.#voxels.tileCount)
    } else slice.below = await this.#voxels.tilesOf(slice.z)
  }

  /** What really differs in a slice to which several steps came. */
  async #compare(slice: StagedSlice): Promise<Region> {
    const before = await this.#voxels.tilesOf(slice.z)
    await this.#unpack(slice)
    const region = emptyRegion()
    for (const index of new Set([...slice.inBlob, ...slice.tiles.keys()])) {
      const tile = slice.tiles.get(index) ?? slice.below?.get(index)
      const top = Math.floor(index / this.#voxels.tilesPerRow) * tileEdge
      const left = (index % this.#voxels.tilesPerRow) * tileEdge
      tileDifference(region, before.get(index), tile, top, left)
    }
    slice.below = null
    return region
  }
}
