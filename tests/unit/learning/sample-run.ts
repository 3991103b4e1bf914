import type { Architecture, ModelCard } from '../../../src/main/engine/learning/model/model-card.ts'
import { specOf } from '../../../src/main/engine/learning/model/model-package.ts'
import { parameterCount } from '../../../src/main/engine/learning/network/network-spec.ts'
import type { RunRecord } from '../../../src/main/engine/learning/runs/run-record.ts'
import { unetConfig } from '../../../src/main/engine/learning/training/train-config.ts'
import type { Material } from '../../../src/shared/materials.ts'

export const sampleMaterials: Material[] = [
  { index: 1, value: 0, name: 'pore', colour: '#56b4e9' },
  { index: 2, value: 7, name: 'nickel', colour: '#e69f00' },
  { index: 3, value: 200, name: 'zirconia', colour: '#009e73' },
]

export function sampleCard(architecture: Architecture): Omit<ModelCard, 'weightsSha256'> {
  return {
    format: 'phasemark-model',
    version: 1,
    createdAt: '2026-01-02T03:04:05.000Z',
    phasemark: '0.1.0',
    architecture,
    parameters: parameterCount(specOf({ architecture, materials: sampleMaterials })),
    materials: sampleMaterials,
    normalisation: {
      method: 'percentile',
      scope: 'volume',
      training: [{ method: 'percentile', low: 100, high: 60_000 }],
    },
    voxelSize: { z: null, y: 0.5, x: 0.5, unit: 'um' },
    training: {
      fingerprint: 'f'.repeat(64),
      volumes: 1,
      labelledSlices: 12,
      labelledVoxels: 34_567,
      steps: 300,
      seconds: 12.5,
      seed: 1,
      device: 'some processor',
    },
    scores: [],
    pretrained: null,
  }
}

export function sampleRecord(): RunRecord {
  return {
    format: 'phasemark-run',
    version: 1,
    createdAt: '2026-01-02T03:04:05.000Z',
    updatedAt: '2026-01-02T03:04:05.000Z',
    status: 'running',
    config: unetConfig({ model: 'unet', maxSteps: 40 }, 'cpu'),
    totalSteps: 40,
    dataFingerprint: 'f'.repeat(64),
    data: [
      {
        volume: 'images',
        labels: 'labels',
        shape: [8, 64, 64],
        dtype: 'uint16',
        pairing: 'stem',
        training: [0, 1, 2],
        validation: [7],
        gap: [],
      },
    ],
    materials: sampleMaterials,
    unlabelled: { value: 255, from: 'option' },
    versions: { tfjs: '4.22.0' },
    device: { kind: 'cpu' },
  }
}
