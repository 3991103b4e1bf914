import path from 'node:path'
import type { ModelLetter } from '../../../shared/comparison/comparison.ts'
import { loadModelPackage, type StoredModel } from '../learning/model/model-package.ts'
import { RunFolder } from '../learning/runs/run-folder.ts'
import type { RunRecord } from '../learning/runs/run-record.ts'

/** One of the two models, loaded. */
export interface ComparedRun {
  letter: ModelLetter
  /** As given. */
  path: string
  model: StoredModel
  /** What it learned from; `null` for a model folder on its own. */
  record: RunRecord | null
}

/**
 * Loads a run or a bare model folder. The `model/` of a run is that run.
 * Throws what `loadModelPackage` throws, and `BadInput` on a damaged record.
 */
export async function openComparedRun(letter: ModelLetter, given: string): Promise<ComparedRun> {
  const model = await loadModelPackage(given)
  const record =
    (await new RunFolder(given).readRecord()) ??
    (path.basename(path.resolve(given)) === 'model'
      ? await new RunFolder(path.dirname(path.resolve(given))).readRecord()
      : null)
  return { letter, path: given, model, record }
}

/** For people: kind of model and what is special about it. */
export function titleOf({ model }: Pick<ComparedRun, 'model'>): string {
  const { architecture } = model.card
  switch (architecture.name) {
    case 'unet':
      return `UNet, ${architecture.baseFilters} filters${architecture.contextSlices > 0 ? `, ${2 * architecture.contextSlices + 1} slices` : ''}`
    case 'vgg16-nn':
      return `VGG16 features + NN, ${architecture.features}${model.card.pretrained?.fineTuned === true ? ', fine-tuned' : ''}`
  }
}
