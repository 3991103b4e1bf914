import type { NetworkNode, NetworkSpec } from '../network/network-spec.ts'

export interface UnetOptions {
  /** Slices given as channels: 1, or 2n + 1 neighbouring slices (2.5D). */
  inputChannels: number
  /** Materials to tell apart. */
  materials: number
  /** Filters at full resolution; doubled at each of the `depth` poolings. */
  baseFilters: number
  /** Number of poolings; 4 makes 18 convolutions of 3 × 3. */
  depth: number
  normalisation: 'batch' | 'none'
}

/**
 * UNet after Ronneberger, Fischer and Brox 2015 (doi 10.1007/978-3-319-24574-4_28), with `same` convolutions so that
 * the output has the size of the input, and optionally batch normalisation (Ioffe and Szegedy 2015) in place of bias.
 * Input sizes must be multiples of 2^depth. The output holds logits, one channel per material.
 */
export function unetSpec(options: UnetOptions): NetworkSpec {
  const { inputChannels, materials, baseFilters, depth, normalisation } = options
  const nodes: NetworkNode[] = [{ op: 'input', name: 'input', channels: inputChannels }]

  function convolutions(level: string, input: string, filters: number): string {
    const first = `${level}_convolution1`
    const second = `${level}_convolution2`
    const common = { op: 'convolution', filters, kernel: 3, normalisation, activation: 'relu' } as const
    nodes.push({ ...common, name: first, input }, { ...common, name: second, input: first })
    return second
  }

  let current = 'input'
  const skips: string[] = []
  for (let level = 0; level < depth; level++) {
    current = convolutions(`encoder${level}`, current, baseFilters << level)
    skips.push(current)
    nodes.push({ op: 'max-pool', name: `encoder${level}_pool`, input: current })
    current = `encoder${level}_pool`
  }
  current = convolutions('bottleneck', current, baseFilters << depth)
  for (let level = depth - 1; level >= 0; level--) {
    const filters = baseFilters << level
    nodes.push({ op: 'up-convolution', name: `decoder${level}_up`, input: current, filters })
    nodes.push({
      op: 'concatenation',
      name: `decoder${level}_join`,
      inputs: [skips[level], `decoder${level}_up`],
    })
    current = convolutions(`decoder${level}`, `decoder${level}_join`, filters)
  }
  nodes.push({
    op: 'convolution',
    name: 'logits',
    input: current,
    filters: materials,
    kernel: 1,
    normalisation: 'none',
    activation: 'none',
  })
  return { nodes }
}
