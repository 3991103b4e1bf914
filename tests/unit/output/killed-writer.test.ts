import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { expect, test } from 'vitest'
import { openVolumeWriter, type VolumeWriterOptions } from '../../../src/main/engine/output/volume-writer.ts'
import { temporaryFolder } from '../volume/temporary-folder.ts'

const scratch = temporaryFolder('killed-writer')
const repository = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..', '..', '..')
const compiledWriter = path.join(repository, 'dist', 'main', 'engine', 'output', 'volume-writer.js')
const [depth, height, width] = [60, 200, 200]

const optionsFor = (name: string, format: VolumeWriterOptions['format']): VolumeWriterOptions => ({
  path: path.join(scratch, name),
  format,
  shape: [depth, height, width],
  dtype: 'uint8',
  voxelSize: null,
  sliceNames: Array.from({ length: depth }, (_, z) => `s_${z}`),
  colourTable: [{ value: 1, name: 'pore' }],
  resume: true,
})

/** Writes what is missing; the same text runs in the process that is killed. */
async function write(
  open: typeof openVolumeWriter,
  options: VolumeWriterOptions,
  pauseMs: number,
): Promise<void> {
  const [slices, rows, columns] = options.shape
  const writer = await open(options)
  for (let z = writer.nextSlice; z < slices; z++) {
    const slice = Uint8Array.from({ length: rows * columns }, (_, index) => ((index >> 4) + z) % 5)
    await writer.writeSlice(z, slice)
    await new Promise((resolve) => setTimeout(resolve, pauseMs))
    if (pauseMs > 0) console.log(z)
  }
  await writer.close()
}

function contentOf(place: string): Record<string, string> {
  if (statSync(place).isFile()) return { '': readFileSync(place, 'base64') }
  return Object.fromEntries(
    readdirSync(place).map((name) => [name, readFileSync(path.join(place, name), 'base64')]),
  )
}

test.each(['tiff-stack', 'bigtiff'] as const)(
  'a %s whose process is killed twice ends like one that was not',
  async (format) => {
    const whole = optionsFor(`${format}-whole`, format)
    await write(openVolumeWriter, whole, 0)
    const options = optionsFor(`${format}-killed`, format)
    // The second kill comes more than a second of pauses after the start: a BigTIFF commits its pages once a second.
    for (const lastSlice of [3, 40]) {
      const script = `
        const { openVolumeWriter } = await import(${JSON.stringify(pathToFileURL(compiledWriter).href)})
        await (${write.toString()})(openVolumeWriter, ${JSON.stringify(options)}, 40)`
      const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
        stdio: ['ignore', 'pipe', 'inherit'],
      })
      for await (const output of child.stdout) {
        const written = String(output).trim().split('\n').at(-1)
        if (Number(written) >= lastSlice) break
      }
      child.kill('SIGKILL')
      await once(child, 'exit')
    }
    const resumed = await openVolumeWriter(options)
    expect(resumed.nextSlice).toBeGreaterThan(0)
    expect(resumed.nextSlice).toBeLessThan(depth)
    await resumed.abort()
    await write(openVolumeWriter, options, 0)
    expect(contentOf(options.path)).toEqual(contentOf(whole.path))
  },
)
