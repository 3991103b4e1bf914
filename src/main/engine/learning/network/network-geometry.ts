import { channelsOf, lastUses, nodeInputs, type NetworkNode, type NetworkSpec } from './network-spec.ts'

/**
 * How far, in voxels of the input, an output voxel looks: an output at position p depends on inputs in
 * `[p - radius, p + radius]` only, for any alignment of p to the pooling grid. A tile whose halo is at least this large,
 * and whose origin is a multiple of {@link strideOf}, gives exactly the values of the whole slice.
 */
export function receptiveRadius(spec: NetworkSpec): number {
  interface Reach {
    /** Input voxels per voxel of this tensor. */
    scale: number
    /** Reach to each side beyond the input voxels that this voxel stands for, in input voxels. */
    radius: number
  }
  const reach = new Map<string, Reach>()
  for (const node of spec.nodes) {
    const inputs = nodeInputs(node).map((name) => reach.get(name)!)
    switch (node.op) {
      case 'input':
        reach.set(node.name, { scale: 1, radius: 0 })
        break
      case 'convolution': {
        const { scale, radius } = inputs[0]
        reach.set(node.name, { scale, radius: radius + ((node.kernel - 1) / 2) * scale })
        break
      }
      case 'imagenet-input':
        reach.set(node.name, inputs[0])
        break
      case 'max-pool':
      case 'average-pool': {
        const { scale, radius } = inputs[0]
        // The pooled voxels become the block that the new voxel stands for; beyond it the reach is the same.
        reach.set(node.name, { scale: scale * 2, radius })
        break
      }
      case 'up-convolution': {
        const { scale, radius } = inputs[0]
        reach.set(node.name, { scale: scale / 2, radius: radius + scale / 2 })
        break
      }
      case 'upsample': {
        const { scale, radius } = inputs[0]
        // A new voxel lies between two old ones at most one old voxel away.
        reach.set(node.name, { scale: scale / node.factor, radius: radius + scale })
        break
      }
      case 'concatenation':
      case 'addition':
        reach.set(node.name, {
          scale: inputs[0].scale,
          radius: Math.max(...inputs.map(({ radius }) => radius)),
        })
        break
    }
  }
  const { scale, radius } = reach.get(spec.nodes.at(-1)!.name)!
  return radius + scale - 1
}

/** Sizes of tiles and patches must be multiples of this: 2 to the number of poolings in a row. */
export function strideOf(spec: NetworkSpec): number {
  const stride = new Map<string, number>()
  let largest = 1
  for (const node of spec.nodes) {
    const first = nodeInputs(node).at(0)
    const before = first === undefined ? 1 : stride.get(first)!
    const value = before * scaleChange(node)
    stride.set(node.name, value)
    largest = Math.max(largest, value)
  }
  return largest
}

/** Voxels of a node's input per voxel of its output, along y or x. */
function scaleChange(node: NetworkNode): number {
  switch (node.op) {
    case 'max-pool':
    case 'average-pool':
      return 2
    case 'up-convolution':
      return 0.5
    case 'upsample':
      return 1 / node.factor
    case 'input':
    case 'imagenet-input':
    case 'convolution':
    case 'concatenation':
    case 'addition':
      return 1
  }
}

/**
 * Largest sum of activations alive at once during prediction, in bytes per input voxel. A node's input, its output and,
 * where the device does not fuse a convolution with its bias and activation, one intermediate exist together.
 */
export function activationBytesPerVoxel(spec: NetworkSpec): number {
  const channels = channelsOf(spec)
  const last = lastUses(spec)
  const area = new Map<string, number>()
  let alive = 0
  let peak = 0
  spec.nodes.forEach((node, index) => {
    const inputs = nodeInputs(node)
    let share = inputs.length === 0 ? 1 : area.get(inputs[0])!
    share /= scaleChange(node) ** 2
    area.set(node.name, share)
    const own = share * channels.get(node.name)!
    const intermediate = node.op === 'convolution' || node.op === 'up-convolution' ? own : 0
    peak = Math.max(peak, alive + own + intermediate)
    alive += own
    for (const input of new Set(inputs)) {
      if (last.get(input) === index) alive -= area.get(input)! * channels.get(input)!
    }
  })
  return peak * 4
}
