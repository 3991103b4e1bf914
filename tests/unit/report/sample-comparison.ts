import type {
  ComparedDataSet,
  ComparedModel,
  Comparison,
  ComparisonTable,
  ModelScores,
} from '../../../src/shared/comparison/comparison.ts'

/** A comparison with invented numbers; every name that could come from a file is `name` when given. */
export function sampleComparison({ name }: { name?: string } = {}): Comparison {
  const called = (usual: string) => (name === undefined ? usual : `${usual}${name}`)
  const scores = (macroF1: number): ModelScores => ({
    ...{ macroF1, weightedF1: macroF1, meanIoU: 0.6, accuracy: 0.9, macroBoundaryF1: 0.7 },
    perMaterial: [
      { id: 1, f1: 0.95, material: 'pore' },
      { id: 2, f1: 0.5, material: 'binder' },
    ].map(({ id, f1, material }) => ({
      ...{ id, name: called(material), colour: '#56b4e9', precision: 0.9, recall: 0.9, f1, iou: 0.5 },
      ...{
        support: 1000,
        predictedVoxels: 900,
        boundaryPrecision: 0.8,
        boundaryRecall: 0.7,
        boundaryF1: 0.7,
      },
      ...{ assd: 1.5, assdUm: 0.3, hd95: 4, hd95Um: 0.8 },
      volumeFraction: { truth: 0.5, predicted: 0.4, error: -0.1, relativeError: -0.2 },
      confidence: { f1: [f1 - 0.02, f1 + 0.02] as const, iou: null, boundaryF1: [0.6, 0.8] as const },
    })),
    confusion: [
      [900, 50, 0],
      [300, 600, 10],
    ],
    confusionRows: [1, 2],
    confusionColumns: [1, 2, 'outside'],
    confidence: {
      ...{
        level: 0.95,
        resamples: 1000,
        seed: 0,
        slices: 3,
        weightedF1: null,
        meanIoU: null,
        accuracy: null,
      },
      macroF1: [macroF1 - 0.02, macroF1 + 0.02],
      macroBoundaryF1: [0.6, 0.8],
    },
    ...{ tolerance: 2, labelledVoxels: 2000 },
  })
  const test = { mean: 0.1, pValue: 0.25, method: 'exact' as const, resamples: 8, pairs: 3 }
  const table = (dataSet: 'seen' | 'unseen'): ComparisonTable => ({
    ...{ dataSet, split: 'held-out', tolerance: 2, primary: true },
    volumes: [
      {
        ...{ id: dataSet, volume: called(`/data/${dataSet}`), labels: called('/labels'), pairing: 'stem' },
        ...{ slices: [3, 4, 5], labelSlices: [3, 4, 5] },
      },
    ],
    unlabelled: { value: null, from: 'default' },
    models: { A: scores(0.8), B: scores(0.6) },
    difference: {
      ...{ macroF1: 0.2, weightedF1: 0.2, meanIoU: 0, accuracy: 0, macroBoundaryF1: 0 },
      confidence: {
        ...{ macroF1: [0.1, 0.3], weightedF1: null, meanIoU: null, accuracy: null },
        macroBoundaryF1: [-0.1, 0.1],
      },
      perMaterial: [1, 2].map((id) => ({
        ...{ id, f1: 0.1, boundaryF1: 0 },
        confidence: { f1: [0.05, 0.15] as const, boundaryF1: null },
      })),
      tests: {
        macroF1: { signFlip: test, wilcoxon: test },
        macroBoundaryF1: { signFlip: test, wilcoxon: test },
      },
    },
    slices: [3, 4, 5].map((z) => ({
      ...{ volume: 0, z, name: called(`slice_${z}`) },
      A: { macroF1: 0.8, accuracy: 0.9, macroBoundaryF1: null },
      B: { macroF1: 0.6, accuracy: 0.8, macroBoundaryF1: 0.5 },
    })),
  })
  const model = (title: string, parameters: number, seconds: number): ComparedModel => ({
    ...{
      path: called('/runs/x'),
      title: called(title),
      architecture: {},
      parameters,
      materials: [],
      voxelSize: null,
    },
    ...{ weightsSha256: 'ab'.repeat(32), createdAt: '2026-01-01T00:00:00Z', phasemark: '0.0.0' },
    pretrained: { title: called('ImageNet'), licence: called('CC BY 4.0') },
    training: {
      ...{
        fingerprint: called('cd'),
        volumes: 1,
        labelledSlices: 5,
        labelledVoxels: 12_000,
        steps: 300,
        seconds,
      },
      ...{ seed: 1, device: called('CPU') },
    },
    trainingSlicesFrom: 'run',
    costs: [
      {
        ...{ dataSet: 'seen', voxels: 1e6, seconds: 2, networkSeconds: 1.8, voxelsPerSecond: 5e5 },
        ...{ networkVoxelsPerSecond: 5.5e5, memoryBeforeBytes: 5e8, peakMemoryBytes: 1e9 },
      },
    ],
  })
  const dataSet = (kind: 'seen' | 'unseen'): ComparedDataSet => ({
    ...{ kind, synthetic: false },
    materialMap:
      kind === 'seen'
        ? null
        : {
            from: 'file',
            entries: [
              {
                value: 7,
                name: called('graphite'),
                target: { value: 1, name: called('pore') },
                by: 'map',
                voxels: 5,
              },
              { value: 8, name: called('foil'), target: null, by: 'map', voxels: 6 },
            ],
          },
    volumes: [
      {
        ...{
          id: kind,
          volume: called(`/data/${kind}`),
          labels: called('/labels'),
          shape: [6, 10, 10],
          dtype: 'uint16',
        },
        ...{ voxelSize: { z: 1, y: 0.2, x: 0.2, unit: 'um' }, pairing: 'stem', greyRange: [10, 200] },
        ...{ trainingKnown: { A: called('by path'), B: 'by path' } },
        splits: { 'held-out': [3, 4, 5], unknown: [], validation: [], gap: [], training: [0] },
        ...{ segmentations: { A: 'a', B: 'b' }, mappedTruth: null },
      },
    ],
  })
  return {
    ...{ format: 'phasemark-comparison', version: 1, createdAt: '2026-01-02T00:00:00Z', phasemark: '0.0.0' },
    ...{
      tolerance: 2,
      seed: 0,
      device: { name: called('CPU') },
      versions: { [called('node')]: called('20') },
    },
    models: { A: model('UNet', 1_940_851, 6720), B: model('VGG16 features + NN', 65_900, 220) },
    dataSets: [dataSet('seen'), dataSet('unseen')],
    tables: [table('seen'), table('unseen')],
    worstRegions: [
      {
        ...{ dataSet: 'seen', volume: 0, z: 3, name: called('slice_3'), y: 0, x: 0, height: 10, width: 10 },
        material: { id: 2, name: called('binder'), colour: '#e69f00' },
        ...{ f1: { A: 0.4, B: 0.3 }, wrong: { A: 10, B: 12 }, labelledVoxels: 100 },
      },
    ],
    labelCurve: [],
    warnings: [{ kind: 'other', message: called('few slices') }],
  }
}
