import { parameterLayout } from '../network/parameters.ts'
import {
  classifierSpec,
  pretrainedName,
  projectionName,
  vgg16Features,
  vgg16Spec,
  type Vgg16Options,
} from './vgg16-spec.ts'

/** What the classifier was trained on in place of raw features. */
export interface Standardisation {
  mean: Float32Array
  deviation: Float32Array
}

/**
 * The flat parameter vector of {@link vgg16Spec} out of pretrained weights and a classifier trained on standardised, joined
 * features: standardisation goes into the first layer, which is cut into one projection per tap.
 *
 * @param pretrained by name: `block1_conv1/kernel`, …
 * @param classifier flat vector of {@link classifierSpec}; kept
 */
export function assembleParameters(
  options: Vgg16Options,
  pretrained: ReadonlyMap<string, { values: Float32Array }>,
  classifier: Float32Array,
  { mean, deviation }: Standardisation,
): Float32Array {
  const { length, entries } = parameterLayout(vgg16Spec(options))
  const trained = new Map(
    parameterLayout(classifierSpec(options)).entries.map(({ name, offset, length: size }) => [
      name,
      classifier.subarray(offset, offset + size),
    ]),
  )
  const projections = projectionWeights(options, trained, { mean, deviation })
  const parameters = new Float32Array(length)
  for (const { name, offset, length: size } of entries) {
    const values = projections.get(name) ?? trained.get(name) ?? pretrained.get(pretrainedName(name))?.values
    if (values?.length !== size) {
      throw new RangeError(`vgg16-nn: expected ${size} values of ${name}, found ${values?.length ?? 'none'}`)
    }
    parameters.set(values, offset)
  }
  return parameters
}

function projectionWeights(
  { features, hidden }: Vgg16Options,
  trained: ReadonlyMap<string, Float32Array>,
  { mean, deviation }: Standardisation,
): Map<string, Float32Array> {
  const width = hidden[0]
  const kernel = trained.get('hidden1/kernel')!
  const scaled = kernel.map((value, i) => value / deviation[Math.floor(i / width)])
  const bias = Float64Array.from(trained.get('hidden1/bias')!)
  scaled.forEach((value, i) => (bias[i % width] -= value * mean[Math.floor(i / width)]))
  const weights = new Map<string, Float32Array>()
  let feature = 0
  vgg16Features(features).taps.forEach((tap, index) => {
    const name = projectionName(tap)
    weights.set(`${name}/kernel`, scaled.slice(feature * width, (feature + tap.channels) * width))
    // One bias serves the sum of all projections.
    weights.set(`${name}/bias`, index === 0 ? Float32Array.from(bias) : new Float32Array(width))
    feature += tap.channels
  })
  return weights
}
