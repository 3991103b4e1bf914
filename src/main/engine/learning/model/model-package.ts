import { createHash } from 'node:crypto'
import { mkdir, readFile, stat } from 'node:fs/promises'
import path from 'node:path'
import { z } from 'zod'
import type { Tensor } from '@tensorflow/tfjs'
import { badInput, PhasemarkError } from '../../../../shared/errors.ts'
import type { ComputeRuntime } from '../../compute/runtime/load.ts'
import { writeFileAtomic } from '../../files/atomic-file.ts'
import type { NetworkSpec } from '../network/network-spec.ts'
import { parameterLayout, statisticsLayout, type VectorLayout } from '../network/parameters.ts'
import { unetSpec } from '../unet/unet-spec.ts'
import { vgg16Spec } from '../vgg16/vgg16-spec.ts'
import { toLayersModel } from './layers-model.ts'
import { modelCardSchema, type ModelCard } from './model-card.ts'

/** A model as it is on disk: its card and its values as flat vectors. */
export interface StoredModel {
  card: ModelCard
  spec: NetworkSpec
  parameters: Float32Array
  statistics: Float32Array
}

/** The network that a card describes. */
export function specOf(card: Pick<ModelCard, 'architecture' | 'materials'>): NetworkSpec {
  const { architecture } = card
  const materials = card.materials.length
  switch (architecture.name) {
    case 'unet':
      return unetSpec({ ...architecture, inputChannels: 2 * architecture.contextSlices + 1, materials })
    case 'vgg16-nn':
      return vgg16Spec({ ...architecture, materials })
  }
}

/**
 * Writes `model.json`, `weights.bin` and `card.json` into `folder`. The card comes last: a folder without it is not a model.
 */
export async function saveModelPackage(
  runtime: ComputeRuntime,
  folder: string,
  model: Omit<StoredModel, 'card'> & { card: Omit<ModelCard, 'weightsSha256'> },
): Promise<ModelCard> {
  const { tf } = runtime
  const values = new Map<string, Tensor>()
  try {
    const put = (vector: Float32Array, { entries }: VectorLayout) => {
      for (const { name, shape, offset, length } of entries) {
        values.set(name, tf.tensor(vector.subarray(offset, offset + length), [...shape]))
      }
    }
    put(model.parameters, parameterLayout(model.spec))
    put(model.statistics, statisticsLayout(model.spec))
    const artifacts = await toLayersModel(runtime, model.spec, values)
    const weights = new Uint8Array(joinBuffers(artifacts.weightData!))
    const manifest = [{ paths: ['weights.bin'], weights: artifacts.weightSpecs }]
    const topology = {
      format: 'layers-model',
      generatedBy: artifacts.generatedBy,
      convertedBy: null,
      modelTopology: artifacts.modelTopology,
      weightsManifest: manifest,
    }
    const card: ModelCard = {
      ...model.card,
      weightsSha256: createHash('sha256').update(weights).digest('hex'),
    }
    await mkdir(folder, { recursive: true })
    await writeFileAtomic(path.join(folder, 'weights.bin'), weights)
    await writeFileAtomic(path.join(folder, 'model.json'), JSON.stringify(topology))
    await writeFileAtomic(path.join(folder, 'card.json'), `${JSON.stringify(card, null, 2)}\n`)
    return card
  } finally {
    values.forEach((tensor) => tensor.dispose())
  }
}

function joinBuffers(data: ArrayBuffer | ArrayBuffer[]): ArrayBuffer {
  if (!Array.isArray(data)) return data
  const joined = new Uint8Array(data.reduce((sum, part) => sum + part.byteLength, 0))
  let at = 0
  for (const part of data) {
    joined.set(new Uint8Array(part), at)
    at += part.byteLength
  }
  return joined.buffer
}

/** A network of this many values is beyond any preset; the limit keeps a hostile card from allocating the machine. */
const maxWeightsBytes = 4 * 1024 ** 3

/**
 * Reads a model package, or a run folder that holds one in `model/`.
 *
 * Throws `NotFound` when there is none (naming what to do about an unfinished run) and `BadInput` when files are damaged or
 * do not belong together.
 */
export async function loadModelPackage(runOrModel: string): Promise<StoredModel> {
  const folder = await findPackage(runOrModel)
  const cardPath = path.join(folder, 'card.json')
  const card = parseJson(
    await readFile(cardPath, 'utf8'),
    cardPath,
    modelCardSchema.parse.bind(modelCardSchema),
  )
  const spec = specOf(card)
  const layouts = [parameterLayout(spec), statisticsLayout(spec)] as const
  const weightsPath = path.join(folder, 'weights.bin')
  const expectedBytes = (layouts[0].length + layouts[1].length) * 4
  const { size } = await statOr(weightsPath)
  if (size !== expectedBytes || size > maxWeightsBytes) {
    throw badInput(weightsPath, `${expectedBytes} bytes for the network of card.json`, `${size} bytes`)
  }
  const weights = await readFile(weightsPath)
  const digest = createHash('sha256').update(weights).digest('hex')
  if (digest !== card.weightsSha256)
    throw badInput(weightsPath, `SHA-256 ${card.weightsSha256} as in card.json`, digest)

  const modelPath = path.join(folder, 'model.json')
  await statOr(modelPath)
  const names = parseJson(await readFile(modelPath, 'utf8'), modelPath, weightSpecsOf)
  const vectors = [new Float32Array(layouts[0].length), new Float32Array(layouts[1].length)] as const
  const targets = new Map(
    layouts.flatMap((layout, which) =>
      layout.entries.map((entry) => [entry.name, { which, entry }] as const),
    ),
  )
  let at = 0
  for (const { name, shape } of names) {
    const ours = parameterName(name)
    const target = targets.get(ours)
    if (target === undefined || target.entry.shape.join() !== shape.join()) {
      throw badInput(
        modelPath,
        'the weights of the network in card.json',
        `${name} of shape [${shape.join(', ')}]`,
      )
    }
    targets.delete(ours)
    const { offset, length } = target.entry
    const bytes = weights.subarray(at, at + length * 4)
    vectors[target.which].set(
      new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length)),
      offset,
    )
    at += length * 4
  }
  if (targets.size > 0)
    throw badInput(modelPath, `weights ${[...targets.keys()].join(', ')}`, 'none of that name')
  return { card, spec, parameters: vectors[0], statistics: vectors[1] }
}

/** Our name of a layers-model weight: `x_normalisation/gamma` → `x/gain`. */
function parameterName(name: string): string {
  const [layer = '', part = ''] = name.split('/')
  const parts: Record<string, string> = {
    gamma: 'gain',
    beta: 'shift',
    moving_mean: 'mean',
    moving_variance: 'variance',
  }
  return `${layer.replace(/_normalisation$/, '')}/${parts[part] ?? part}`
}

/** What we read of `model.json`: names and shapes in the order of the values in `weights.bin`. */
const topologySchema = z.object({
  weightsManifest: z.array(
    z.object({ weights: z.array(z.object({ name: z.string(), shape: z.array(z.number().int()) })) }),
  ),
})

function weightSpecsOf(json: unknown): { name: string; shape: number[] }[] {
  return topologySchema.parse(json).weightsManifest.flatMap((group) => group.weights)
}

function parseJson<T>(text: string, file: string, parse: (value: unknown) => T): T {
  try {
    return parse(JSON.parse(text))
  } catch (cause) {
    throw badInput(
      file,
      'a description of a Phasemark model',
      cause instanceof Error ? cause.message : 'something else',
      {
        cause,
      },
    )
  }
}

async function statOr(file: string): Promise<{ size: number }> {
  try {
    return await stat(file)
  } catch (cause) {
    throw new PhasemarkError(
      'NotFound',
      `${file}: expected a file of the model package, found none`,
      { path: file },
      { cause },
    )
  }
}

async function findPackage(given: string): Promise<string> {
  for (const folder of [given, path.join(given, 'model')]) {
    if (await exists(path.join(folder, 'card.json'))) return folder
  }
  if (await exists(path.join(given, 'run.json'))) {
    throw new PhasemarkError(
      'NotFound',
      `${given}: expected a finished run, found one without a model; finish it with: phasemark train … --out ${given} --resume`,
      { path: given },
    )
  }
  throw new PhasemarkError('NotFound', `${given}: expected a run or model folder (card.json), found none`, {
    path: given,
  })
}

async function exists(file: string): Promise<boolean> {
  return stat(file).then(
    () => true,
    () => false,
  )
}
