import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  addMaterial,
  addWantedMaterials,
  orderMaterials,
  unlabelledValueOf,
  updateMaterial,
} from '../../../src/main/engine/project/project-materials.ts'
import type { StoredMaterial } from '../../../src/main/engine/project/project-schema.ts'

const badInput = expect.objectContaining({ _tag: 'BadInput' }) as Error

function add(materials: readonly StoredMaterial[], name: string, colour?: string): StoredMaterial[] {
  return addMaterial('p', materials, { name, colour }).materials
}

describe('materials', () => {
  test('get the next index, the first free value and the first free colour of the palette', () => {
    const three = ['a', 'b', 'c'].reduce<StoredMaterial[]>((list, name) => add(list, name), [])
    // Okabe & Ito, in the order of the palette.
    expect(three.map(({ index, value, colour }) => [index, value, colour])).toEqual([
      [1, 1, '#56b4e9'],
      [2, 2, '#e69f00'],
      [3, 3, '#009e73'],
    ])
    const recoloured = updateMaterial('p', three, 1, { colour: '#CC79A7', value: 4 })
    expect(recoloured[0]).toMatchObject({ index: 1, colour: '#cc79a7', value: 4 })
    expect(add(recoloured, 'd')[3]).toMatchObject({ index: 4, value: 1, colour: '#56b4e9' })
  })

  test('that were removed keep index, name and value', () => {
    const removed = updateMaterial('p', add(add([], 'a'), 'b'), 2, { removed: true })
    expect(add(removed, 'c')[2]).toMatchObject({ index: 3, value: 3 })
    expect(() => add(removed, 'b')).toThrow(badInput)
    expect(updateMaterial('p', removed, 2, { removed: false })[1]).toMatchObject({
      name: 'b',
      removed: false,
    })
  })

  test('have names and values of their own', () => {
    const two = add(add([], 'a'), 'b')
    expect(() => add(two, 'a')).toThrow(badInput)
    expect(() => updateMaterial('p', two, 2, { name: 'a' })).toThrow(badInput)
    expect(() => updateMaterial('p', two, 2, { value: 1 })).toThrow(badInput)
    expect(updateMaterial('p', two, 2, { name: 'b', value: 2 })).toEqual(two)
    expect(() => updateMaterial('p', two, 3, {})).toThrow(expect.objectContaining({ _tag: 'NotFound' }))
  })

  test('end at 255', () => {
    let list: StoredMaterial[] = []
    for (let count = 0; count < 255; count++) list = add(list, `m${count}`)
    expect(list.at(-1)?.index).toBe(255)
    expect(() => add(list, 'one more')).toThrow(badInput)
    expect(() => addWantedMaterials('p', list, [{ value: 999, name: 'x' }])).toThrow(badInput)
    expect(addWantedMaterials('p', list, [{ value: 7, name: 'x' }]).found[0]?.index).toBe(7)
  })

  test('are ordered as wanted, all of them', () => {
    const three = add(add(add([], 'a'), 'b'), 'c')
    expect(orderMaterials('p', three, [3, 1, 2]).map(({ name }) => name)).toEqual(['c', 'a', 'b'])
    for (const indices of [[], [1, 2], [1, 2, 2], [1, 2, 4], [1, 2, 3, 3]])
      expect(() => orderMaterials('p', three, indices)).toThrow(badInput)
  })

  test('of an import are found by value, come back when removed, and get names of their own', () => {
    const two = updateMaterial('p', add(add([], 'pore'), 'Ni'), 2, { removed: true })
    const { materials, found } = addWantedMaterials('p', two, [
      { value: 2, name: 'nickel' },
      { value: 0, name: 'pore', colour: '#ABCDEF' },
    ])
    expect(found).toMatchObject([
      { index: 2, value: 2, name: 'Ni', removed: false },
      { index: 3, value: 0, name: 'pore (0)', colour: '#abcdef' },
    ])
    expect(materials).toHaveLength(3)
    expect(addWantedMaterials('p', materials, [{ value: 0, name: 'pore' }]).materials).toEqual(materials)
  })

  test('never share an index, a value or a name, whatever is done', () => {
    const change = fc.oneof(
      fc.record({ kind: fc.constant('add' as const), name: fc.constantFrom('a', 'b', 'c', 'd') }),
      fc.record({
        kind: fc.constant('import' as const),
        value: fc.integer({ min: 0, max: 5 }),
        name: fc.constantFrom('a', 'b'),
      }),
      fc.record({ kind: fc.constant('remove' as const), index: fc.integer({ min: 1, max: 6 }) }),
      fc.record({
        kind: fc.constant('value' as const),
        index: fc.integer({ min: 1, max: 6 }),
        value: fc.integer({ min: 0, max: 5 }),
      }),
    )
    fc.assert(
      fc.property(fc.array(change, { maxLength: 20 }), (changes) => {
        let list: StoredMaterial[] = []
        const nameOfIndex = new Map<number, string>()
        for (const each of changes) {
          try {
            if (each.kind === 'add') list = add(list, each.name)
            else if (each.kind === 'import') list = addWantedMaterials('p', list, [each]).materials
            else if (each.kind === 'remove') list = updateMaterial('p', list, each.index, { removed: true })
            else list = updateMaterial('p', list, each.index, { value: each.value })
          } catch (error) {
            expect(error).toMatchObject({ _tag: expect.stringMatching(/BadInput|NotFound/) as string })
          }
          for (const { index, name } of list) {
            expect(nameOfIndex.get(index) ?? name).toBe(name)
            nameOfIndex.set(index, name)
          }
          for (const key of ['index', 'value', 'name'] as const)
            expect(new Set(list.map((material) => material[key])).size).toBe(list.length)
          expect(list.length).toBe(nameOfIndex.size)
        }
      }),
      { seed: 6, numRuns: 200 },
    )
  })
})

describe('the value of unlabelled voxels in files', () => {
  test.each([
    [[], 0],
    [[1, 2], 0],
    [[0, 1], 255],
    [[0, 1, 255], 2],
  ])('beside materials %j is %i', (values, expected) => {
    expect(unlabelledValueOf(values.map((value) => ({ value, removed: false })))).toBe(expected)
  })

  test('may be that of a removed material', () => {
    expect(unlabelledValueOf([{ value: 0, removed: true }])).toBe(0)
  })
})
