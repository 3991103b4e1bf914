import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, test } from 'vitest'
import { bundledFolder, readCatalogue } from '../../../src/main/engine/pretrained/catalogue.ts'
import { userModelsFolder } from '../../../src/main/engine/pretrained/places.ts'
import { scratchFolder } from '../../support/file-tree.ts'
import { tinyImagenet } from './tiny-weights.ts'

describe('the user’s folder', () => {
  // XDG Base Directory Specification; Apple's and Microsoft's guidelines for application data.
  test.each<[string, NodeJS.Platform, NodeJS.ProcessEnv, string]>([
    ['Linux', 'linux', {}, '/home/u/.local/share/phasemark/models'],
    ['Linux with XDG', 'linux', { XDG_DATA_HOME: '/data' }, '/data/phasemark/models'],
    ['a relative XDG path', 'linux', { XDG_DATA_HOME: 'data' }, '/home/u/.local/share/phasemark/models'],
    ['macOS', 'darwin', { XDG_DATA_HOME: '/data' }, '/home/u/Library/Application Support/phasemark/models'],
    ['Windows', 'win32', { APPDATA: '/roaming' }, '/roaming/phasemark/models'],
    ['Windows without APPDATA', 'win32', {}, '/home/u/AppData/Roaming/phasemark/models'],
    ['our own variable', 'linux', { PHASEMARK_USER_MODELS: '/mine', XDG_DATA_HOME: '/data' }, '/mine'],
    [
      'our own variable, empty',
      'linux',
      { PHASEMARK_USER_MODELS: '' },
      '/home/u/.local/share/phasemark/models',
    ],
  ])('on %s', (_, platform, environment, expected) => {
    expect(userModelsFolder(environment, platform, '/home/u')).toBe(expected)
  })
})

describe('the catalogue', () => {
  test('of the repository is readable; ImageNet comes first', async () => {
    const sets = await readCatalogue(bundledFolder({}))
    expect(sets[0]).toMatchObject({ id: 'vgg16-imagenet', preference: 1 })
    expect(sets[0].downloads.map(({ md5 }) => md5)).toEqual([
      // keras.applications.vgg16 of Keras 3.15 states both.
      '6d6bbae143d832006294945121d1f1fc',
      '64373286793e3c8b2b4e3219cbf3544b',
    ])
    // Every set has the shapes of VGG16's first two blocks (Simonyan and Zisserman 2015, table 1, D).
    for (const { tensors, layers } of sets) {
      expect(layers).toEqual(['block1_conv1', 'block1_conv2', 'block2_conv1', 'block2_conv2'])
      expect(Object.fromEntries(Object.entries(tensors).map(([name, { shape }]) => [name, shape]))).toEqual({
        'block1_conv1/kernel': [3, 3, 3, 64],
        'block1_conv1/bias': [64],
        'block1_conv2/kernel': [3, 3, 64, 64],
        'block1_conv2/bias': [64],
        'block2_conv1/kernel': [3, 3, 64, 128],
        'block2_conv1/bias': [128],
        'block2_conv2/kernel': [3, 3, 128, 128],
        'block2_conv2/bias': [128],
      })
    }
  })

  const scratch = scratchFolder('catalogue')
  const set = tinyImagenet()

  test.each<[string, unknown, RegExp]>([
    ['no JSON', undefined, /expected JSON/],
    ['no kind', {}, /kind/],
    ['a hash that is none', { ...set, file: { name: 'a', sha256: 'xyz' } }, /file\.sha256/],
    ['a name that leads elsewhere', { ...set, file: { name: '../a' } }, /file\.name/],
    ['a tensor without hash', { ...set, tensors: { a: { shape: [1] } } }, /sha256 or sha256Npy/],
    ['no licence', { ...set, licence: undefined }, /licence/],
  ])('with %s is refused, naming the file', async (name, content, message) => {
    const folder = path.join(scratch, name)
    mkdirSync(folder)
    writeFileSync(path.join(folder, 'set.json'), content === undefined ? '{' : JSON.stringify(content))
    await expect(readCatalogue(folder)).rejects.toMatchObject({
      _tag: 'BadInput',
      fields: { path: path.join(folder, 'set.json') },
      message: expect.stringMatching(message) as string,
    })
  })

  test('that is not there', async () => {
    await expect(readCatalogue(path.join(scratch, 'nowhere'))).rejects.toMatchObject({ _tag: 'NotFound' })
  })
})
