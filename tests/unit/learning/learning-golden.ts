import { readFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import type { UnetOptions } from '../../../src/main/engine/learning/unet/unet-spec.ts'

interface LearningGolden {
  random: { keys: number[]; uniform: number[]; normal: number[] }[]
  loss: {
    name: string
    shape: [batch: number, y: number, x: number, material: number]
    logits: number[]
    labels: number[]
    diceWeight: number
    crossEntropy: number
    dice: number
    gradient: number[]
    halves: { crossEntropy: number; dice: number }[]
    halvesGradient: number[]
  }[]
  adamW: {
    count: number
    weightDecay: number
    epsilon: number
    maxGradientNorm: number
    steps: { learningRate: number; gradientNorm: number; parameters: number[] }[]
  }
  networks: {
    name: string
    options: UnetOptions
    shape: [batch: number, y: number, x: number, channel: number]
    parameters: number
    crossEntropy: number
    dice: number
    firstLogits: number[]
    gradient: { name: string; offset: number; length: number; norm: number; projections: number[] }[]
  }[]
}

const file = path.join(path.dirname(fileURLToPath(import.meta.url)), '..', '..', 'golden', 'learning.json')

/** Made by `tests/golden/learning.py` with PyTorch in float64. */
export const learningGolden = JSON.parse(readFileSync(file, 'utf8')) as LearningGolden

/** sin(frequency × i + phase), the formula for inputs that the golden script does not store. */
export function wave(count: number, frequency: number, phase = 0): number[] {
  return Array.from({ length: count }, (_, index) => Math.sin(frequency * index + phase))
}
