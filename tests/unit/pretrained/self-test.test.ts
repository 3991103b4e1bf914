import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { bundledFolder, readCatalogue } from '../../../src/main/engine/pretrained/catalogue.ts'
import { findPretrainedWeights } from '../../../src/main/engine/pretrained/find-weights.ts'
import { runSelfTest } from '../../../src/main/engine/pretrained/self-test.ts'
import { sharedModel } from '../../support/shared-data.ts'
import { tinyImagenet, tinyTensors } from './tiny-weights.ts'

describe('the self-test of a small network', () => {
  // Expected features: Keras, tests/golden/weights.py. 4 layers, 3 pixels of 3, 3, 5 and 5 channels each, and 4 sums.
  test('agrees with Keras in every layer, borders and pooling included', () => {
    const result = runSelfTest(tinyImagenet(), tinyTensors())
    expect(result).toMatchObject({ compared: 3 * (3 + 3 + 5 + 5) + 4, passed: true })
    // float32 in Keras against float64 here.
    expect(result!.largestDifference).toBeLessThan(1e-5)
  })

  test.each<[string, () => ReturnType<typeof runSelfTest>]>([
    [
      'channels in the wrong order',
      () => {
        const set = tinyImagenet()
        return runSelfTest(
          { ...set, preprocessing: { ...set.preprocessing, channelOrder: 'RGB' } },
          tinyTensors(),
        )
      },
    ],
    [
      'a mean that is not subtracted',
      () => {
        const set = tinyImagenet()
        return runSelfTest(
          { ...set, preprocessing: { ...set.preprocessing, subtractMean: [0, 0, 0] } },
          tinyTensors(),
        )
      },
    ],
    [
      'a kernel with rows and columns exchanged',
      () => {
        const tensors = tinyTensors()
        const { values } = tensors.get('block1_conv2/kernel')!
        const kept = values.slice()
        const tapSize = values.length / 9
        for (let tap = 0; tap < 9; tap++) {
          const other = (tap % 3) * 3 + Math.floor(tap / 3)
          values.set(kept.subarray(other * tapSize, (other + 1) * tapSize), tap * tapSize)
        }
        return runSelfTest(tinyImagenet(), tensors)
      },
    ],
    [
      'a value that is no number',
      () => {
        const tensors = tinyTensors()
        tensors.get('block2_conv2/bias')!.values.fill(NaN)
        return runSelfTest(tinyImagenet(), tensors)
      },
    ],
  ])('fails with %s', (_, run) => {
    expect(run()).toMatchObject({ passed: false })
  })

  test('is null for a set without one', () => {
    const { layers, preprocessing } = tinyImagenet()
    expect(runSelfTest({ layers, preprocessing }, tinyTensors())).toBeNull()
  })
})

const imagenet = sharedModel('vgg16-imagenet.safetensors')

test.skipIf(imagenet === null)(
  'the ImageNet weights of ../shared/models pass that of the catalogue',
  async () => {
    const [set] = await readCatalogue(bundledFolder({}))
    const { tensors } = await findPretrainedWeights({ set: imagenet! })
    const result = runSelfTest(set, tensors)
    expect(result).toMatchObject({ compared: 50, tolerance: 1e-3, passed: true })
    // Printed with four decimals; the sums with two.
    expect(result!.largestDifference).toBeLessThan(1e-4)
    // The catalogue has every number of the file that came with the weights.
    const { selftest } = JSON.parse(readFileSync(imagenet!.replace(/\.safetensors$/, '.json'), 'utf8')) as {
      selftest: { expect: Record<string, number | number[]> }
    }
    const stated = [
      ...set.selfTest!.values.map(({ values }) => values),
      ...set.selfTest!.sums.map(({ sum }) => sum),
    ]
    expect(stated.flat().sort()).toEqual(Object.values(selftest.expect).flat().sort())
  },
)
