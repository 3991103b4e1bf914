import { createRandom } from '../../../src/shared/random.ts'
import type { NetworkSpec } from '../../../src/main/engine/learning/network/network-spec.ts'
import {
  initialParameters,
  parameterLayout,
  statisticsLayout,
} from '../../../src/main/engine/learning/network/parameters.ts'

/**
 * Values as a trained network might have them: kernels by He, but biases, gains, shifts, means and variances all different,
 * so that none can be left out unnoticed.
 */
export function sampleNetworkValues(
  spec: NetworkSpec,
  seed: number,
): { parameters: Float32Array; statistics: Float32Array } {
  const random = createRandom(seed, 77)
  const parameters = initialParameters(spec, seed)
  for (const { name, offset, length } of parameterLayout(spec).entries) {
    if (name.endsWith('/kernel')) continue
    for (let i = offset; i < offset + length; i++) parameters[i] = parameters[i] + 0.2 * random.normal()
  }
  const statistics = new Float32Array(statisticsLayout(spec).length)
  for (const { name, offset, length } of statisticsLayout(spec).entries) {
    for (let i = offset; i < offset + length; i++)
      statistics[i] = name.endsWith('/variance') ? random.uniform(0.4, 2.5) : 0.3 * random.normal()
  }
  return { parameters, statistics }
}

/** A smooth grey image with noise, uint16, C order (y, x). */
export function sampleImage(height: number, width: number, seed = 1): Uint16Array {
  const random = createRandom(seed, 78)
  return Uint16Array.from({ length: height * width }, (_, i) => {
    const [y, x] = [Math.floor(i / width), i % width]
    return 20_000 + 8000 * Math.sin(y / 5) * Math.cos(x / 7) + 3000 * random.next()
  })
}
