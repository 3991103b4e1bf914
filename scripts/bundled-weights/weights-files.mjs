// Files of the training: its state between two runs, and the finished weights with the technical part of their card.
import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { decodeTensors, encodeTensors, writeFileAtomic } from './engine.mjs'
import { inputScale } from './network.mjs'

const bundled = 'vgg16-microstructures'

/** `{ seed, steps, step, vectors }` as one safetensors file. */
export function encodeState({ seed, steps, step, vectors }) {
  const metadata = { seed: String(seed), steps: String(steps), step: String(step) }
  return encodeTensors({ tensors: vectors, metadata })
}

export function decodeState(bytes, file) {
  const { tensors, metadata } = decodeTensors(bytes, file)
  const [seed, steps, step] = ['seed', 'steps', 'step'].map((name) => Number(metadata[name]))
  return { seed, steps, step, vectors: tensors }
}

/**
 * Writes `ID.safetensors` and its card `ID.json`: that of the bundled weights, with what changes with the weights replaced: file,
 * tensors with their hashes, seed and steps. The rest of the card is written by hand and stays.
 */
export async function writeWeights(folder, vector, layout, { id = bundled, seed, steps }) {
  const tensors = {}
  const shapes = new Map()
  const described = {}
  for (const { name, shape, offset, length } of layout.entries) {
    const values = vector.slice(offset, offset + length)
    if (name.endsWith('/bias')) for (let i = 0; i < length; i++) values[i] *= inputScale
    tensors[name] = values
    shapes.set(name, shape)
    described[name] = {
      shape,
      sha256: sha256(new Uint8Array(values.buffer, values.byteOffset, values.byteLength)),
    }
  }
  const metadata = { id, licence: 'MIT', seed: String(seed), steps: String(steps) }
  const bytes = encodeTensors({ tensors, metadata }, shapes)
  mkdirSync(folder, { recursive: true })
  const file = path.join(folder, `${id}.safetensors`)
  await writeFileAtomic(path.resolve(file), bytes)
  const card = path.join(folder, `${id}.json`)
  const hash = sha256(bytes)
  const parsed = JSON.parse(readFileSync(new URL(`../../models/${bundled}.json`, import.meta.url), 'utf8'))
  parsed.id = id
  // Scores were measured with the weights that they stand beside.
  if (parsed.file.sha256 !== hash) delete parsed.scores
  parsed.file = { name: `${id}.safetensors`, bytes: bytes.length, sha256: hash }
  parsed.training = { ...parsed.training, seed, steps }
  parsed.tensors = described
  await writeFileAtomic(path.resolve(card), `${JSON.stringify(parsed, null, 2)}\n`)
  return { file, bytes: bytes.length, sha256: hash }
}

function sha256(bytes) {
  return createHash('sha256').update(bytes).digest('hex')
}
