import type { Dataset, File as Hdf5File, Group } from 'h5wasm'
import { badInput, throwIfCancelled } from '../../../shared/errors.ts'
import { askHdf5, withHdf5File } from './hdf5-library.ts'
import type { TensorDescription, WeightsFile } from './weights-file.ts'

/** VGG16 has 23 layers; more than this is no network that we know. */
const maxLayers = 1024

/** A layer of VGG16 has two weights with names of some 30 characters. */
const maxWeightsPerLayer = 64
const maxNameBytes = 1024

/** Values are decoded chunk by chunk; the files that Keras publishes have no chunks at all. */
const maxChunkBytes = 64 * 1024 * 1024

/** Weights of a layer: the first is the kernel, the second the bias. */
const weightKinds = ['kernel', 'bias'] as const

/** Class of a number with a fractional part in the library's descriptions (H5T_FLOAT). */
const floatClass = 1

/**
 * Opens a file of weights in the layout of Keras before version 3 (`save_weights` to .h5): one group per layer, whose attribute
 * `weight_names` lists its datasets in the order of the layer's weights. A whole model saved by Keras has them in `model_weights`.
 * Only what is asked for is read.
 */
export async function withKerasFile<Result>(
  path: string,
  use: (file: WeightsFile) => Promise<Result>,
): Promise<Result> {
  return withHdf5File(path, async (file) => {
    const datasets = layerWeights(path, file)
    const tensors = new Map([...datasets].map(([name, dataset]) => [name, describe(path, dataset)]))
    return use({
      path,
      format: 'keras-h5',
      tensors,
      read: (name, signal) =>
        new Promise((resolve) => {
          throwIfCancelled(signal)
          const dataset = datasets.get(name)
          const dtype = tensors.get(name)?.dtype
          if (dataset === undefined || dtype !== 'float32') {
            throw badInput(path, `a float32 tensor ${name}`, dtype ?? 'none')
          }
          resolve(readValues(path, name, dataset))
        }),
    })
  })
}

/** Datasets of kernels and biases by our names. Throws `BadInput` when there are no layers. */
function layerWeights(path: string, file: Hdf5File): Map<string, Dataset> {
  const wholeModel = childGroup(path, file, 'model_weights')
  const root = wholeModel ?? file
  const layers = askHdf5(path, () => root.keys())
  if (layers.length > maxLayers) {
    throw badInput(path, `at most ${maxLayers} layers`, `${layers.length} groups`)
  }
  const datasets = new Map<string, Dataset>()
  for (const layer of layers) {
    const group = childGroup(path, root, layer)
    if (group === null) continue
    const names = weightNames(path, layer, group)
    for (const [position, kind] of weightKinds.entries()) {
      const name = names.at(position)
      const dataset = name === undefined ? null : askHdf5(path, () => group.get(name))
      if (isDataset(dataset)) datasets.set(`${layer}/${kind}`, dataset)
    }
  }
  if (datasets.size === 0) {
    throw badInput(
      path,
      'Keras weights: one group per layer with the attribute weight_names',
      layers.length === 0 ? 'an empty file' : `groups ${layers.slice(0, 8).join(', ')} without it`,
    )
  }
  return datasets
}

function childGroup(path: string, parent: Group, name: string): Group | null {
  const child = askHdf5(path, () => parent.get(name))
  return child !== null && 'keys' in child ? child : null
}

function isDataset(entity: ReturnType<Group['get']>): entity is Dataset {
  return entity !== null && 'slice' in entity
}

/** The attribute's texts, or none where a group has no such attribute. */
function weightNames(path: string, layer: string, group: Group): string[] {
  return askHdf5(path, () => {
    if (!Object.hasOwn(group.attrs, 'weight_names')) return []
    const attribute = group.attrs['weight_names']
    const count = (attribute.shape ?? []).reduce((product, size) => product * size, 1)
    const { size, vlen } = attribute.metadata
    if (count > maxWeightsPerLayer || (!vlen && size > maxNameBytes)) {
      throw badInput(
        path,
        `at most ${maxWeightsPerLayer} weight_names in layer ${layer}`,
        `${count} of ${size} bytes`,
      )
    }
    const value = attribute.value
    return Array.isArray(value) ? value.filter((name) => typeof name === 'string') : []
  })
}

function describe(path: string, dataset: Dataset): TensorDescription {
  return askHdf5(path, () => {
    const { type, size, littleEndian, shape } = dataset.metadata
    const order = littleEndian ? '' : 'big-endian '
    return {
      dtype: type === floatClass ? `${order}float${8 * size}` : `HDF5 type ${type} of ${size} bytes`,
      shape: shape ?? [],
    }
  })
}

function readValues(path: string, name: string, dataset: Dataset): Float32Array {
  const { chunks } = askHdf5(path, () => dataset.metadata)
  const chunkBytes = (chunks ?? []).reduce((product, size) => product * size, Float32Array.BYTES_PER_ELEMENT)
  if (chunkBytes > maxChunkBytes) {
    throw badInput(path, `chunks of at most ${maxChunkBytes} bytes in ${name}`, `${chunkBytes} bytes`)
  }
  const value = askHdf5(path, () => dataset.value)
  if (value instanceof Float32Array) return value
  throw badInput(path, `float32 values in ${name}`, value === null ? 'none' : typeof value)
}
