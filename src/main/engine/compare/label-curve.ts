import { modelLetters, type Comparison, type CurvePoint } from '../../../shared/comparison/comparison.ts'

/** What a comparison adds to the plot of score against labels: both models on the primary table of each data set. */
export function curvePoints({ tables, models }: Pick<Comparison, 'tables' | 'models'>): CurvePoint[] {
  return tables
    .filter(({ primary }) => primary)
    .flatMap(({ dataSet, split, models: scores }) =>
      modelLetters.map((model) => ({
        ...{ model, dataSet, split, seed: models[model].training.seed },
        labelledVoxels: models[model].training.labelledVoxels,
        macroF1: scores[model].macroF1,
        interval: scores[model].confidence.macroF1,
      })),
    )
}
