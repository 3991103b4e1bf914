import type { ColourMapName } from './interfaces.ts'

/** Entries of every colour map: what an 8-bit screen can tell apart along one line. */
export const colourMapEntries = 256

type Colour = readonly [red: number, green: number, blue: number]

/** Coefficients of powers 0…6, each (red, green, blue). */
type Polynomial = readonly Colour[]

/**
 * Degree-6 fits to viridis and inferno (Smith, van der Walt & Firing, "A better default colormap for Matplotlib", SciPy 2015),
 * published by Matt Zucker under CC0 (shadertoy.com/view/WlfXRN); within 1.5 % of the tables.
 */
const viridis: Polynomial = [
  [0.2777273272234177, 0.005407344544966578, 0.3340998053353061],
  [0.1050930431085774, 1.404613529898575, 1.384590162594685],
  [-0.3308618287255563, 0.214847559468213, 0.09509516302823659],
  [-4.634230498983486, -5.799100973351585, -19.33244095627987],
  [6.228269936347081, 14.17993336680509, 56.69055260068105],
  [4.776384997670288, -13.74514537774601, -65.35303263337234],
  [-5.435455855934631, 4.645852612178535, 26.3124352495832],
]
const inferno: Polynomial = [
  [0.0002189403691192265, 0.001651004631001012, -0.01948089843709184],
  [0.1065134194856116, 0.5639564367884091, 3.932712388889277],
  [11.60249308247187, -3.972853965665698, -15.9423941062914],
  [-41.70399613139459, 17.43639888205313, 44.35414519872813],
  [77.162935699427, -33.40235894210092, -81.80730925738993],
  [-71.31942824499214, 32.62606426397723, 73.20951985803202],
  [25.13112622477341, -12.24266895238567, -23.07032500287172],
]

function evaluate(polynomial: Polynomial, t: number): Colour {
  const at = (channel: 0 | 1 | 2): number =>
    polynomial.reduceRight((sum, coefficients) => sum * t + coefficients[channel], 0)
  return [at(0), at(1), at(2)]
}

/** CIE L*a*b* (D65) to sRGB 0…1, not clamped (CIE 15:2018; IEC 61966-2-1). */
function fromLab(lightness: number, a: number, b: number): Colour {
  const fy = (lightness + 16) / 116
  const inverse = (f: number): number => (f > 6 / 29 ? f ** 3 : 3 * (6 / 29) ** 2 * (f - 4 / 29))
  const x = 0.95047 * inverse(fy + a / 500)
  const y = inverse(fy)
  const z = 1.08883 * inverse(fy - b / 200)
  const encode = (linear: number): number =>
    linear <= 0.0031308 ? 12.92 * linear : 1.055 * linear ** (1 / 2.4) - 0.055
  return [
    encode(3.2404542 * x - 1.5371385 * y - 0.4985314 * z),
    encode(-0.969266 * x + 1.8760108 * y + 0.041556 * z),
    encode(0.0556434 * x - 0.2040259 * y + 1.0572252 * z),
  ]
}

/** Black over blue to white in equal steps of lightness L*, hue from violet-blue (290°) to cyan (220°), so that it reads like grey. */
function ice(t: number): Colour {
  const hue = ((290 - 70 * t) * Math.PI) / 180
  const chroma = 34 * Math.sin(Math.PI * t)
  return fromLab(100 * t, chroma * Math.cos(hue), chroma * Math.sin(hue))
}

const colours: Record<ColourMapName, (t: number) => Colour> = {
  grey: (t) => [t, t, t],
  inverted: (t) => [1 - t, 1 - t, 1 - t],
  viridis: (t) => evaluate(viridis, t),
  inferno: (t) => evaluate(inferno, t),
  ice,
}

/** A colour map as 256 RGBA entries of 8 bits (sRGB), from the lower to the upper limit. */
export function colourMapTable(name: ColourMapName): Uint8Array {
  const table = new Uint8Array(4 * colourMapEntries)
  for (let entry = 0; entry < colourMapEntries; entry++) {
    const colour = colours[name](entry / (colourMapEntries - 1))
    for (const channel of [0, 1, 2] as const)
      table[4 * entry + channel] = Math.round(255 * Math.min(Math.max(colour[channel], 0), 1))
    table[4 * entry + 3] = 255
  }
  return table
}

/** Names for menus. */
export const colourMapTitles: Record<ColourMapName, string> = {
  grey: 'Grey',
  inverted: 'Inverted',
  viridis: 'Viridis',
  inferno: 'Inferno',
  ice: 'Ice',
}
