import { rmSync } from 'node:fs'
import path from 'node:path'
import { expect, test } from 'vitest'
import { writeFileAtomic } from '../../../src/main/engine/files/atomic-file.ts'
import { openVolumeWriter, type VolumeWriterOptions } from '../../../src/main/engine/output/volume-writer.ts'
import { openVolume } from '../../../src/main/engine/volume/open-volume.ts'
import { mountSmallDisk } from '../../support/small-disk.ts'
import { temporaryFolder } from '../volume/temporary-folder.ts'

const kilobytes = 200
const disk = mountSmallDisk(temporaryFolder('full-disk'), 'disk', kilobytes)

const [depth, height, width] = [10, 100, 300]
const sliceOf = (z: number) =>
  Uint8Array.from({ length: height * width }, (_, index) => (index * 7 + z) % 251)

test.skipIf(disk === null).each(['tiff-stack', 'bigtiff'] as const)(
  'a full disk ends a %s with NoSpace; with room again it goes on',
  async (format) => {
    const options: VolumeWriterOptions = {
      path: path.join(disk?.folder ?? '', format),
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

    disk?.resize(2000)
    const resumed = await openVolumeWriter({ ...options, resume: true })
    expect(resumed.nextSlice).toBeGreaterThan(3)
    for (let z = resumed.nextSlice; z < depth; z++) await resumed.writeSlice(z, sliceOf(z))
    await resumed.close()
    const source = await openVolume(options.path)
    for (let z = 0; z < depth; z++) expect(await source.readSlice(z)).toEqual(sliceOf(z))
    await source.close()
    rmSync(options.path, { recursive: true })
    disk?.resize(kilobytes)
  },
)

test.skipIf(disk === null)('a full disk leaves the old content of a file', async () => {
  const file = path.join(disk?.folder ?? '', 'run.json')
  await writeFileAtomic(file, 'old')
  await expect(writeFileAtomic(file, 'x'.repeat(1_000_000))).rejects.toMatchObject({ _tag: 'NoSpace' })
  await writeFileAtomic(file, 'new')
})
