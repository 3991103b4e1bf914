import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { openVolumeWriter } from '../../src/main/engine/output/volume-writer.ts'
import { openVolume } from '../../src/main/engine/volume/open-volume.ts'
import type { BenchmarkOptions } from './benchmark.ts'
import { interleave, timed, type Timing } from './interleave.ts'
import { startPeer, type PythonPeer } from './python-peer.ts'
import type { BenchmarkResult, Measurement } from './report.ts'
import { plainLayout, sampleSlice, writeSampleVolume } from './sample-volume.ts'
import { encodeTiff, type TiffLayout } from './tiff-fixture.ts'

const ours = 'Phasemark'
/** DESIGN §7. */
const ratioBar = { relation: '≤', limit: 1.5 } as const
const firstSliceBar = { relation: '<', limit: 0.5 } as const
/** Slices in the folder whose first slice is waited for. */
const longFolderSlices = 2000

/** What microscopes and programs write: 256 KB strips are tifffile's, 8 KB strips libtiff's (ImageJ, Avizo) habit. */
const layouts: Record<string, TiffLayout> = {
  'plain, one strip': plainLayout,
  'plain, strips of 8 KB': { compression: 'none', predictor: false, rowsPerStrip: 2 },
  'deflated, strips of 256 KB': { compression: 'deflate', predictor: false, rowsPerStrip: 64 },
  'deflated with predictor, strips of 256 KB': { compression: 'deflate', predictor: true, rowsPerStrip: 64 },
  'deflated, one strip': { compression: 'deflate', predictor: false, rowsPerStrip: 1 << 20 },
}

/**
 * Reading and writing TIFF slices of 2048 × 2048 16-bit voxels against tifffile, all files in the page cache, and the wait
 * for the first slice of a long folder.
 */
export async function benchmarkFiles(options: BenchmarkOptions): Promise<BenchmarkResult> {
  const measurements: Measurement[] = []
  const skipped: Record<string, string> = {}
  const details: Record<string, unknown> = {}
  const peer = await startPeer(
    { name: 'tifffile', script: 'tifffile_io', packages: ['tifffile', 'numpy'], cpuOnly: true },
    options.peerNames,
  )
  if ('skipped' in peer) skipped['tifffile'] = peer.skipped
  const tifffile = 'skipped' in peer ? null : peer
  try {
    if (tifffile !== null) Object.assign(details, await tifffile.ask<object>('setup'))
    for (const [title, layout] of Object.entries(layouts)) {
      const comparison = await compareReading(title, layout, tifffile, options)
      measurements.push(...comparison.measurements)
      details[title] = comparison.timings
    }
    const writing = await compareWriting(tifffile, options)
    measurements.push(...writing.measurements, ...(await measureLongFolder(options)))
    details['write'] = writing.timings
  } finally {
    await tifffile?.close()
  }
  return { benchmark: 'io', measurements, skipped, details }
}

async function compareReading(
  title: string,
  layout: TiffLayout,
  tifffile: PythonPeer | null,
  { folder, smoke, onProgress }: BenchmarkOptions,
) {
  const size = smoke ? 64 : 2048
  const slices = smoke ? 2 : 4
  const volume = path.join(folder, title.replace(/\W+/g, '-'))
  const files = writeSampleVolume(volume, {
    slices,
    height: size,
    width: size,
    distinctSlices: slices,
    layout,
  })
  const source = await openVolume(volume)
  try {
    if (tifffile !== null) await requireSameVoxels(await source.readSlice(1), files[1], tifffile)
    const turns = { ours: 0, tifffile: 0 }
    const timings = await interleave(
      [
        { name: ours, run: () => timed(() => source.readSlice(turns.ours++ % slices)) },
        ...(tifffile === null
          ? []
          : [
              {
                name: 'tifffile',
                run: async () => {
                  const file = files[turns.tifffile++ % slices]
                  return (await tifffile.ask<{ seconds: number }>('read', { file })).seconds
                },
              },
            ]),
      ],
      {
        rounds: smoke ? 2 : 40,
        warmUpRounds: smoke ? 1 : slices,
        onRound: (done, total) => onProgress(`${title}, round ${done} of ${total}`),
      },
    )
    const measurements: Measurement[] = [...timings].map(([name, timing]) => ({
      what: `read ${title}, ${name}`,
      value: timing.medianSeconds * 1000,
      unit: 'ms/slice',
    }))
    const peerTiming = timings.get('tifffile')
    if (peerTiming !== undefined) {
      measurements.push({
        what: `read ${title}, ${ours} / tifffile`,
        value: timings.get(ours)!.medianSeconds / peerTiming.medianSeconds,
        unit: '×',
        bar: ratioBar,
      })
    }
    return { measurements, timings: Object.fromEntries(timings) }
  } finally {
    await source.close()
  }
}

/** Two readers are only compared when they read the same. */
async function requireSameVoxels(
  voxels: ArrayLike<number>,
  file: string,
  tifffile: PythonPeer,
): Promise<void> {
  let sum = 0
  for (let index = 0; index < voxels.length; index++) sum += voxels[index]
  const answer = await tifffile.ask<{ sum: number }>('read', { file })
  if (answer.sum !== sum)
    throw new Error(`${file}: expected voxels that add up to ${answer.sum}, found ${sum}`)
}

/**
 * Label slices as `segment` writes them (deflated, each on the disk before the next is named) and as tifffile writes them
 * with zlib into the page cache. Informs only: prediction sets the pace of writing.
 */
async function compareWriting(
  tifffile: PythonPeer | null,
  { folder, smoke, onProgress }: BenchmarkOptions,
): Promise<{ measurements: Measurement[]; timings: Record<string, Timing> }> {
  const size = smoke ? 64 : 2048
  const sliceNames = ['slice_0', 'slice_1', 'slice_2', 'slice_3']
  const { materials } = sampleSlice(0, size, size)
  const pattern = path.join(folder, 'labels.tif')
  writeFileSync(pattern, encodeTiff(materials, size, size, plainLayout))
  await tifffile?.ask('load', { file: pattern })
  let written = 0
  const contenders = [
    {
      name: ours,
      run: () =>
        timed(async () => {
          const writer = await openVolumeWriter({
            path: path.join(folder, `written-${written++}`),
            format: 'tiff-stack',
            shape: [sliceNames.length, size, size],
            dtype: 'uint8',
            voxelSize: null,
            sliceNames,
            resume: false,
          })
          for (let z = 0; z < sliceNames.length; z++) await writer.writeSlice(z, materials)
          await writer.close()
        }),
    },
  ]
  if (tifffile !== null) {
    contenders.push({
      name: 'tifffile',
      run: async () => {
        let seconds = 0
        for (const name of sliceNames) {
          const file = path.join(folder, `${name}-tifffile.tif`)
          seconds += (await tifffile.ask<{ seconds: number }>('write', { file, compression: 'zlib' })).seconds
        }
        return seconds
      },
    })
  }
  const timings = await interleave(contenders, {
    rounds: smoke ? 1 : 10,
    warmUpRounds: 1,
    onRound: (done, total) => onProgress(`writing, round ${done} of ${total}`),
  })
  const measurements = [...timings].map(([name, timing]) => ({
    what: `write label slices deflated, ${name}`,
    value: (timing.medianSeconds * 1000) / sliceNames.length,
    unit: 'ms/slice',
    note: name === ours ? 'on the disk' : 'in the page cache',
  }))
  return { measurements, timings: Object.fromEntries(timings) }
}

/** A folder as long as a whole scan; its slices are links to a few, which the listing cannot know. */
async function measureLongFolder({ folder, smoke, onProgress }: BenchmarkOptions): Promise<Measurement[]> {
  const size = smoke ? 64 : 2048
  const slices = smoke ? 20 : longFolderSlices
  const volume = path.join(folder, 'long')
  writeSampleVolume(volume, { slices, height: size, width: size, distinctSlices: 2, layout: plainLayout })
  onProgress(`first slice of ${slices}`)
  let source: Awaited<ReturnType<typeof openVolume>> | undefined
  const opening = await timed(async () => (source = await openVolume(volume)))
  const first = await timed(() => source!.readSlice(0))
  await source!.close()
  const title = `folder of ${slices} slices of ${size} × ${size}`
  return [
    { what: `${title}, opened (all headers read)`, value: opening, unit: 's' },
    { what: `${title}, first slice after that`, value: first, unit: 's', bar: firstSliceBar },
  ]
}
