import type { NetworkNode, NetworkSpec } from '../network/network-spec.ts'

/**
 * Which outputs of VGG16 describe a voxel. `block1`: the 64 channels of the last convolution of block 1, a neighbourhood of
 * 5 × 5 voxels (the reference study). `multi-scale`: blocks 1 and 2 also of smaller copies of the slice, for context.
 */
export const featureSets = ['block1', 'multi-scale'] as const
export type FeatureSet = (typeof featureSets)[number]

/** One of the outputs that are features. */
export interface FeatureTap {
  /** Node of the network whose output it is. */
  node: string
  channels: number
  /** Voxels of the slice per voxel of this output, along y and x. */
  factor: number
}

type Block = 1 | 2

/** Blocks read at each scale of the input; 4 is a quarter of y and x. Chosen by held-out scores: docs/training.md. */
const blocksAtScale: Record<FeatureSet, Readonly<Record<number, readonly Block[]>>> = {
  block1: { 1: [1] },
  'multi-scale': { 1: [1], 2: [1], 4: [1, 2], 8: [1] },
}

/** Convolutions of blocks 1 and 2 (Simonyan and Zisserman 2015, arXiv 1409.1556, configuration D), with their filters. */
const blockLayers: Record<Block, readonly { name: string; filters: number }[]> = {
  1: [
    { name: 'block1_conv1', filters: 64 },
    { name: 'block1_conv2', filters: 64 },
  ],
  2: [
    { name: 'block2_conv1', filters: 128 },
    { name: 'block2_conv2', filters: 128 },
  ],
}

const inputName = 'input'

export interface Vgg16Options {
  features: FeatureSet
  /** Width of each hidden layer of the classifier. */
  hidden: readonly number[]
  materials: number
}

/**
 * The part of the network that makes features out of a normalised slice, `[batch, y, x, 1]`, and where they come out. Scales
 * share their weights. Sizes must be multiples of the largest factor.
 */
export function vgg16Features(features: FeatureSet): { nodes: NetworkNode[]; taps: FeatureTap[] } {
  const nodes: NetworkNode[] = [
    { op: 'input', name: inputName, channels: 1 },
    { op: 'imagenet-input', name: 'picture', input: inputName },
  ]
  const taps: FeatureTap[] = []
  let picture = 'picture'
  const scales = Object.entries(blocksAtScale[features]).map(([scale, blocks]) => ({
    scale: Number(scale),
    blocks,
  }))
  scales.forEach(({ scale, blocks }) => {
    if (scale > 1) {
      nodes.push({ op: 'average-pool', name: `picture_${scale}`, input: picture })
      picture = `picture_${scale}`
    }
    const nameAt = (layer: string) => (scale === 1 ? layer : `${layer}_scale${scale}`)
    let current = picture
    for (const block of blocks.includes(2) ? ([1, 2] as const) : ([1] as const)) {
      if (block === 2) {
        const pooled = nameAt('block1_pool')
        nodes.push({ op: 'max-pool', name: pooled, input: current })
        current = pooled
      }
      for (const layer of blockLayers[block]) {
        const first = nodes.find((node) => node.op === 'convolution' && node.name.startsWith(layer.name))
        nodes.push({
          op: 'convolution',
          name: nameAt(layer.name),
          input: current,
          filters: layer.filters,
          kernel: 3,
          normalisation: 'none',
          activation: 'relu',
          ...(first === undefined ? {} : { sharedWith: first.name }),
        })
        current = nameAt(layer.name)
      }
      if (blocks.includes(block)) {
        taps.push({ node: current, channels: blockLayers[block].at(-1)!.filters, factor: scale * block })
      }
    }
  })
  return { nodes, taps }
}

/**
 * The pretrained weights that a parameter begins as: `block2_conv1_scale4/kernel` → `block2_conv1/kernel`. Scales share weights, whichever of them is the first to use them.
 */
export function pretrainedName(name: string): string {
  return name.replace(/_scale\d+\//, '/')
}

/** Name of the convolution that brings the features of a tap into the first hidden layer. */
export function projectionName(tap: FeatureTap): string {
  return `hidden1_${tap.node}`
}

/**
 * VGG16 features and a classifier of 1 × 1 convolutions on them, as one network. The features of all taps, enlarged to the
 * size of the slice and joined, would go through the first hidden layer; because that layer is linear before its ReLU, each
 * tap is taken through its share of it first and enlarged then, which needs a fraction of the memory and time.
 */
export function vgg16Spec({ features, hidden, materials }: Vgg16Options): NetworkSpec {
  const { nodes, taps } = vgg16Features(features)
  if (hidden.length === 0) throw new RangeError('vgg16-nn: expected at least one hidden layer, found none')
  const byFactor = new Map<number, string[]>()
  for (const tap of taps) {
    const name = projectionName(tap)
    nodes.push({ ...linear, name, input: tap.node, filters: hidden[0], activation: 'none' })
    byFactor.set(tap.factor, [...(byFactor.get(tap.factor) ?? []), name])
  }
  const parts = [...byFactor].map(([factor, names]) => {
    const sum = `hidden1_factor${factor}`
    // Added up before they are enlarged together.
    const name = names.length === 1 ? names[0] : sum
    if (names.length > 1) nodes.push({ op: 'addition', name: sum, inputs: names, activation: 'none' })
    if (factor === 1) return name
    nodes.push({ op: 'upsample', name: `${sum}_enlarged`, input: name, factor })
    return `${sum}_enlarged`
  })
  nodes.push({ op: 'addition', name: 'hidden1', inputs: parts, activation: 'relu' })
  addLayers(nodes, 'hidden1', hidden, 2, materials)
  return { nodes }
}

/** The classifier alone, on rows of joined features `[1, 1, row, feature]`: what is trained while VGG16 stays as it is. */
export function classifierSpec({ features, hidden, materials }: Vgg16Options): NetworkSpec {
  const { taps } = vgg16Features(features)
  const channels = taps.reduce((sum, tap) => sum + tap.channels, 0)
  const nodes: NetworkNode[] = [{ op: 'input', name: inputName, channels }]
  addLayers(nodes, inputName, hidden, 1, materials)
  return { nodes }
}

const linear = { op: 'convolution', kernel: 1, normalisation: 'none' } as const

/** Adds the hidden layers from number `first` on, then the logits. */
function addLayers(
  nodes: NetworkNode[],
  input: string,
  hidden: readonly number[],
  first: number,
  materials: number,
): void {
  let current = input
  hidden.slice(first - 1).forEach((filters, index) => {
    const name = `hidden${first + index}`
    nodes.push({ ...linear, name, input: current, filters, activation: 'relu' })
    current = name
  })
  nodes.push({ ...linear, name: 'logits', input: current, filters: materials, activation: 'none' })
}
