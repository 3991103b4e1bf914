/**
 * Which elements a screen pixel covers along one axis, and by how much. Up to `maxExactExtent` elements are weighted by the exact
 * length covered (a box filter: the mean of the area, no moiré); more, which only happens while a coarser level is on its way,
 * are sampled at `maxExactExtent` evenly spaced places. At one element or less per pixel the nearest element is taken whole, so
 * that enlarged voxels have hard edges and their true values.
 */
export const maxExactExtent = 8
/** Taps that a loop has to allow for: an extent of 8 touches at most 9 elements. */
export const maxTaps = maxExactExtent + 1

/** TypeScript twin of `tapCount`: taps along an axis for a pixel that spans [start, start + extent) in elements. */
export function tapCount(start: number, extent: number): number {
  if (extent <= 1) return 1
  if (extent > maxExactExtent) return maxExactExtent
  return Math.ceil(start + extent) - Math.floor(start)
}

/** TypeScript twin of `tap`: element and weight of tap `index`. */
export function tap(start: number, extent: number, index: number): { element: number; weight: number } {
  if (extent <= 1) return { element: Math.floor(start + extent / 2), weight: 1 }
  if (extent > maxExactExtent)
    return { element: Math.floor(start + ((index + 0.5) * extent) / maxExactExtent), weight: 1 }
  const element = Math.floor(start) + index
  return { element, weight: Math.min(start + extent, element + 1) - Math.max(start, element) }
}

export const areaTapsGlsl = /* glsl */ `
const int maxTaps = ${maxTaps};
const float maxExactExtent = ${maxExactExtent}.0;

// start, extent: what a screen pixel spans along one axis, in elements (element k covers [k, k + 1)).
int tapCount(float start, float extent) {
  if (extent <= 1.0) return 1;
  if (extent > maxExactExtent) return int(maxExactExtent);
  return int(ceil(start + extent) - floor(start));
}
// (element, weight) of one tap.
vec2 tap(float start, float extent, int index) {
  if (extent <= 1.0) return vec2(floor(start + 0.5 * extent), 1.0);
  if (extent > maxExactExtent)
    return vec2(floor(start + (float(index) + 0.5) * extent / maxExactExtent), 1.0);
  float element = floor(start) + float(index);
  return vec2(element, min(start + extent, element + 1.0) - max(start, element));
}
`
