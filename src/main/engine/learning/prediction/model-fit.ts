import { micrometresPerUnit, type VolumeWarning } from '../../../../shared/volume.ts'
import type { VolumeSource } from '../../volume/volume-source.ts'
import type { StoredModel } from '../model/model-package.ts'
import type { Normalisation } from '../normalisation.ts'

/** What about a volume is unlike those that the model learned from: a model that was good on one scan may fail on the next. */
export function fitWarnings(
  model: StoredModel,
  normalisation: Normalisation,
  volume: VolumeSource,
): VolumeWarning[] {
  return [...driftWarnings(model, normalisation, volume), ...scaleWarnings(model, volume)]
}

/** A volume whose grey values span another range than in training may be another scan protocol or material. */
function driftWarnings(
  { card }: StoredModel,
  { low, high }: Normalisation,
  volume: VolumeSource,
): VolumeWarning[] {
  if (card.normalisation.scope === 'slice') return []
  const tolerated = 0.5
  const range = high - low
  const closest = Math.min(
    ...card.normalisation.training.map((training) => {
      const trained = training.high - training.low
      return Math.max(Math.abs(training.low - low), Math.abs(training.high - high)) / Math.min(trained, range)
    }),
  )
  if (closest <= tolerated) return []
  const ranges = card.normalisation.training.map((training) => `${training.low}…${training.high}`).join(', ')
  return [
    {
      kind: 'intensity-drift',
      message: `${volume.meta.path}: grey values span ${low}…${high}, in training ${ranges}; check the result, or train with slices of this scan`,
    },
  ]
}

/** A network knows structures by their size in voxels. */
function scaleWarnings({ card }: StoredModel, volume: VolumeSource): VolumeWarning[] {
  const tolerated = 1.25
  const [trained, found] = [card.voxelSize, volume.meta.voxelSize].map((size) =>
    size === null || size.x === null ? null : size.x * micrometresPerUnit[size.unit],
  )
  if (trained === null || found === null) return []
  const ratio = Math.max(trained / found, found / trained)
  if (ratio <= tolerated) return []
  return [
    {
      kind: 'other',
      message: `${volume.meta.path}: a voxel is ${found.toPrecision(3)} µm wide, in training ${trained.toPrecision(3)} µm; structures look ${ratio.toFixed(1)} times as large or small to the model`,
    },
  ]
}
