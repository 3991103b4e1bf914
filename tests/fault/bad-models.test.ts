import { cpSync, mkdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { contentOf, scratchFolder } from '../support/file-tree.ts'
import { failureOf, resultOf } from '../support/run-cli.ts'
import { writeTomogram } from '../support/sample-tomogram.ts'

const scratch = scratchFolder('bad-models')
const volume = writeTomogram(path.join(scratch, 'volume'), { slices: 2 })
const run = path.join(scratch, 'run')
const out = path.join(scratch, 'segmentation')

beforeAll(async () => {
  const options = ['--model', 'unet', '--max-steps', '1', '--out', run]
  await resultOf(['train', volume.images, '--labels', volume.labels, ...options])
}, 120_000)

let packages = 0

/** A copy of the good model, for a test to damage. */
function copyModel(): string {
  const folder = path.join(scratch, `package-${packages++}`)
  cpSync(path.join(run, 'model'), folder, { recursive: true })
  return folder
}

/** Replaces a value in the card, given as a path of keys. */
function changeCard(folder: string, value: unknown, ...keys: string[]): void {
  const file = path.join(folder, 'card.json')
  const card = JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>
  let target = card
  for (const key of keys.slice(0, -1)) target = target[key] as Record<string, unknown>
  target[keys.at(-1) ?? ''] = value
  writeFileSync(file, JSON.stringify(card))
}

function changeModel(folder: string, change: (weights: { name: string; shape: number[] }[]) => void): void {
  const file = path.join(folder, 'model.json')
  const model = JSON.parse(readFileSync(file, 'utf8')) as {
    weightsManifest: { weights: { name: string; shape: number[] }[] }[]
  }
  change(model.weightsManifest[0].weights)
  writeFileSync(file, JSON.stringify(model))
}

interface BrokenModel {
  name: string
  damage: (folder: string) => void
  /** File in the package that the message names. */
  file: string
  says: RegExp
}

const cases: BrokenModel[] = [
  {
    name: 'weights with another checksum',
    damage: (folder) => {
      const bytes = readFileSync(path.join(folder, 'weights.bin'))
      bytes[1000] ^= 1
      writeFileSync(path.join(folder, 'weights.bin'), bytes)
    },
    file: 'weights.bin',
    says: /SHA-256 [0-9a-f]{64} as in card\.json, found [0-9a-f]{64}/,
  },
  {
    name: 'truncated weights',
    damage: (folder) => truncateSync(path.join(folder, 'weights.bin'), 12_345),
    file: 'weights.bin',
    says: /expected \d+ bytes.*found 12345 bytes/,
  },
  {
    name: 'a card that is no JSON',
    damage: (folder) => writeFileSync(path.join(folder, 'card.json'), '{ "format": "phasemark-model", '),
    file: 'card.json',
    says: /description of a Phasemark model/,
  },
  {
    name: 'a card of something else',
    damage: (folder) => writeFileSync(path.join(folder, 'card.json'), '{ "name": "a holiday photo" }'),
    file: 'card.json',
    says: /description of a Phasemark model/,
  },
  {
    name: 'a card of a newer version',
    damage: (folder) => changeCard(folder, 2, 'version'),
    file: 'card.json',
    says: /version/,
  },
  {
    name: 'a card that asks for a network larger than any machine',
    damage: (folder) => changeCard(folder, 1_000_000_000, 'architecture', 'baseFilters'),
    file: 'card.json',
    says: /baseFilters/,
  },
  {
    name: 'a card with the largest network that is allowed, and small weights',
    damage: (folder) => {
      changeCard(folder, 256, 'architecture', 'baseFilters')
      changeCard(folder, 7, 'architecture', 'depth')
    },
    file: 'weights.bin',
    says: /expected \d+ bytes/,
  },
  {
    name: 'a card with half a layer',
    damage: (folder) => changeCard(folder, 2.5, 'architecture', 'depth'),
    file: 'card.json',
    says: /depth/,
  },
  {
    name: 'a material whose name drives the terminal',
    damage: (folder) =>
      changeCard(
        folder,
        [
          { index: 1, value: 1, name: 'pore\u001b[2J', colour: '#56b4e9' },
          { index: 2, value: 2, name: 'nickel', colour: '#e69f00' },
          { index: 3, value: 3, name: 'zirconia', colour: '#009e73' },
        ],
        'materials',
      ),
    file: 'card.json',
    says: /control characters/,
  },
  {
    name: 'materials that share an index',
    damage: (folder) =>
      changeCard(
        folder,
        [1, 2, 3].map((value) => ({ index: 1, value, name: `m${value}`, colour: '#56b4e9' })),
        'materials',
      ),
    file: 'card.json',
    says: /materials/,
  },
  {
    name: 'a model.json that is no JSON',
    damage: (folder) => writeFileSync(path.join(folder, 'model.json'), 'x'),
    file: 'model.json',
    says: /description of a Phasemark model/,
  },
  {
    name: 'a model.json without weights',
    damage: (folder) => writeFileSync(path.join(folder, 'model.json'), '{}'),
    file: 'model.json',
    says: /description of a Phasemark model/,
  },
  {
    name: 'a weight of another shape',
    damage: (folder) => changeModel(folder, (weights) => (weights[0].shape = [1, 2, 3, 4])),
    file: 'model.json',
    says: /shape \[1, 2, 3, 4\]/,
  },
  {
    name: 'a weight that the network has not',
    damage: (folder) => changeModel(folder, (weights) => (weights[0].name = '../../etc/passwd')),
    file: 'model.json',
    says: /weights of the network in card\.json/,
  },
]

describe.concurrent('a model that cannot be used ends segment with exit code 3 and writes nothing', () => {
  test.each(cases)(
    '$name',
    async ({ damage, file, says }) => {
      const folder = copyModel()
      damage(folder)
      const place = path.join(folder, file)
      const before = contentOf(folder, volume.images)
      const failure = await failureOf(['segment', volume.images, '--model', folder, '--out', out])
      expect(failure).toMatchObject({ _tag: 'BadInput', exitCode: 3, fields: { path: place } })
      expect(failure.message).toContain(place)
      expect(failure.message).toMatch(says)
      expect(contentOf(folder, volume.images)).toEqual(before)
      expect(contentOf(out, `${out}.partial`)).toEqual({ [out]: 'missing', [`${out}.partial`]: 'missing' })
    },
    60_000,
  )

  test('a package whose weights are gone, a folder without a model, no folder', async () => {
    const folder = copyModel()
    rmSync(path.join(folder, 'weights.bin'))
    const segment = (model: string) => failureOf(['segment', volume.images, '--model', model, '--out', out])
    expect(await segment(folder)).toMatchObject({
      _tag: 'NotFound',
      exitCode: 3,
      fields: { path: path.join(folder, 'weights.bin') },
    })
    const empty = path.join(scratch, 'empty')
    mkdirSync(empty)
    for (const model of [empty, path.join(scratch, 'nowhere')]) {
      const failure = await segment(model)
      expect(failure).toMatchObject({ _tag: 'NotFound', exitCode: 3, fields: { path: model } })
      expect(failure.message).toContain('card.json')
    }
  }, 60_000)

  test('slices beyond the volume are wrong usage', async () => {
    const args = ['segment', volume.images, '--model', run, '--out', out, '--slices', '0-2']
    const failure = await failureOf(args)
    expect(failure).toMatchObject({ _tag: 'WrongUsage', exitCode: 2, fields: { argument: '--slices' } })
    expect(failure.message).toContain(volume.images)
  }, 60_000)
})
