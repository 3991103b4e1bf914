import { setImmediate } from 'node:timers/promises'
import { createRandom } from '../../../../shared/random.ts'
import { throwIfCancelled } from '../../../../shared/errors.ts'
import type { PretrainedWeights } from '../../pretrained/find-weights.ts'
import { tileMemoryBytes } from '../prediction/tile-memory.ts'
import { stepOptions, volumeNormalisations, type Course, type CourseOptions } from '../training/course.ts'
import { openPatchCourse } from '../training/patch-course.ts'
import { learningRateAt } from '../training/schedule.ts'
import { vgg16Config, type Vgg16Config } from '../training/train-config.ts'
import { createTrainingStep, type TrainingBatch } from '../training/training-step.ts'
import { assembleParameters } from './assemble.ts'
import { createFeatureExtractor } from './feature-rows.ts'
import { collectTrainingRows, type TrainingRows } from './training-rows.ts'
import { classifierSpec, vgg16Spec, type Vgg16Options } from './vgg16-spec.ts'

/** Rows of a batch come in this many parts, so that it can be cut when memory runs out. */
const partsPerBatch = 4
/** Separates the draws of batches from others made with the same seed. */
const batchKey = 0xba7c

/** VGG16 features and a classifier; VGG16 itself is trained too when the configuration asks for fine-tuning. */
export async function openVgg16Course(
  options: CourseOptions,
  config: Vgg16Config,
  pretrained: PretrainedWeights,
): Promise<Course> {
  return config.fineTune === null
    ? openClassifierCourse(options, config, pretrained)
    : openFineTuneCourse(options, config, config.fineTune, pretrained)
}

/** The classifier on features that are computed once; VGG16 stays as it is. */
async function openClassifierCourse(
  options: CourseOptions,
  config: Vgg16Config,
  pretrained: PretrainedWeights,
): Promise<Course> {
  const network = networkOf(options, config)
  const rows = await computeRows(options, config, pretrained)
  const step = createTrainingStep(options.runtime, classifierSpec(network), stepOptions(config))
  const spec = vgg16Spec(network)
  return {
    step,
    batch: (number) => Promise.resolve(rowBatch(rows, config, number)),
    model: ({ parameters }) => ({
      spec,
      parameters: assembleParameters(network, pretrained.tensors, parameters, rows),
      statistics: new Float32Array(0),
    }),
    close: () => {
      step.dispose()
      return Promise.resolve()
    },
  }
}

/** Trains the classifier first, so that its random beginning does not spoil the features, then everything on patches. */
async function openFineTuneCourse(
  options: CourseOptions,
  config: Vgg16Config,
  fineTune: NonNullable<Vgg16Config['fineTune']>,
  pretrained: PretrainedWeights,
): Promise<Course> {
  const parameters =
    options.checkpoint === null
      ? await trainClassifier(options, config, fineTune.classifierSteps, pretrained)
      : null
  const course = openPatchCourse(options, fineTune, vgg16Spec(networkOf(options, config)))
  if (parameters !== null) {
    course.step.restore({ ...course.step.state(), parameters, averageParameters: parameters })
  }
  return course
}

/** The classifier alone, for fine-tuning to begin with. Seconds; a run that is stopped here begins anew. */
async function trainClassifier(
  options: CourseOptions,
  config: Vgg16Config,
  steps: number,
  pretrained: PretrainedWeights,
): Promise<Float32Array> {
  const { job } = options
  const schedule = {
    ...vgg16Config({ model: 'vgg16-nn', maxSteps: steps, seed: config.seed }, 'cpu', config.pretrained),
    features: config.features,
    hidden: config.hidden,
  }
  const course = await openClassifierCourse(options, { ...schedule, maxRows: config.maxRows }, pretrained)
  try {
    for (let number = 1; number <= steps; number++) {
      await setImmediate()
      throwIfCancelled(job.signal)
      course.step.run(await course.batch(number), learningRateAt(number, steps, schedule), number, 1)
      job.onProgress?.({ stage: 'training the classifier', done: number, total: steps, unit: 'steps' })
    }
    const { averageParameters, averageStatistics } = course.step.state()
    return course.model({ parameters: averageParameters, statistics: averageStatistics }).parameters
  } finally {
    await course.close()
  }
}

function networkOf({ record }: CourseOptions, { features, hidden }: Vgg16Config): Vgg16Options {
  return { features, hidden, materials: record.materials.length }
}

async function computeRows(
  { runtime, data, splits, normalisations, job }: CourseOptions,
  config: Vgg16Config,
  pretrained: PretrainedWeights,
): Promise<TrainingRows> {
  const extractor = createFeatureExtractor(
    runtime,
    config.features,
    pretrained.tensors,
    tileMemoryBytes(runtime.device),
  )
  try {
    return await collectTrainingRows(extractor, data, {
      ...job,
      slices: splits.map(({ training }) => training),
      normalisations: volumeNormalisations(config, normalisations),
      maxRows: config.maxRows,
      balance: config.balance,
      seed: config.seed,
    })
  } finally {
    extractor.dispose()
  }
}

/** Draws a material by its odds, then one of its rows; depends on the seed and the number of the step only. */
function rowBatch(
  { features, labels, materials, mean }: TrainingRows,
  config: Vgg16Config,
  number: number,
): TrainingBatch {
  const channels = mean.length
  const random = createRandom(config.seed, number, batchKey)
  const perPart = Math.ceil(config.batchRows / partsPerBatch)
  const count = perPart * partsPerBatch
  const images = new Float32Array(count * channels)
  const chosen = new Uint8Array(count)
  for (let i = 0; i < count; i++) {
    let target = random.next()
    const material = materials.find(({ odds }) => (target -= odds) < 0) ?? materials.at(-1)!
    const row = material.rows[random.integer(material.rows.length)]
    images.set(features.subarray(row * channels, (row + 1) * channels), i * channels)
    chosen[i] = labels[row]!
  }
  return { images, labels: chosen, shape: [partsPerBatch, 1, perPart, channels] }
}
