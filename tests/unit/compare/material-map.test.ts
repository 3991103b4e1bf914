import { describe, expect, it } from 'vitest'
import { mapMaterials, materialMapSchema } from '../../../src/shared/comparison/material-map.ts'
import { numberMaterials } from '../../../src/shared/materials.ts'

const battery = numberMaterials([
  { value: 0, name: 'pore' },
  { value: 1, name: 'binder' },
  { value: 2, name: 'graphite' },
])
const electrode = numberMaterials([
  { value: 5, name: 'Pore' },
  { value: 6, name: 'YSZ' },
  { value: 7, name: 'Ni' },
])
const targetsOf = (map: Record<string, string | number | null> | null) =>
  mapMaterials(map, 'map.json', battery, electrode).map(({ target, by }) => [target?.value ?? null, by])

describe('mapMaterials', () => {
  it('takes names and file values on both sides, and null for what is not scored', () => {
    expect(targetsOf({ pore: 5, 1: null, graphite: 'ni' })).toEqual([
      [5, 'map'],
      [null, 'map'],
      [7, 'map'],
    ])
  })

  it('lets several materials be one', () => {
    expect(targetsOf({ pore: 'Pore', binder: '5', graphite: 'Ni' }).map(([value]) => value)).toEqual([
      5, 5, 7,
    ])
  })

  it.each([
    [{ pore: 5, binder: 6 }, /none for graphite = 2/],
    [{ pore: 5, binder: 6, graphite: 7, lithium: 5 }, /"lithium"/],
    [{ pore: 5, binder: 6, graphite: 'copper' }, /"copper" for "graphite"/],
    [{ pore: 5, 0: 6, binder: 6, graphite: 7 }, /pore \(0\) by name and by value/],
    [{ pore: null, binder: null, graphite: null }, /null for all of them/],
  ])('refuses %j', (map, message) => {
    expect(() => targetsOf(map)).toThrow(message)
  })

  it('without a map matches by name, then by value, and asks where neither does', () => {
    const plain = numberMaterials([
      { value: 5, name: 'material 5' },
      { value: 9, name: 'ysz' },
    ])
    const matched = mapMaterials(null, 'labels', plain, electrode)
    expect(matched.map(({ target, by }) => [target?.value, by])).toEqual([
      [5, 'value'],
      [6, 'name'],
    ])
    expect(() => targetsOf(null)).toThrow(/binder \(1\), which no model knows/)
    // The same value with two different names is two materials.
    const other = numberMaterials([{ value: 6, name: 'copper' }])
    expect(() => mapMaterials(null, 'labels', other, electrode)).toThrow(/has the value of "YSZ"/)
  })

  it('does not take prototype names for materials', () => {
    const map = materialMapSchema.parse(JSON.parse('{"__proto__": 5, "constructor": 5}'))
    expect(() => mapMaterials(map, 'map.json', battery, electrode)).toThrow()
  })
})
