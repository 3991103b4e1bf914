import type { GreySampler } from '../grey-format.ts'
import { areaTapsGlsl } from './area-taps.ts'
import { labelOverlayGlsl } from './label-overlay.ts'
import { tileAddressGlsl } from './tile-address.ts'
import { windowLevelGlsl } from './window-level.ts'

/** A triangle that covers the canvas; the fragment shader does the rest. */
export const planeVertexGlsl = /* glsl */ `
in vec3 position;
void main() {
  gl_Position = vec4(position.xy, 0.0, 1.0);
}
`

const samplerTypes: Record<GreySampler, string> = {
  unsigned: 'highp usampler2DArray',
  signed: 'highp isampler2DArray',
  float: 'highp sampler2DArray',
}

/**
 * The fragment shader for one kind of grey texture. Without labels it leaves them out altogether: drawing in software carries out what a
 * condition passes over, too.
 */
export function planeFragmentGlsl(sampler: GreySampler, withLabels: boolean): string {
  return /* glsl */ `
precision highp float;
precision highp int;

// Grey values of a level of the plane, as they are.
uniform ${samplerTypes[sampler]} uGrey;
// (columns of a tile, rows of a tile, tiles side by side), elements of the level.
uniform ivec3 uGreyTiles;
// Elements of the level (columns, rows).
uniform ivec2 uGreyExtent;
// Voxels along the edge of an element: 2^level.
uniform float uElementVoxels;
// Whether there is grey to draw.
uniform bool uHasGrey;
// 256 colours from the lower to the upper limit. sRGB 0…1.
uniform mediump sampler2D uColourMap;
// Plane position of the canvas' top left corner (column, row), voxels; voxel k covers [k, k + 1).
uniform vec2 uOrigin;
// Voxels per screen pixel (column, row).
uniform vec2 uStep;
// Height of the canvas, screen pixels.
uniform float uCanvasHeight;
// Voxels of the plane (columns, rows).
uniform ivec2 uPlaneExtent;
// Colour where there is no data. sRGB 0…1.
uniform vec3 uVoid;

out vec4 fragColour;
${tileAddressGlsl}
${areaTapsGlsl}
${windowLevelGlsl}
${withLabels ? labelOverlayGlsl : ''}
${
  sampler === 'float'
    ? 'bool isData(float value) { return !(isnan(value) || isinf(value)); }'
    : `bool isData(${sampler === 'unsigned' ? 'uint' : 'int'} value) { return true; }`
}

// Mean of the windowed grey values under a screen pixel and how much of it is data. corner: top left, voxels.
vec2 meanGrey(vec2 corner) {
  vec2 start = corner / uElementVoxels;
  vec2 extent = uStep / uElementVoxels;
  int countX = tapCount(start.x, extent.x);
  int countY = tapCount(start.y, extent.y);
  float sum = 0.0;
  float weights = 0.0;
  for (int j = 0; j < maxTaps; j++) {
    if (j >= countY) break;
    vec2 down = tap(start.y, extent.y, j);
    if (down.x < 0.0 || down.x >= float(uGreyExtent.y)) continue;
    for (int i = 0; i < maxTaps; i++) {
      if (i >= countX) break;
      vec2 over = tap(start.x, extent.x, i);
      if (over.x < 0.0 || over.x >= float(uGreyExtent.x)) continue;
      ${sampler === 'float' ? 'float' : sampler === 'unsigned' ? 'uint' : 'int'} value =
        texelFetch(uGrey, tileAddress(ivec2(int(over.x), int(down.x)), uGreyTiles), 0).r;
      if (!isData(value)) continue;
      float weight = down.y * over.y;
      sum += windowed(value) * weight;
      weights += weight;
    }
  }
  return vec2(weights > 0.0 ? sum / weights : 0.0, weights);
}

void main() {
  vec2 screen = vec2(gl_FragCoord.x, uCanvasHeight - gl_FragCoord.y);
  vec2 middle = uOrigin + screen * uStep;
  vec3 colour = uVoid;
  if (all(greaterThanEqual(middle, vec2(0.0))) && all(lessThan(middle, vec2(uPlaneExtent)))) {
    if (uHasGrey) {
      vec2 grey = meanGrey(middle - 0.5 * uStep);
      if (grey.y > 0.0) {
        int entry = int(clamp(grey.x, 0.0, 1.0) * 255.0 + 0.5);
        colour = texelFetch(uColourMap, ivec2(entry, 0), 0).rgb;
      }
    }
    ${withLabels ? 'colour = overlaid(colour, middle, uStep, uPlaneExtent, gl_FragCoord.xy);' : ''}
  }
  fragColour = vec4(colour, 1.0);
}
`
}
