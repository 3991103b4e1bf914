import { expect, test } from 'vitest'
import { tileMemoryBytes } from '../../../src/main/engine/learning/prediction/tile-memory.ts'

const workstation = { kind: 'cpu', memoryBytes: 64e9 } as const

test('large slices leave less for tiles, never more than the process shall take, never next to nothing', () => {
  const small = tileMemoryBytes(workstation)
  expect(small).toBe(1.1e9)
  // 2048² with probabilities of three materials: some 0.25 GB beside the tile change nothing.
  expect(tileMemoryBytes(workstation, 0.25e9)).toBe(small)
  const large = tileMemoryBytes(workstation, 2e9)
  expect(large).toBeLessThan(small / 2)
  // Runtime, slices, and twice the tile.
  expect(0.5e9 + 2e9 + 2 * large).toBeLessThanOrEqual(3.4e9)
  expect(tileMemoryBytes(workstation, 20e9)).toBeGreaterThan(1e8)
})

test('a small machine and a graphics card have their own limits', () => {
  expect(tileMemoryBytes({ kind: 'cpu', memoryBytes: 3e9 })).toBe(0.5e9)
  expect(tileMemoryBytes({ kind: 'gpu', memoryBytes: 24e9 }, 2e9)).toBe(6e9)
  expect(tileMemoryBytes({ kind: 'cpu', memoryBytes: null })).toBe(0.5e9)
})
