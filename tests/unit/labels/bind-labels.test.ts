import { describe, expect, it } from 'vitest'
import { bindLabels } from '../../../src/main/engine/labels/open-labels.ts'
import { requireTrainable } from '../../../src/main/engine/labels/require-trainable.ts'
import { hasTag } from '../../../src/shared/errors.ts'
import { MemoryLabels, volumeMeta } from './label-files.ts'

const size = { height: 1, width: 4 }
const volume = volumeMeta(['s_01', 's_02', 's_03', 's_04'], size)

async function badInputOf(action: Promise<unknown> | (() => unknown)) {
  try {
    await (typeof action === 'function' ? action() : action)
  } catch (error) {
    if (hasTag(error, 'BadInput')) return error.fields
    throw error
  }
  throw new Error('expected BadInput, but nothing was thrown')
}

describe('pairing with volume slices', () => {
  it('pairs by stem; slices without labels are unlabelled', async () => {
    const labels = new MemoryLabels('labels', 4, 'uint8', { s_04: [5, 5, 9, 9], s_02: [9, 5, 5, 5] })
    const set = await bindLabels([labels], [{ path: 'labels', volume }])
    const [source] = set.sources
    expect(source.pairing).toBe('stem')
    expect(source.labelledSlices).toEqual([1, 3])
    expect([...(await source.readSlice(1))]).toEqual([2, 1, 1, 1])
    expect([...(await source.readSlice(3))]).toEqual([1, 1, 2, 2])
    expect([...(await source.readSlice(0))]).toEqual([0, 0, 0, 0])
    expect([...source.countSlice(1)]).toEqual([0, 3, 1])
    expect([...source.countSlice(2)]).toEqual([4, 0, 0])
  })

  it('pairs by position when no stem matches and the numbers agree', async () => {
    const labels = new MemoryLabels('labels', 4, 'uint8', {
      a: [1, 1, 1, 1],
      b: [2, 2, 2, 2],
      c: [1, 1, 1, 1],
      d: [2, 2, 2, 1],
    })
    const { sources } = await bindLabels([labels], [{ path: 'labels', volume }])
    expect(sources[0].pairing).toBe('position')
    expect([...sources[0].countSlice(3)]).toEqual([0, 1, 3])
  })

  it('refuses other numbers when no stem matches, naming both numbers', async () => {
    const labels = new MemoryLabels('labels', 4, 'uint8', { a: [1, 1, 1, 1], b: [2, 2, 2, 2] })
    const fields = await badInputOf(bindLabels([labels], [{ path: 'labels', volume }]))
    expect(fields.path).toBe('labels')
    expect(fields.expected).toContain('(4)')
    expect(fields.found).toContain('2 ')
    expect(labels.reads).toEqual([])
  })

  it('refuses label slices whose name no volume slice has, and names them', async () => {
    const labels = new MemoryLabels('labels', 4, 'uint8', { s_02: [1, 1, 1, 1], s_77: [2, 2, 2, 2] })
    expect((await badInputOf(bindLabels([labels], [{ path: 'labels', volume }]))).found).toContain('s_77')
  })

  it('refuses slices of another size, naming file, expectation and finding', async () => {
    const labels = new MemoryLabels('labels', 3, 'uint8', { s_02: [1, 1, 1, 2, 2, 2] })
    const fields = await badInputOf(bindLabels([labels], [{ path: 'labels', volume }]))
    expect(fields.path).toBe('labels, slice s_02')
    expect(fields.expected).toContain('1 × 4')
    expect(fields.found).toBe('2 × 3')
  })
})

describe('values and materials', () => {
  const bind = (labels: MemoryLabels, options = {}) =>
    bindLabels([labels], [{ path: labels.path, volume }], options)

  it.each(['int8', 'int16', 'int32', 'float32', 'float64'] as const)(
    'orders materials of %s files by value, negative first',
    async (dtype) => {
      const set = await bind(new MemoryLabels('labels', 4, dtype, { s_01: [7, -3, 7, 0] }))
      expect(set.materials.map(({ index, value, name }) => [index, value, name])).toEqual([
        [1, -3, 'material -3'],
        [2, 0, 'material 0'],
        [3, 7, 'material 7'],
      ])
      expect([...(await set.sources[0].readSlice(0))]).toEqual([3, 1, 3, 2])
      expect([...set.sources[0].countSlice(0)]).toEqual([0, 1, 1, 2])
    },
  )

  it.each(['uint16', 'uint32'] as const)('takes large values of %s', async (dtype) => {
    const set = await bind(new MemoryLabels('labels', 4, dtype, { s_01: [65535, 1, 1, 65535] }), {
      unlabelled: 1,
    })
    expect(set.materials.map(({ value }) => value)).toEqual([65535])
    expect([...(await set.sources[0].readSlice(0))]).toEqual([1, 0, 0, 1])
  })

  it('by default every value is a material, 0 too', async () => {
    const set = await bind(new MemoryLabels('labels', 4, 'uint8', { s_01: [0, 0, 1, 2] }))
    expect(set.unlabelled).toEqual({ value: null, from: 'default' })
    expect(set.materials.map(({ value }) => value)).toEqual([0, 1, 2])
    expect([...set.sources[0].countSlice(0)]).toEqual([0, 2, 1, 1])
  })

  it('the option says which value is unlabelled, and overrules the file', async () => {
    const metadata = { unlabelled: 2 }
    const slices = { s_01: [0, 0, 1, 2] }
    const stated = await bind(new MemoryLabels('labels', 4, 'uint8', slices, metadata))
    expect(stated.unlabelled).toEqual({ value: 2, from: 'file' })
    expect([...(await stated.sources[0].readSlice(0))]).toEqual([1, 1, 2, 0])
    const option = await bind(new MemoryLabels('labels', 4, 'uint8', slices, metadata), { unlabelled: 0 })
    expect(option.unlabelled).toEqual({ value: 0, from: 'option' })
    expect([...(await option.sources[0].readSlice(0))]).toEqual([0, 0, 1, 2])
    const none = await bind(new MemoryLabels('labels', 4, 'uint8', slices, metadata), { unlabelled: 'none' })
    expect(none.unlabelled).toEqual({ value: null, from: 'option' })
    expect(none.materials).toHaveLength(3)
  })

  it('names and colours come from the file; materials without a voxel stay', async () => {
    const set = await bind(
      new MemoryLabels(
        'labels',
        4,
        'uint8',
        { s_01: [1, 1, 3, 3] },
        {
          unlabelled: null,
          materials: [
            { value: 3, name: 'Ni', colour: '#ABCDEF' },
            { value: 1, name: 'pore' },
            { value: 2, name: 'YSZ' },
          ],
        },
      ),
    )
    expect(set.materials).toEqual([
      { index: 1, value: 1, name: 'pore', colour: '#56b4e9' },
      { index: 2, value: 2, name: 'YSZ', colour: '#e69f00' },
      { index: 3, value: 3, name: 'Ni', colour: '#abcdef' },
    ])
    expect(requireTrainable(set).map(({ message }) => message)).toEqual([
      'the material "YSZ" (value 2) has no labelled voxel',
    ])
  })

  it('refuses a value that no listed material has', async () => {
    const labels = new MemoryLabels(
      'labels',
      4,
      'uint8',
      { s_01: [1, 1, 1, 1], s_03: [1, 4, 1, 1] },
      {
        materials: [{ value: 1, name: 'pore' }],
      },
    )
    const fields = await badInputOf(bind(labels))
    expect(fields.path).toBe('labels, slice s_03')
    expect(fields.expected).toContain('labels/labels.json')
    expect(fields.found).toContain('the value 4')
  })

  it.each([
    ['float32', [1, 1.5, 2, 2], '1.5'],
    ['float64', [1, Number.NaN, 2, 2], 'NaN'],
    ['float32', [1, Number.POSITIVE_INFINITY, 2, 2], 'Infinity'],
    ['float64', [1, 4294967296, 2, 2], '4294967296'],
  ] as const)('refuses %s values %j', async (dtype, values, found) => {
    const fields = await badInputOf(bind(new MemoryLabels('labels', 4, dtype, { s_01: values })))
    expect(fields.path).toBe('labels, slice s_01')
    expect(fields.found).toBe(found)
  })

  it('takes 255 materials beside an unlabelled value and refuses more', async () => {
    const wide = { height: 1, width: 256 }
    const ramp = Array.from({ length: 256 }, (_, value) => value)
    const labels = () => new MemoryLabels('labels', 256, 'uint8', { s: ramp })
    const input = [{ path: 'labels', volume: volumeMeta(['s'], wide) }]
    const set = await bindLabels([labels()], input, { unlabelled: 0 })
    expect(set.materials.at(-1)).toMatchObject({ index: 255, value: 255 })
    expect(set.sources[0].warnings[0].message).toContain('255 different values')
    expect((await badInputOf(bindLabels([labels()], input))).found).toContain('256 different values')
  })

  it('asks whether a value that covers nearly everything means unlabelled', async () => {
    const scribbles = { s: Array.from({ length: 40 }, (_, i) => (i < 38 ? 0 : i - 37)) }
    const input = [{ path: 'labels', volume: volumeMeta(['s'], { height: 1, width: 40 }) }]
    const warningsWith = async (options: { unlabelled?: 0 | 'none' }) =>
      (await bindLabels([new MemoryLabels('labels', 40, 'uint8', scribbles)], input, options)).sources[0]
        .warnings
    expect((await warningsWith({}))[0].message).toContain('95.0 % and is taken for a material')
    expect(await warningsWith({ unlabelled: 0 })).toEqual([])
    expect(await warningsWith({ unlabelled: 'none' })).toEqual([])
  })

  it('stops early on a grey image with floats', async () => {
    const values = Array.from({ length: 20_000 }, (_, i) => i)
    const labels = new MemoryLabels('labels', 20_000, 'float32', { s: values })
    const input = [{ path: 'labels', volume: volumeMeta(['s'], { height: 1, width: 20_000 }) }]
    expect((await badInputOf(bindLabels([labels], input))).found).toContain('grey image')
  })

  it('notices a value that was not there when the file was opened', async () => {
    const labels = new MemoryLabels('labels', 4, 'uint8', { s_01: [1, 1, 2, 2] })
    const { sources } = await bind(labels)
    labels.slices.get('s_01')![0] = 9
    expect((await badInputOf(sources[0].readSlice(0))).found).toContain('the value 9')
  })
})

describe('several volumes', () => {
  const inputs = [
    { path: 'a', volume },
    { path: 'b', volume },
  ]

  it('share one table of materials', async () => {
    const a = new MemoryLabels('a', 4, 'uint8', { s_01: [2, 2, 8, 8] })
    const b = new MemoryLabels('b', 4, 'uint16', { s_02: [5, 5, 8, 300] })
    const set = await bindLabels([a, b], inputs)
    expect(set.materials.map(({ value }) => value)).toEqual([2, 5, 8, 300])
    expect([...(await set.sources[0].readSlice(0))]).toEqual([1, 1, 3, 3])
    expect([...(await set.sources[1].readSlice(1))]).toEqual([2, 2, 3, 4])
    expect([...set.sources[1].countSlice(1)]).toEqual([0, 0, 2, 1, 1])
  })

  it('a file that does not say which value is unlabelled follows the other, with a warning', async () => {
    const a = new MemoryLabels('a', 4, 'uint8', { s_01: [2, 2, 255, 8] }, { unlabelled: 255 })
    const b = new MemoryLabels('b', 4, 'uint8', { s_02: [2, 2, 8, 8] })
    const set = await bindLabels([a, b], inputs)
    expect(set.unlabelled).toEqual({ value: 255, from: 'file' })
    expect(set.sources.map(({ warnings }) => warnings.length)).toEqual([0, 1])
  })

  it('files that contradict each other are refused unless the option settles it', async () => {
    const slices = { s_01: [2, 2, 0, 8] }
    const a = () => new MemoryLabels('a', 4, 'uint8', slices, { unlabelled: 255 })
    const b = () => new MemoryLabels('b', 4, 'uint8', slices, { unlabelled: 0 })
    expect((await badInputOf(bindLabels([a(), b()], inputs))).path).toBe('b/labels.json')
    expect((await bindLabels([a(), b()], inputs, { unlabelled: 0 })).materials).toHaveLength(2)

    const c = new MemoryLabels('c', 4, 'uint8', slices, {
      materials: [0, 2, 8].map((value) => ({ value, name: `m${value}` })),
    })
    const d = new MemoryLabels('d', 4, 'uint8', slices, {
      materials: [0, 2, 8].map((value) => ({ value, name: `n${value}` })),
    })
    expect((await badInputOf(bindLabels([c, d], inputs))).expected).toContain('"m0"')
  })
})

describe('labels that a network cannot learn from', () => {
  const bind = (slices: Record<string, number[]>) =>
    bindLabels([new MemoryLabels('labels', 4, 'uint8', slices)], [{ path: 'labels', volume }], {
      unlabelled: 255,
    })

  it('no labelled voxel', async () => {
    const set = await bind({ s_01: [255, 255, 255, 255] })
    expect((await badInputOf(() => requireTrainable(set))).found).toBe('not a single one')
  })

  it('one material only, and which', async () => {
    const set = await bind({ s_01: [255, 7, 7, 255] })
    expect((await badInputOf(() => requireTrainable(set))).found).toContain('"material 7" (value 7)')
  })

  it('looks at the chosen slices only', async () => {
    const set = await bind({ s_01: [1, 1, 1, 1], s_02: [1, 2, 255, 255] })
    expect(requireTrainable(set)).toEqual([])
    expect(requireTrainable(set, [[1]])).toEqual([])
    expect((await badInputOf(() => requireTrainable(set, [[0, 3]]))).found).toContain('material 1')
    expect((await badInputOf(() => requireTrainable(set, [[3]]))).found).toBe('not a single one')
  })
})

it('stops when cancelled', async () => {
  const labels = new MemoryLabels('labels', 4, 'uint8', { s_01: [1, 1, 1, 1] })
  const attempt = bindLabels([labels], [{ path: 'labels', volume }], { signal: AbortSignal.abort() })
  await expect(attempt).rejects.toMatchObject({ _tag: 'Cancelled' })
  expect(labels.reads).toEqual([])
})
