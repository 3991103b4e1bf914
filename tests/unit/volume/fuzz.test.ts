import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { openVolume } from '../../../src/main/engine/volume/open-volume.ts'
import { parseRawHeader } from '../../../src/main/engine/volume/raw-source.ts'
import { voxelSizeFromTiff } from '../../../src/main/engine/volume/voxel-size.ts'
import { isPhasemarkError } from '../../../src/shared/errors.ts'
import { temporaryFolder } from './temporary-folder.ts'

const scratch = temporaryFolder('fuzz')
const goldens = path.join(path.dirname(fileURLToPath(import.meta.url)), '..', '..', 'golden', 'volume')
const files = readdirSync(goldens).map((name) => ({ name, bytes: readFileSync(path.join(goldens, name)) }))

/** The largest golden is 6 kB, and LZW unfolds 2731-fold at most: nothing may ask for more than that. */
const mostBytes = 48 * 1024 * 1024
const mostMs = 2000

/** Opens and reads a file; either works or ends in one of our errors. */
async function readOrRefuse(file: string): Promise<'read' | 'refused'> {
  try {
    const source = await openVolume(file)
    try {
      const { shape } = source.meta
      const slice = await source.readSlice(shape[0] - 1)
      expect(slice.length).toBe(shape[1] * shape[2])
      return 'read'
    } finally {
      await source.close()
    }
  } catch (error) {
    if (!isPhasemarkError(error)) throw error
    expect(error._tag).toBe('BadInput')
    return 'refused'
  }
}

/** Header bytes that matter more often than others: small numbers, large numbers, type codes. */
const hostileByte = fc.oneof(fc.constantFrom(0, 1, 2, 3, 4, 16, 0x7f, 0x80, 0xff), fc.nat(255))

/** A change of up to eight bytes, most of them near the start or the end, where headers and directories are. */
const mutation = fc.record({
  file: fc.nat(files.length - 1),
  changes: fc.array(
    fc.record({ from: fc.constantFrom('start', 'end'), distance: fc.nat(400), value: hostileByte }),
    { minLength: 1, maxLength: 8 },
  ),
  cut: fc.option(fc.nat(600), { freq: 6 }),
})

test('mutated TIFF and PNG files are read or refused: no crash, no hang, no huge allocation', async () => {
  const outcomes = { read: 0, refused: 0 }
  await fc.assert(
    fc.asyncProperty(mutation, async ({ file, changes, cut }) => {
      const { name, bytes } = files[file]
      const mutated = Buffer.from(bytes)
      for (const { from, distance, value } of changes) {
        const at = from === 'start' ? distance : mutated.length - 1 - distance
        if (at >= 0 && at < mutated.length) mutated[at] = value
      }
      const target = path.join(scratch, name)
      writeFileSync(target, cut === null ? mutated : mutated.subarray(0, Math.max(0, mutated.length - cut)))
      const before = process.memoryUsage().arrayBuffers
      const started = performance.now()
      outcomes[await readOrRefuse(target)]++
      expect(performance.now() - started).toBeLessThan(mostMs)
      expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(mostBytes)
    }),
    { numRuns: 2500 },
  )
  // Both ends must be reached, or the mutations are too weak or too strong to prove anything.
  expect(outcomes.read).toBeGreaterThan(100)
  expect(outcomes.refused).toBeGreaterThan(100)
})

test('bytes that only begin as an image are refused', async () => {
  const start = fc.constantFrom('II*\0', 'MM\0*', 'II+\0\b\0\0\0', 'MM\0+\0\b\0\0', '\x89PNG\r\n\x1a\n')
  await fc.assert(
    fc.asyncProperty(start, fc.uint8Array({ maxLength: 200 }), async (magic, rest) => {
      const target = path.join(scratch, 'start.tif')
      writeFileSync(target, Buffer.concat([Buffer.from(magic, 'latin1'), rest]))
      expect(await readOrRefuse(target)).toBe('refused')
    }),
    { numRuns: 300 },
  )
})

test('raw headers of any text parse or are wrong usage', () => {
  const text = fc.oneof(
    fc.string(),
    fc
      .array(fc.oneof(fc.integer().map(String), fc.constantFrom('uint16', 'little', 'um', '')), {
        maxLength: 8,
      })
      .map((parts) => parts.join(',')),
  )
  fc.assert(
    fc.property(text, (value) => {
      try {
        parseRawHeader(value)
      } catch (error) {
        if (!isPhasemarkError(error)) throw error
        expect(error._tag).toBe('WrongUsage')
      }
    }),
  )
})

test('any description and resolution give a voxel size of positive numbers or none', () => {
  const description = fc.oneof(
    fc.string(),
    fc.string().map((text) => `ImageJ=1\nunit=${text}\nspacing=${text}`),
    fc
      .tuple(fc.string(), fc.float())
      .map(([text, size]) => `<OME><Pixels PhysicalSizeX="${size}" PhysicalSizeXUnit="${text}" ${text}>`),
  )
  const number = fc.option(fc.double())
  const unit = fc.constantFrom('none', 'inch', 'centimetre', 'metre')
  fc.assert(
    fc.property(description, fc.record({ x: number, y: number, unit }), (text, resolution) => {
      const size = voxelSizeFromTiff(text, resolution)
      for (const edge of size === null ? [] : [size.z, size.y, size.x]) {
        if (edge !== null) expect(edge > 0 && Number.isFinite(edge)).toBe(true)
      }
    }),
  )
})
