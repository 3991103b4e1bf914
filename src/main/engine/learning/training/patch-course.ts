import { specOf } from '../model/model-package.ts'
import type { NetworkSpec } from '../network/network-spec.ts'
import { createPatchFeeder } from '../patches/patch-feeder.ts'
import { stepOptions, volumeNormalisations, type Course, type CourseOptions } from './course.ts'
import type { PatchConfig, UnetConfig } from './train-config.ts'
import { createTrainingStep } from './training-step.ts'

/** Decoded slices that the patch thread keeps. */
const patchCacheBytes = 768 * 1024 ** 2

/** All of a UNet, learned from patches. */
export function openUnetCourse(options: CourseOptions, config: UnetConfig): Course {
  const { materials } = options.record
  return openPatchCourse(options, config, specOf({ architecture: { ...config, name: 'unet' }, materials }))
}

/** All parameters of `spec`, learned from patches around labelled voxels. */
export function openPatchCourse(options: CourseOptions, patches: PatchConfig, spec: NetworkSpec): Course {
  const { inputs, dataOptions, normalisations, splits, data, record } = options
  const { config } = record
  const step = createTrainingStep(options.runtime, spec, stepOptions(config))
  const feeder = createPatchFeeder(
    {
      inputs,
      options: dataOptions,
      normalisations: volumeNormalisations(config, normalisations),
      slices: splits.flatMap(({ training }, volume) =>
        training.map((z) => ({ volume, z, counts: data.labels.sources[volume].countSlice(z) })),
      ),
      patches: {
        seed: config.seed,
        patchSize: patches.patchSize,
        batchSize: patches.batchSize,
        contextSlices: config.contextSlices,
        balance: config.balance,
        ...patches.augmentation,
      },
      cacheBytes: patchCacheBytes,
    },
    record.totalSteps ?? config.maxSteps,
  )
  return {
    step,
    batch: (number, signal) => feeder.batch(number, signal),
    model: (weights) => ({ spec, ...weights }),
    close: async () => {
      step.dispose()
      await feeder.close()
    },
  }
}
