import { describe, expect, it } from 'vitest'
import { ariaKeys, keyCaps, keysOfEvent } from '../../../src/renderer/format/keys.ts'
import {
  formatAmount,
  formatBytes,
  formatBytesOf,
  formatCount,
  formatGrey,
  formatInteger,
  formatPercent,
  formatSignificant,
} from '../../../src/renderer/format/numbers.ts'
import { fieldText, parseNumber } from '../../../src/renderer/format/parse-number.ts'
import {
  formatPhysicalSize,
  formatShape,
  formatVoxelSize,
  isIsotropic,
  isVoxelSizeComplete,
} from '../../../src/renderer/format/sizes.ts'
import { formatAgo, formatDay, formatDuration, formatMoment } from '../../../src/renderer/format/times.ts'

/** The unbreakable spaces as plain ones, so that the expectations can be read. All values worked by hand. */
function plain(text: string | null): string | null {
  return text?.replace(/[\u00A0\u202F]/g, ' ') ?? null
}

describe('numbers', () => {
  it('put a thin space into thousands and use the minus sign', () => {
    expect(formatInteger(412_806)).toBe('412\u202F806')
    expect(plain(formatInteger(-1_234_567))).toBe('−1 234 567')
    expect(formatInteger(Number.NaN)).toBe('–')
  })

  it.each([
    [65, '65.0'],
    [0.012345, '0.0123'],
    [1208.4, '1 208'],
    [9.996, '10.0'],
    [-0.41, '−0.410'],
    [2.5e-7, '2.50 × 10⁻⁷'],
    [0, '0'],
  ])('show %d with three significant digits as %s', (value, text) => {
    expect(plain(formatSignificant(value))).toBe(text)
  })

  it('show grey values of integers whole and of floats with five digits', () => {
    expect(plain(formatGrey(22460))).toBe('22 460')
    expect(plain(formatGrey(0.123456))).toBe('0.12346')
  })

  it('never round a share that is there down to nothing', () => {
    expect(plain(formatPercent(0.000_01))).toBe('< 0.01 %')
    expect(plain(formatPercent(0.0002))).toBe('0.02 %')
    expect(plain(formatPercent(0))).toBe('0 %')
    expect(plain(formatPercent(0.63))).toBe('63 %')
  })

  it('shorten large counts and bytes in decimal units', () => {
    expect(plain(formatCount(768 * 1536 * 1536))).toBe('1.81 G')
    expect(plain(formatCount(96_442))).toBe('96 442')
    // 768 × 1536 × 1536 voxels of 2 bytes = 3 623 878 656 bytes.
    expect(plain(formatBytes(3_623_878_656))).toBe('3.62 GB')
    expect(plain(formatBytes(999))).toBe('999 B')
    expect(plain(formatBytes(999_600))).toBe('1 MB')
    expect(plain(formatBytesOf(9.8e9, 16e9))).toBe('9.8 / 16 GB')
  })

  it('say one and many', () => {
    expect(plain(formatAmount(1, 'slice'))).toBe('1 slice')
    expect(plain(formatAmount(2000, 'slice'))).toBe('2 000 slices')
    expect(plain(formatAmount(0, 'voxel'))).toBe('0 voxels')
  })
})

describe('sizes', () => {
  const anisotropic = { z: 20, y: 10, x: 10, unit: 'nm' } as const

  it('say voxel sizes z, y, x, once when equal, and what is not known', () => {
    expect(plain(formatVoxelSize({ z: 65, y: 65, x: 65, unit: 'nm' }))).toBe('65.0 nm')
    expect(plain(formatVoxelSize(anisotropic))).toBe('20.0 × 10.0 × 10.0 nm')
    expect(plain(formatVoxelSize({ ...anisotropic, z: null }))).toBe('? × 10.0 × 10.0 nm')
    expect(formatVoxelSize(null)).toBe('unknown')
  })

  it('tell equal edges only when all are known', () => {
    expect(isIsotropic({ z: 1, y: 1, x: 1, unit: 'um' })).toBe(true)
    expect(isIsotropic({ z: null, y: null, x: null, unit: 'um' })).toBe(false)
    expect(isVoxelSizeComplete({ ...anisotropic, z: null })).toBe(false)
  })

  it('give the physical size in a suitable unit, and none without the whole voxel size', () => {
    // 512 × 20 nm = 10.24 µm; 1200 × 10 nm = 12 µm; 1600 × 10 nm = 16 µm.
    expect(plain(formatPhysicalSize([512, 1200, 1600], anisotropic))).toBe('10.2 × 12.0 × 16.0 µm')
    expect(plain(formatPhysicalSize([10, 10, 10], anisotropic))).toBe('200 × 100 × 100 nm')
    expect(plain(formatPhysicalSize([2, 2, 2], { z: 0.5, y: 0.5, x: 0.5, unit: 'mm' }))).toBe(
      '1.00 × 1.00 × 1.00 mm',
    )
    expect(formatPhysicalSize([1, 1, 1], { ...anisotropic, z: null })).toBeNull()
  })

  it('write shapes', () => {
    expect(plain(formatShape([768, 1536, 1536]))).toBe('768 × 1536 × 1536')
  })
})

describe('times', () => {
  it.each([
    [0.2, '< 1 s'],
    [3, '3 s'],
    [125, '2 min 5 s'],
    [2460, '41 min'],
    [6720, '1 h 52 min'],
    [7200, '2 h'],
    [187_200, '2 d 4 h'],
  ])('say %d s as %s', (seconds, text) => {
    expect(plain(formatDuration(seconds))).toBe(text)
  })

  it('say how long ago and on which day', () => {
    const now = new Date(2026, 10, 22, 12, 0, 0)
    expect(plain(formatAgo(new Date(2026, 10, 22, 11, 59, 58), now))).toBe('2 s ago')
    expect(plain(formatAgo(now, now))).toBe('now')
    expect(formatDay(new Date(2026, 10, 22, 11, 30), now)).toBe('today 11:30')
    expect(formatDay(new Date(2026, 10, 21, 23, 59), now)).toBe('yesterday 23:59')
    // 20 November 2026 is a Friday.
    expect(formatDay(new Date(2026, 10, 20), now)).toBe('Fri')
    expect(plain(formatDay(new Date(2026, 10, 3), now))).toBe('3 Nov')
    expect(formatDay(new Date(2025, 5, 3), now)).toBe('June 2025')
    expect(formatMoment(new Date(2026, 10, 22, 9, 2), now)).toBe('09:02')
  })
})

describe('numbers that are typed', () => {
  const size = { name: 'Voxel size', min: 0, aboveMin: true, unit: 'nm' }

  it('accept points, commas, spaces in thousands and exponents', () => {
    expect(parseNumber('65,5', size)).toEqual({ value: 65.5, problem: null })
    expect(parseNumber('1\u202F208', size)).toEqual({ value: 1208, problem: null })
    expect(parseNumber('2e-3', size)).toEqual({ value: 0.002, problem: null })
    expect(parseNumber('−4', { name: 'Level' })).toEqual({ value: -4, problem: null })
  })

  it.each([
    ['0', 'Voxel size must be above 0 nm'],
    ['-3', 'Voxel size must be above 0 nm'],
    ['ten', 'Voxel size must be a number'],
    ['0x10', 'Voxel size must be a number'],
    ['', 'Voxel size must be a number'],
  ])('refuse %j with a sentence', (text, problem) => {
    expect(parseNumber(text, size)).toEqual({ value: undefined, problem })
  })

  it('keep nothing as nothing where that is allowed, and whole numbers whole', () => {
    expect(parseNumber(' ', { name: 'Size', optional: true })).toEqual({ value: null, problem: null })
    expect(parseNumber('2.5', { name: 'Rows', integer: true }).problem).toBe('Rows must be a whole number')
    expect(parseNumber('11', { name: 'Rows', max: 10 }).problem).toBe('Rows must be at most 10')
  })

  it('come back as they can be edited', () => {
    expect(fieldText(0.1 + 0.2)).toBe('0.3')
    expect(fieldText(12000)).toBe('12000')
    expect(fieldText(null)).toBe('')
  })
})

describe('keys', () => {
  const press = { key: 'k', ctrlKey: false, metaKey: false, altKey: false, shiftKey: false }

  it('are written with their modifiers in one order', () => {
    expect(keysOfEvent({ ...press, ctrlKey: true })).toBe('Ctrl+K')
    expect(keysOfEvent({ ...press, metaKey: true })).toBe('Ctrl+K')
    expect(keysOfEvent({ ...press, key: 'Z', shiftKey: true })).toBe('Shift+Z')
    expect(keysOfEvent({ ...press, key: 'b', ctrlKey: true, altKey: true })).toBe('Ctrl+Alt+B')
    expect(keysOfEvent({ ...press, key: 'ArrowUp', shiftKey: true })).toBe('Shift+ArrowUp')
  })

  it('do not count Shift where it only makes the sign', () => {
    expect(keysOfEvent({ ...press, key: '?', shiftKey: true })).toBe('?')
  })

  it('are drawn as caps', () => {
    expect(keyCaps('Ctrl+ArrowUp')).toEqual(['Ctrl', '↑'])
    expect(keyCaps('Ctrl++')).toEqual(['Ctrl', '+'])
    expect(keyCaps('+')).toEqual(['+'])
    expect(ariaKeys('Ctrl+Alt+B')).toBe('Control+Alt+B')
  })
})
