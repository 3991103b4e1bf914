import { spawnSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import path from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { writeFileAtomic } from '../../../src/main/engine/files/atomic-file.ts'
import { openVolumeWriter, type VolumeWriterOptions } from '../../../src/main/engine/output/volume-writer.ts'
import { openVolume } from '../../../src/main/engine/volume/open-volume.ts'
import { temporaryFolder } from '../volume/temporary-folder.ts'

const scratch = temporaryFolder('full-disk')
const disk = path.join(scratch, 'disk')
mkdirSync(disk)

/** A file system of its own that is small enough to be filled. Needs Linux and the right to mount. */
const mount = (...options: string[]) =>
  spawnSync('mount', ['-t', 'tmpfs', ...options, 'tmpfs', disk]).status === 0
const mounted = process.platform === 'linux' && mount('-o', 'size=200k')
afterAll(() => {
  if (mounted) spawnSync('umount', [disk])
})

const [depth, height, width] = [10, 100, 300]
const sliceOf = (z: number) =>
  Uint8Array.from({ length: height * width }, (_, index) => (index * 7 + z) % 251)

test.skipIf(!mounted).each(['tiff-stack', 'bigtiff'] as const)(
  'a full disk ends a %s with NoSpace; with room again it goes on',
  async (format) => {
    const options: VolumeWriterOptions = {
      path: path.join(disk, format),
      format,
      shape: [depth, height, width],
      dtype: 'uint8',
      voxelSize: null,
      sliceNames: Array.from({ length: depth }, (_, z) => `s_${z}`),
      compression: 'none',
      resume: false,
    }
    // 30 kB a slice: the disk is full before the tenth.
    const writer = await openVolumeWriter(options)
    const fill = async () => {
      for (let z = 0; z < depth; z++) await writer.writeSlice(z, sliceOf(z))
      await writer.close()
    }
    await expect(fill()).rejects.toMatchObject({ _tag: 'NoSpace' })
    await writer.abort()

    expect(mount('-o', 'remount,size=2m')).toBe(true)
    const resumed = await openVolumeWriter({ ...options, resume: true })
    expect(resumed.nextSlice).toBeGreaterThan(3)
    for (let z = resumed.nextSlice; z < depth; z++) await resumed.writeSlice(z, sliceOf(z))
    await resumed.close()
    const source = await openVolume(options.path)
    for (let z = 0; z < depth; z++) expect(await source.readSlice(z)).toEqual(sliceOf(z))
    await source.close()
    spawnSync('rm', ['-rf', options.path])
    expect(mount('-o', 'remount,size=200k')).toBe(true)
  },
)

test.skipIf(!mounted)('a full disk leaves the old content of a file', async () => {
  const file = path.join(disk, 'run.json')
  await writeFileAtomic(file, 'old')
  await expect(writeFileAtomic(file, 'x'.repeat(1_000_000))).rejects.toMatchObject({ _tag: 'NoSpace' })
  await writeFileAtomic(file, 'new')
})
