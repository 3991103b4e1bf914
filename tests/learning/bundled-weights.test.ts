import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Tensor, Tensor2D } from '@tensorflow/tfjs'
import { describe, expect, test } from 'vitest'
import { loadComputeRuntime, type ComputeRuntime } from '../../src/main/engine/compute/runtime/load.ts'
import { createRandom } from '../../src/shared/random.ts'
import { scratchFolder } from '../support/file-tree.ts'

const scripts = fileURLToPath(new URL('../../scripts/bundled-weights/', import.meta.url))
const scratch = scratchFolder('bundled-weights')

/** What `ridge.mjs` gives; scripts are not typed. */
interface Ridge {
  ridge: (
    runtime: ComputeRuntime,
    features: Tensor,
    targets: Tensor,
  ) => { unexplained: number; gradient: Tensor2D }
}

interface Pictures {
  createPicture: (
    seed: number,
    index: number,
    edge: number,
  ) => { grey: Float32Array; targets: Float32Array; columns: number }
}

async function script<Module>(name: string): Promise<Module> {
  return (await import(path.join(scripts, name))) as Module
}

describe('the objective of the bundled weights', () => {
  test('has the gradient that finite differences give', async () => {
    const { ridge } = await script<Ridge>('ridge.mjs')
    const runtime = await loadComputeRuntime()
    const { tf } = runtime
    const [pixels, features] = [60, 4]
    const random = createRandom(5)
    const values = Float32Array.from({ length: pixels * features }, () => random.normal())
    const wanted = Float32Array.from({ length: pixels * 2 }, (_, i) => values[2 * i] + 0.5 * random.normal())
    for (let column = 0; column < 2; column++) {
      let sum = 0
      for (let i = 0; i < pixels; i++) sum += wanted[2 * i + column]
      for (let i = 0; i < pixels; i++) wanted[2 * i + column] -= sum / pixels
    }
    const evaluate = (at: Float32Array) =>
      tf.tidy(() => {
        const result = ridge(runtime, tf.tensor2d(at, [pixels, features]), tf.tensor2d(wanted, [pixels, 2]))
        return { unexplained: result.unexplained, gradient: result.gradient.dataSync().slice() }
      })
    const { unexplained, gradient } = evaluate(values)
    expect(unexplained).toBeGreaterThan(0)
    expect(unexplained).toBeLessThan(1)
    // The penalty grows with the features, which the gradient leaves out: its share is a thousandth.
    const step = 0.02
    for (const i of [0, 7, 33, 101, 239]) {
      const [more, less] = [step, -step].map((change) => {
        const moved = values.slice()
        moved[i] += change
        return evaluate(moved).unexplained
      })
      expect(gradient[i]).toBeCloseTo((more - less) / (2 * step), 3)
    }
  })
})

describe('a generated picture', () => {
  test('is the same for the same number, with grey values from 0 to 1 and targets of mean 0', async () => {
    const { createPicture } = await script<Pictures>('pictures.mjs')
    for (let index = 0; index < 20; index++) {
      const picture = createPicture(1, index, 48)
      expect(createPicture(1, index, 48)).toEqual(picture)
      expect(Math.min(...picture.grey)).toBe(0)
      expect(Math.max(...picture.grey)).toBe(1)
      for (let column = 0; column < picture.columns; column++) {
        let sum = 0
        for (let i = column; i < picture.targets.length; i += picture.columns) sum += picture.targets[i]
        expect(Math.abs(sum / 48 ** 2)).toBeLessThan(1e-4)
      }
    }
  })
})

test('training twice with one seed writes the same file, with another seed another one', () => {
  const hashes = ['1', '1', '2'].map((seed, run) => {
    const out = path.join(scratch, String(run))
    const { status, stderr } = spawnSync(
      process.execPath,
      [path.join(scripts, 'train.mjs'), '--seed', seed, '--steps', '2', '--out', out],
      { encoding: 'utf8' },
    )
    expect(status, stderr).toBe(0)
    const bytes = readFileSync(path.join(out, 'vgg16-microstructures.safetensors'))
    const hash = createHash('sha256').update(bytes).digest('hex')
    const card = JSON.parse(readFileSync(path.join(out, 'vgg16-microstructures.json'), 'utf8')) as object
    expect(card).toMatchObject({ file: { sha256: hash, bytes: bytes.length }, training: { steps: 2 } })
    return hash
  })
  expect(hashes[1]).toBe(hashes[0])
  expect(hashes[2]).not.toBe(hashes[0])
})
