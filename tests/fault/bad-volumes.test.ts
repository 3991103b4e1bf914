import { mkdirSync, readFileSync, renameSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, test } from 'vitest'
import { contentOf, scratchFolder } from '../support/file-tree.ts'
import { failureOf, resultOf, type CliFailure } from '../support/run-cli.ts'
import { defaultStem, writeSlice, writeTomogram } from '../support/sample-tomogram.ts'

const scratch = scratchFolder('bad-volumes')
const size = { height: 96, width: 112 }
const voxels = size.height * size.width
let volumes = 0

interface BrokenVolume {
  images: string
  labels: string
  slice: (z: number) => string
}

/** A good volume of four slices with labels, for a test to damage. */
function goodVolume(): BrokenVolume {
  const { images, labels } = writeTomogram(path.join(scratch, `volume-${volumes++}`), { slices: 4 })
  return { images, labels, slice: (z) => path.join(images, `${defaultStem(z)}.tif`) }
}

/** Changes an entry of the first directory of a TIFF file, wherever its value lies inside the entry. */
function lieAbout(file: string, tag: number, value: number): void {
  const bytes = readFileSync(file)
  const directory = bytes.readUInt32LE(4)
  const entries = bytes.readUInt16LE(directory)
  for (let entry = 0; entry < entries; entry++) {
    const at = directory + 2 + 12 * entry
    if (bytes.readUInt16LE(at) !== tag) continue
    bytes.writeUInt16LE(4, at + 2)
    bytes.writeUInt32LE(value, at + 8)
    writeFileSync(file, bytes)
    return
  }
  throw new Error(`${file}: expected tag ${tag}, found none`)
}

interface Fault {
  name: string
  /** Damages the volume and returns the place that the message must name. */
  damage: (volume: BrokenVolume) => string
  /** Default `BadInput`. */
  tag?: 'NotFound' | 'BadInput'
  /** What the message must say was found. */
  found: RegExp
}

const faults: Fault[] = [
  {
    name: 'a folder that does not exist',
    damage: ({ images }) => {
      renameSync(images, `${images}-elsewhere`)
      return images
    },
    tag: 'NotFound',
    found: /no such|not exist|nothing/i,
  },
  {
    name: 'an empty folder',
    damage: ({ images }) => {
      rmSync(images, { recursive: true })
      mkdirSync(images)
      return images
    },
    found: /TIFF.*found a folder without any/,
  },
  {
    name: 'slices of different size',
    damage: ({ slice }) => {
      writeSlice(slice(2), new Uint16Array(96 * 100), { height: 96, width: 100 })
      return slice(2)
    },
    found: /96 × 112.*found 96 × 100/,
  },
  {
    name: 'slices of different type',
    damage: ({ slice }) => {
      writeSlice(slice(1), new Uint8Array(voxels).fill(7), size)
      return slice(1)
    },
    found: /uint16.*found.*uint8/,
  },
  {
    name: 'a truncated slice',
    damage: ({ slice }) => {
      truncateSync(slice(3), readFileSync(slice(3)).length - 500)
      return slice(3)
    },
    found: /truncated/,
  },
  {
    name: 'a slice that is no image',
    damage: ({ slice }) => {
      writeFileSync(slice(1), 'this is not a picture, whatever its name says')
      return slice(1)
    },
    found: /TIFF file.*74686973/,
  },
  {
    name: 'an empty slice',
    damage: ({ slice }) => {
      writeFileSync(slice(0), '')
      return slice(0)
    },
    found: /0 bytes/,
  },
  {
    name: 'a slice that lies about its size',
    damage: ({ slice }) => {
      // Rows of the image, and rows in its one strip.
      for (let z = 0; z < 4; z++) for (const tag of [257, 278]) lieAbout(slice(z), tag, 60_000)
      return slice(0)
    },
    found: /13440000 bytes in strip or tile 0.*found 21504/,
  },
  {
    name: 'a slice that claims to be larger than any machine',
    damage: ({ slice }) => {
      for (let z = 0; z < 4; z++) lieAbout(slice(z), 256, 4_000_000_000)
      return slice(0)
    },
    found: /image width/,
  },
  {
    name: 'one grey value everywhere',
    damage: ({ images, slice }) => {
      for (let z = 0; z < 4; z++) writeSlice(slice(z), new Uint16Array(voxels).fill(1234), size)
      return images
    },
    found: /voxels differ.*1234 everywhere/,
  },
  {
    name: 'not a single number',
    damage: ({ images, slice }) => {
      for (let z = 0; z < 4; z++) writeSlice(slice(z), new Float32Array(voxels).fill(NaN), size)
      return images
    },
    found: /no finite voxel/,
  },
]

function expectBadInput(failure: CliFailure, place: string, { tag = 'BadInput', found }: Fault): void {
  expect(failure).toMatchObject({ _tag: tag, exitCode: 3, fields: { path: place } })
  expect(failure.message).toContain(place)
  expect(failure.message).toMatch(found)
  // File, expectation and finding are fields too, so that a program can show them in its own way.
  if (tag === 'BadInput') {
    const { expected, found: finding } = failure.fields
    expect(failure.message).toBe(`${place}: expected ${String(expected)}, found ${String(finding)}`)
  }
}

describe.concurrent('a volume that cannot be used ends info with exit code 3 and the reason', () => {
  test.each(faults)('$name', async (fault) => {
    const volume = goodVolume()
    const place = fault.damage(volume)
    const before = contentOf(path.dirname(volume.images))
    expectBadInput(await failureOf(['info', volume.images]), place, fault)
    expect(contentOf(path.dirname(volume.images))).toEqual(before)
  })

  test('a raw file that is shorter than its header', async () => {
    const file = path.join(scratch, 'short.raw')
    writeFileSync(file, new Uint8Array(1000))
    const failure = await failureOf(['info', file, '--raw', '4,96,112,uint16,little,0'])
    expect(failure).toMatchObject({ _tag: 'BadInput', exitCode: 3, fields: { path: file } })
    expect(failure.message).toMatch(/86016 bytes.*found 1000 bytes/)
  })
})

// What `info` refuses, training must refuse before it makes anything; the kinds of faults that are found at different times.
describe.concurrent('training refuses it before it writes anything', () => {
  const chosen = ['a folder that does not exist', 'a truncated slice', 'one grey value everywhere']
  test.each(faults.filter(({ name }) => chosen.includes(name)))(
    '$name',
    async (fault) => {
      const volume = goodVolume()
      const place = fault.damage(volume)
      const out = path.join(scratch, 'never')
      const before = contentOf(path.dirname(volume.images), out)
      const args = ['train', volume.images, '--labels', volume.labels, '--model', 'unet', '--out', out]
      expectBadInput(await failureOf(args), place, fault)
      expect(contentOf(path.dirname(volume.images), out)).toEqual(before)
    },
    60_000,
  )
})

describe('what is odd but can be used is a warning', () => {
  const kinds = (result: Record<string, unknown>) =>
    (result['warnings'] as { kind: string; message: string }[]).map(({ kind }) => kind)

  test('a gap in the numbering, NaN voxels and a constant slice', async () => {
    const { images, slice } = goodVolume()
    for (let z = 0; z < 4; z++) {
      const values = Float32Array.from({ length: voxels }, (_, index) => (index * 7919) % 251)
      if (z === 1) values.fill(5)
      if (z === 2) values.fill(NaN, 0, 3)
      writeSlice(slice(z), values, size)
    }
    renameSync(slice(3), slice(9))
    const result = await resultOf(['info', images])
    expect(kinds(result).sort()).toEqual(['constant-slice', 'non-finite-voxels', 'numbering-gap'])
    const messages = (result['warnings'] as { message: string }[]).map(({ message }) => message).join('\n')
    for (const part of [images, 'slice_002 → slice_009', '3 voxels', 'slice_001'])
      expect(messages).toContain(part)
    // Over the finite voxels only.
    expect(result).toMatchObject({ min: 0, max: 250 })
  })

  test('they come with the results of train and segment too', async () => {
    const volume = goodVolume()
    writeSlice(volume.slice(1), new Uint16Array(voxels).fill(9000), size)
    renameSync(volume.slice(3), volume.slice(9))
    renameSync(
      path.join(volume.labels, `${defaultStem(3)}.tif`),
      path.join(volume.labels, `${defaultStem(9)}.tif`),
    )
    const run = path.join(scratch, 'run')
    const args = ['--labels', volume.labels, '--model', 'unet', '--max-steps', '1', '--out', run]
    const trained = await resultOf(['train', volume.images, ...args])
    expect(kinds(trained).sort()).toEqual(['constant-slice', 'numbering-gap', 'other'])
    const out = path.join(scratch, 'segmentation')
    const segmented = await resultOf(['segment', volume.images, '--model', run, '--out', out])
    expect(kinds(segmented)).toEqual(expect.arrayContaining(['constant-slice', 'numbering-gap']))
  }, 120_000)

  test('another range of grey values than in training is a warning of segment', async () => {
    const { images, slice } = goodVolume()
    for (let z = 0; z < 4; z++) {
      const grey = Uint16Array.from({ length: voxels }, (_, index) => 50_000 + ((index * 7919) % 9000))
      writeSlice(slice(z), grey, size)
    }
    const out = path.join(scratch, 'drifted')
    const result = await resultOf([
      'segment',
      images,
      '--model',
      path.join(scratch, 'run'),
      '--out',
      out,
      '--slices',
      '0-1',
    ])
    expect(kinds(result)).toEqual(['intensity-drift'])
  }, 60_000)
})
