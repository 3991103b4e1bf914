import { lengthUnits, micrometresPerUnit, type LengthUnit, type VoxelSize } from '../../../shared/volume.ts'

/** Resolution tags of a TIFF image or the physical size chunk of a PNG: pixels per unit. */
export interface Resolution {
  x: number | null
  y: number | null
  unit: 'none' | 'inch' | 'centimetre' | 'metre'
}

/** Up to this many dots per inch, a whole number is a setting of a screen, printer or scanner and no voxel size. */
const finestScreenDpi = 4800
/** Dots per inch that programs write into files in metric units as well. */
const usualDpi = [72, 90, 96, 100, 120, 144, 150, 180, 200, 240, 300, 350, 360, 400, 600, 720, 1200]
const centimetresPerInch = 2.54
const millimetresPerInch = 25.4

/**
 * Voxel size from what a TIFF file says: ImageJ or OME description first, resolution tags otherwise. `null` when nothing
 * states any axis. The z step comes from the description only; it is never assumed from x and y.
 */
export function voxelSizeFromTiff(description: string, resolution: Resolution): VoxelSize | null {
  if (description.startsWith('ImageJ=')) return fromImageJ(description, resolution)
  return fromOme(description) ?? voxelSizeFromResolution(resolution)
}

/** Voxel size from resolution alone; a screen or print resolution is none. z stays unknown. */
export function voxelSizeFromResolution(resolution: Resolution): VoxelSize | null {
  const { unit } = resolution
  const edge = (perUnit: number | null): number | null => {
    if (perUnit === null || !(perUnit > 0) || !Number.isFinite(perUnit)) return null
    const dpi = dotsPerInch(perUnit, unit)
    if (dpi === null || isScreenResolution(perUnit, dpi, unit)) return null
    // Metric edges are written in micrometres, where tomography lives.
    return (centimetresPerInch * micrometresPerUnit.cm) / dpi
  }
  return knownOrNull({ z: null, y: edge(resolution.y), x: edge(resolution.x), unit: 'um' })
}

function dotsPerInch(perUnit: number, unit: Resolution['unit']): number | null {
  switch (unit) {
    case 'none':
      return null
    case 'inch':
      return perUnit
    case 'centimetre':
      return perUnit * centimetresPerInch
    case 'metre':
      return (perUnit * centimetresPerInch) / 100
  }
}

function isScreenResolution(perUnit: number, dpi: number, unit: Resolution['unit']): boolean {
  const wholeNumber = Math.abs(dpi - Math.round(dpi)) < 0.02
  if (unit === 'inch') return wholeNumber && dpi <= finestScreenDpi
  // 254 dpi is 100 pixels per centimetre: a round metric number is a voxel size even where the inch number is round too.
  if (unit === 'centimetre' && Number.isInteger(perUnit)) return false
  return wholeNumber && usualDpi.includes(Math.round(dpi))
}

/** ImageJ writes `unit=` and `spacing=` (the z step) as lines of the description, and pixels per unit as resolution. */
function fromImageJ(description: string, resolution: Resolution): VoxelSize | null {
  const lines = new Map<string, string>()
  for (const line of description.split(/\r?\n/)) {
    const at = line.indexOf('=')
    if (at > 0) lines.set(line.slice(0, at).trim(), line.slice(at + 1).trim())
  }
  const written = lines.get('unit')
  if (written === undefined) return voxelSizeFromResolution(resolution)
  const length = parseLengthUnit(written)
  if (length === null) return null
  if (length.inch && isScreenResolution(resolution.x ?? 0, resolution.x ?? 0, 'inch')) return null
  const edge = (perUnit: number | null) =>
    perUnit !== null && perUnit > 0 && Number.isFinite(perUnit) ? length.factor / perUnit : null
  const spacing = Math.abs(Number(lines.get('spacing')))
  return knownOrNull({
    z: Number.isFinite(spacing) && spacing > 0 ? spacing * length.factor : null,
    y: edge(resolution.y),
    x: edge(resolution.x),
    unit: length.unit,
  })
}

/** OME-XML: attributes PhysicalSizeX, Y, Z and their units (micrometre unless given) of the first Pixels element. */
function fromOme(description: string): VoxelSize | null {
  const pixels = omePixels(description)
  if (pixels === null) return null
  const edge = (axis: 'X' | 'Y' | 'Z'): number | null => {
    const size = Number(pixels.get(`PhysicalSize${axis}`))
    const length = parseLengthUnit(pixels.get(`PhysicalSize${axis}Unit`) ?? 'um')
    if (!Number.isFinite(size) || size <= 0 || length === null) return null
    return size * length.factor * micrometresPerUnit[length.unit]
  }
  return knownOrNull({ z: edge('Z'), y: edge('Y'), x: edge('X'), unit: 'um' })
}

/** Attributes of the first `Pixels` element of an OME-XML text, or `null` when it is none. */
export function omePixels(description: string): Map<string, string> | null {
  if (!description.includes('<OME') && !description.includes(':OME')) return null
  const element = /<(?:\w{1,16}:)?Pixels\s([^>]{1,8192})>/.exec(description)?.[1]
  if (element === undefined) return null
  const attributes = new Map<string, string>()
  for (const match of element.matchAll(/(\w{1,64})\s?=\s?(?:"([^"]{0,256})"|'([^']{0,256})')/g)) {
    attributes.set(match[1], match.slice(2).find((value?: string) => value !== undefined) ?? '')
  }
  return attributes
}

/** Reads a unit as programs write it. `factor` turns a number in the written unit into one in `unit`. */
export function parseLengthUnit(text: string): { unit: LengthUnit; factor: number; inch: boolean } | null {
  // ImageJ escapes characters beyond ASCII in the way of Java.
  const name = text
    .replace(/\\u([0-9a-fA-F]{4})/g, (_, code: string) => String.fromCharCode(parseInt(code, 16)))
    .replace(/[\u00b5\u03bc]/g, 'u')
    .trim()
    .toLowerCase()
  const unit = unitNames.get(name)
  if (unit !== undefined) return { unit, factor: 1, inch: false }
  if (name === 'a' || name === '\u00e5' || name === '\u212b' || name === 'angstrom') {
    return { unit: 'nm', factor: 0.1, inch: false }
  }
  if (['inch', 'inches', 'in', '"'].includes(name)) {
    return { unit: 'mm', factor: millimetresPerInch, inch: true }
  }
  return null
}

const unitNames = new Map<string, LengthUnit>([
  ...lengthUnits.map((unit): [string, LengthUnit] => [unit, unit]),
  ...['nanometer', 'nanometre', 'nanometers', 'nanometres'].map((name): [string, LengthUnit] => [name, 'nm']),
  ...['micron', 'microns', 'micrometer', 'micrometre', 'micrometers', 'micrometres'].map(
    (name): [string, LengthUnit] => [name, 'um'],
  ),
  ...['millimeter', 'millimetre', 'millimeters', 'millimetres'].map((name): [string, LengthUnit] => [
    name,
    'mm',
  ]),
  ...['centimeter', 'centimetre', 'centimeters', 'centimetres'].map((name): [string, LengthUnit] => [
    name,
    'cm',
  ]),
  ...['meter', 'metre', 'meters', 'metres'].map((name): [string, LengthUnit] => [name, 'm']),
])

/** Edges that are no positive numbers (absurd tags overflow) are unknown; `null` when all are. */
function knownOrNull({ z, y, x, unit }: VoxelSize): VoxelSize | null {
  const known = (edge: number | null) => (edge !== null && edge > 0 && Number.isFinite(edge) ? edge : null)
  const size = { z: known(z), y: known(y), x: known(x), unit }
  return size.z === null && size.y === null && size.x === null ? null : size
}
