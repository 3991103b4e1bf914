// Trains the weights that Phasemark brings along, on generated pictures only: see docs/bundled-weights.md.
//
//     node scripts/bundled-weights/train.mjs [--seed 1] [--steps 1500] [--out models] [--state FILE]
//
// Same seed, same number of steps, same machine: same file. With --state the training can be stopped and goes on from there.
import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { adamWStep, decayMask, joinVector, splitVector } from './eager.mjs'
import { learningRateAt, loadComputeRuntime, parameters as layouts, writeFileAtomic } from './engine.mjs'
import { objective, vggSpec } from './network.mjs'
import { createPicture } from './pictures.mjs'
import { decodeState, encodeState, writeWeights } from './weights-files.mjs'

const { values: options } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    steps: { type: 'string', default: '1500' },
    out: { type: 'string', default: 'models' },
    state: { type: 'string' },
  },
})
const [seed, steps] = [Number(options.seed), Number(options.steps)]
if (!Number.isSafeInteger(seed) || !Number.isSafeInteger(steps) || steps < 1) {
  console.error('train: expected whole numbers for --seed and --steps')
  process.exit(2)
}

const edge = 96
const batch = 6
const optimiser = { beta1: 0.9, beta2: 0.99, epsilon: 1e-8, weightDecay: 1e-3, maxGradientNorm: 1 }
const rate = { learningRate: 1.5e-3, warmupSteps: 40 }
const averageDecay = 0.99
const stateEvery = 100
const names = ['parameters', 'firstMoment', 'secondMoment', 'average']

const runtime = await loadComputeRuntime()
const { tf } = runtime
const layout = layouts.parameterLayout(vggSpec)
const decay = tf.tensor1d(decayMask(layout))

const { step: first, vectors } = startingPoint()
let state = Object.fromEntries(names.map((name) => [name, tf.tensor1d(vectors[name])]))
console.log(`training on ${runtime.device.name}, steps ${first + 1} to ${steps}, seed ${seed}`)

const recent = { block1: [], joined: [] }
for (let step = first + 1; step <= steps; step++) {
  const pictures = Array.from({ length: batch }, (_, i) => createPicture(seed, (step - 1) * batch + i, edge))
  const { next, block1, joined } = tf.tidy(() => {
    const weights = splitVector(runtime, state.parameters, layout)
    const result = objective(runtime, weights, pictures, edge)
    const gradient = joinVector(runtime, result.gradients, layout)
    const learningRate = learningRateAt(step, steps, rate)
    const update = adamWStep(runtime, state, gradient, decay, learningRate, step, optimiser)
    const kept = Math.min(averageDecay, step / (step + 10))
    const average = state.average.mul(kept).add(update.parameters.mul(1 - kept))
    return { next: { ...update, average }, block1: result.block1, joined: result.joined }
  })
  if (!Number.isFinite(block1 + joined)) {
    console.error(`train: the objective of step ${step} is not a number`)
    process.exit(1)
  }
  for (const name of names) state[name].dispose()
  state = next
  recent.block1.push(block1)
  recent.joined.push(joined)
  if (step % 20 === 0 || step === steps) report(step)
  if (step % stateEvery === 0 || step === steps) await keep(step)
}
const written = await writeWeights(options.out, plain().average, layout, { seed, steps })
console.log(`wrote ${written.file} (${written.bytes} bytes, SHA-256 ${written.sha256})`)

function startingPoint() {
  if (options.state !== undefined && existsSync(options.state)) {
    const kept = decodeState(readFileSync(options.state), options.state)
    if (kept.seed === seed && kept.steps === steps) return kept
    console.error(`train: ${options.state} was begun with seed ${kept.seed} and ${kept.steps} steps`)
    process.exit(2)
  }
  const parameters = layouts.initialParameters(vggSpec, seed)
  const zeros = new Float32Array(parameters.length)
  return {
    step: 0,
    vectors: { parameters, firstMoment: zeros, secondMoment: zeros, average: parameters },
  }
}

function plain() {
  return Object.fromEntries(names.map((name) => [name, state[name].dataSync()]))
}

/** Features that explain nothing score 1, those that explain all of the targets 0. */
function report(step) {
  const mean = (values) => values.reduce((a, b) => a + b, 0) / values.length
  console.log(
    `step ${step}: unexplained by block 1 ${mean(recent.block1).toFixed(4)}, by both ${mean(recent.joined).toFixed(4)}`,
  )
  recent.block1 = []
  recent.joined = []
}

async function keep(step) {
  if (options.state === undefined) return
  await writeFileAtomic(path.resolve(options.state), encodeState({ seed, steps, step, vectors: plain() }))
}
