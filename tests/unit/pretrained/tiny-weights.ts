import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { encodeTensors } from '../../../src/main/engine/learning/model/safetensors.ts'
import type { SelfTest, WeightSet } from '../../../src/main/engine/pretrained/catalogue.ts'
import type { WeightTensor } from '../../../src/main/engine/pretrained/verify.ts'

const layers = ['block1_conv1', 'block1_conv2', 'block2_conv1', 'block2_conv2']
const filters = [3, 4, 4, 6, 6]

/** What tests/golden/weights.py made with numpy and Keras. */
const golden = JSON.parse(
  readFileSync(new URL('../../golden/weights.json', import.meta.url), 'utf8'),
) as Pick<SelfTest, 'values' | 'sums'> & { npySha256: Record<string, string> }

/** Path of a file that tests/golden/weights.py made with Keras or h5py. */
export function goldenWeights(name: string): string {
  return fileURLToPath(new URL(`../../golden/weights/${name}`, import.meta.url))
}

/** The file that stands for the publisher's in {@link tinyImagenet}. */
export const officialName = 'vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5'
export const officialBytes: Uint8Array = readFileSync(goldenWeights('published-notop.h5'))

/** How far the biases of the rounded copy are off. */
const roundingError = 2 ** -10

export type Tensors = Map<string, WeightTensor>

/** Four convolutions with 4, 4, 6 and 6 filters; the values are those of tests/golden/weights.py. `seed` makes other ones. */
export function tinyTensors({ seed = 0, rounded = false } = {}): Tensors {
  const tensors: Tensors = new Map()
  for (const [k, layer] of layers.entries()) {
    const shape = [3, 3, filters[k], filters[k + 1]]
    const kernel = Float32Array.from(
      { length: 9 * filters[k] * filters[k + 1] },
      (_, i) => ((37 * i + 11 * k + seed) % 101) / 128 - 50 / 128,
    )
    const bias = Float32Array.from(
      { length: filters[k + 1] },
      (_, i) => ((29 * i + 7 * k) % 31) / 16 - 10 / 16 + (rounded ? roundingError : 0),
    )
    tensors.set(`${layer}/kernel`, { shape, values: kernel })
    tensors.set(`${layer}/bias`, { shape: [bias.length], values: bias })
  }
  return tensors
}

export function safetensorsOf(tensors: Tensors): Uint8Array {
  const entries = [...tensors]
  return encodeTensors(
    { tensors: Object.fromEntries(entries.map(([name, { values }]) => [name, values])), metadata: {} },
    new Map(entries.map(([name, { shape }]) => [name, shape])),
  )
}

export function hexHash(algorithm: 'md5' | 'sha256', bytes: Uint8Array): string {
  return createHash(algorithm).update(bytes).digest('hex')
}

function rawSha256({ values }: WeightTensor): string {
  return hexHash('sha256', new Uint8Array(values.buffer, values.byteOffset, values.byteLength))
}

const preprocessing: WeightSet['preprocessing'] = {
  channelOrder: 'BGR',
  inputRange: [0, 255],
  subtractMean: [103.939, 116.779, 123.68],
}

/** A catalogue entry as that of ImageNet, for {@link tinyTensors}: biases known as .npy, and a rounded copy of them. */
export function tinyImagenet(): WeightSet {
  const rounded = tinyTensors({ rounded: true })
  const tensors = [...tinyTensors()].map(([name, tensor]): [string, WeightSet['tensors'][string]] => {
    const { shape } = tensor
    if (name.endsWith('/kernel')) return [name, { shape: [...shape], sha256: rawSha256(tensor) }]
    const copy = { sha256: rawSha256(rounded.get(name)!), maxError: roundingError }
    return [name, { shape: [...shape], sha256Npy: golden.npySha256[name], rounded: copy }]
  })
  return {
    id: 'vgg16-imagenet',
    kind: 'weights',
    title: 'tiny ImageNet',
    description: 'for tests',
    preference: 1,
    network: 'vgg16',
    layers,
    licence: 'CC BY',
    licenceStatement: 'CC BY, somebody',
    source: 'https://example.org/vgg',
    preprocessing,
    file: { name: 'vgg16-imagenet.safetensors' },
    downloads: [
      {
        title: 'the official file',
        fileName: officialName,
        url: `https://example.org/vgg/${officialName}`,
        bytes: officialBytes.length,
        md5: hexHash('md5', officialBytes),
      },
    ],
    tensors: Object.fromEntries(tensors),
    selfTest: {
      input: { height: 8, width: 8, y: 17, x: 31, channel: 59, modulus: 256 },
      tolerance: 1e-3,
      ...structuredClone({ values: golden.values, sums: golden.sums }),
    },
  }
}

export const microstructureBytes = safetensorsOf(tinyTensors({ seed: 5 }))

/** A catalogue entry as that of the bundled set: known as a whole file and by tensor. */
export function tinyMicrostructures(): WeightSet {
  const bytes = microstructureBytes
  return {
    id: 'vgg16-microstructures',
    kind: 'weights',
    title: 'tiny microstructures',
    description: 'for tests',
    preference: 2,
    network: 'vgg16',
    layers,
    licence: 'MIT',
    licenceStatement: 'MIT, Phasemark',
    source: 'scripts/',
    preprocessing,
    file: {
      name: 'vgg16-microstructures.safetensors',
      bytes: bytes.length,
      sha256: hexHash('sha256', bytes),
    },
    downloads: [],
    tensors: Object.fromEntries(
      [...tinyTensors({ seed: 5 })].map(([name, tensor]) => [
        name,
        { shape: [...tensor.shape], sha256: rawSha256(tensor) },
      ]),
    ),
  }
}

/** Environment that keeps a test away from the weights of this machine. */
export interface WeightsEnvironment extends Record<string, string> {
  PHASEMARK_BUNDLED_MODELS: string
  PHASEMARK_USER_MODELS: string
  PHASEMARK_MODELS: string
  PHASEMARK_WEIGHTS_URL: string
}

/** Writes a catalogue into `folder`, as `PHASEMARK_BUNDLED_MODELS` may name it, and returns the environment for it. */
export function writeCatalogue(
  folder: string,
  sets: readonly WeightSet[] = [tinyImagenet(), tinyMicrostructures()],
): WeightsEnvironment {
  const bundled = path.join(folder, 'bundled')
  mkdirSync(bundled, { recursive: true })
  for (const set of sets) writeFileSync(path.join(bundled, `${set.id}.json`), JSON.stringify(set))
  return {
    PHASEMARK_BUNDLED_MODELS: bundled,
    PHASEMARK_USER_MODELS: path.join(folder, 'user'),
    PHASEMARK_MODELS: '',
    PHASEMARK_WEIGHTS_URL: '',
  }
}

/** Writes `bytes` as `name` into `folder`, which is made when missing, and returns the path. */
export function place(folder: string, name: string, bytes: Uint8Array): string {
  mkdirSync(folder, { recursive: true })
  const file = path.join(folder, name)
  writeFileSync(file, bytes)
  return file
}
