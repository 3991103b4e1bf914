import { createRandom } from '../../../src/shared/random.ts'

/** Blocks 1 and 2 of VGG16 with random values of about the right size: for tests that need numbers, not features. */
export function randomVgg16(seed: number): Map<string, { shape: readonly number[]; values: Float32Array }> {
  const layers = [
    ['block1_conv1', 3, 64],
    ['block1_conv2', 64, 64],
    ['block2_conv1', 64, 128],
    ['block2_conv2', 128, 128],
  ] as const
  return new Map(
    layers.flatMap(([name, inputs, filters], index) => {
      const random = createRandom(seed, index)
      const shape = [3, 3, inputs, filters]
      const deviation = Math.sqrt(2 / (9 * inputs)) * (index === 0 ? 0.02 : 1)
      const kernel = Float32Array.from({ length: 9 * inputs * filters }, () => deviation * random.normal())
      const bias = Float32Array.from({ length: filters }, () => 0.1 * random.normal())
      const entries: [string, { shape: readonly number[]; values: Float32Array }][] = [
        [`${name}/kernel`, { shape, values: kernel }],
        [`${name}/bias`, { shape: [filters], values: bias }],
      ]
      return entries
    }),
  )
}
