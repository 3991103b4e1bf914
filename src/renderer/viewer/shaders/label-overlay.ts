/**
 * Labels over grey: fill, outline on the inner side of an edge between different labels, a dark edge on the outer side, and hatch for
 * materials from the ninth on.
 */

/** Width of one stripe of the hatch in CSS pixels; two stripes make a period (the design's swatch from 9 on). */
const stripeWidth = 3

/** TypeScript twin of `hatched`: whether a screen position (device pixels, y up) lies on the light stripe. */
export function hatched(x: number, y: number, devicePixelRatio: number): boolean {
  const across = (x + y) * (Math.SQRT1_2 / devicePixelRatio)
  return across - 2 * stripeWidth * Math.floor(across / (2 * stripeWidth)) >= stripeWidth
}

/** How dark the edge around labels is, 0…1: the design's crosshair edge. */
export const edgeDarkness = 0.55

export const labelOverlayGlsl = /* glsl */ `
// Material index per voxel of the plane, 0 = unlabelled.
uniform mediump usampler2DArray uLabels;
// (columns of a tile, rows of a tile, tiles side by side), voxels.
uniform ivec3 uLabelTiles;
// 256 × 2: row 0 colour and opacity of the fill, row 1 (visible, hatched, -, -). 0…1.
uniform mediump sampler2D uPalette;
// (fill, outline), each 0 or 1.
uniform vec2 uOverlayStyle;
// Screen pixels per CSS pixel.
uniform float uDevicePixelRatio;

const vec3 lightStripe = vec3(232.0 / 255.0);

// position: screen pixels, y up.
bool hatched(vec2 position) {
  float across = (position.x + position.y) * (0.70710678 / uDevicePixelRatio);
  return across - ${2 * stripeWidth}.0 * floor(across / ${2 * stripeWidth}.0) >= ${stripeWidth}.0;
}

// Material at a plane position (column, row; voxel k covers [k, k + 1)); 0 outside and for hidden materials.
uint materialAt(vec2 position, ivec2 extent) {
  ivec2 voxel = ivec2(floor(position));
  if (any(lessThan(voxel, ivec2(0))) || any(greaterThanEqual(voxel, extent))) return 0u;
  uint index = texelFetch(uLabels, tileAddress(voxel, uLabelTiles), 0).r;
  // Most voxels are unlabelled: they need no look at the palette.
  return index != 0u && texelFetch(uPalette, ivec2(int(index), 1), 0).r > 0.5 ? index : 0u;
}

// Colour of a material at a screen position.
vec3 materialColour(uint index, vec2 screen) {
  vec3 colour = texelFetch(uPalette, ivec2(int(index), 0), 0).rgb;
  bool striped = texelFetch(uPalette, ivec2(int(index), 1), 0).g > 0.5;
  return striped && hatched(screen) ? lightStripe : colour;
}

// Lays the labels over a colour. position: middle of the screen pixel in the plane (column, row); step: voxels per screen pixel.
vec3 overlaid(vec3 below, vec2 position, vec2 step, ivec2 extent, vec2 screen) {
  vec3 colour = below;
  // A pixel that covers several voxels takes the mean of their fills: thin strokes fade instead of flickering.
  ivec2 samples = ivec2(clamp(ceil(step), vec2(1.0), vec2(4.0)));
  vec3 sum = vec3(0.0);
  float covered = 0.0;
  uint self = materialAt(position, extent);
  for (int j = 0; j < 4; j++) {
    if (j >= samples.y) break;
    for (int i = 0; i < 4; i++) {
      if (i >= samples.x) break;
      vec2 inPixel = (vec2(float(i), float(j)) + 0.5) / vec2(samples) - 0.5;
      uint index = samples.x * samples.y == 1 ? self : materialAt(position + inPixel * step, extent);
      if (index == 0u) continue;
      float opacity = texelFetch(uPalette, ivec2(int(index), 0), 0).a * uOverlayStyle.x;
      sum += materialColour(index, screen) * opacity;
      covered += opacity;
    }
  }
  float count = float(samples.x * samples.y);
  colour = colour * (1.0 - covered / count) + sum / count;

  // Edges are one CSS pixel wide at any zoom.
  vec2 reach = step * max(1.0, floor(uDevicePixelRatio + 0.5));
  uint left = materialAt(position - vec2(reach.x, 0.0), extent);
  uint right = materialAt(position + vec2(reach.x, 0.0), extent);
  uint above = materialAt(position - vec2(0.0, reach.y), extent);
  uint below_ = materialAt(position + vec2(0.0, reach.y), extent);
  if (self != 0u) {
    bool edge = self != left || self != right || self != above || self != below_;
    if (edge && uOverlayStyle.y > 0.5) colour = materialColour(self, screen);
  } else if ((left | right | above | below_) != 0u && covered == 0.0) {
    colour *= ${(1 - edgeDarkness).toFixed(3)};
  }
  return colour;
}
`
