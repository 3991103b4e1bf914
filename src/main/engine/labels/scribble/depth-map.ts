/** Steps of a chamfer distance, in thirds of a pixel: to the side and across (Borgefors 1986, doi 10.1016/S0734-189X(86)80047-0). */
const side = 3
const across = 4

/**
 * How deep every pixel lies inside its material: about the distance, in pixels, to the next pixel with another value. A pixel
 * beside one has 1; edges of the slice do not count.
 *
 * @param materials C order (y, x); kept
 */
export function depthInMaterial(materials: Uint8Array, height: number, width: number): Float32Array {
  const far = side * (height + width)
  const thirds = new Float32Array(materials.length)
  for (let y = 0, i = 0; y < height; y++)
    for (let x = 0; x < width; x++, i++) {
      const own = materials[i]
      const atBorder =
        (x > 0 && materials[i - 1] !== own) ||
        (x < width - 1 && materials[i + 1] !== own) ||
        (y > 0 && materials[i - width] !== own) ||
        (y < height - 1 && materials[i + width] !== own)
      thirds[i] = atBorder ? side : far
    }
  // Neighbours of another material are at a border themselves, so that what they pass on is never too small by more than a step.
  for (let y = 0, i = 0; y < height; y++)
    for (let x = 0; x < width; x++, i++) {
      let depth = thirds[i]
      if (x > 0) depth = Math.min(depth, thirds[i - 1] + side)
      if (y > 0) {
        depth = Math.min(depth, thirds[i - width] + side)
        if (x > 0) depth = Math.min(depth, thirds[i - width - 1] + across)
        if (x < width - 1) depth = Math.min(depth, thirds[i - width + 1] + across)
      }
      thirds[i] = depth
    }
  for (let y = height - 1, i = materials.length - 1; y >= 0; y--)
    for (let x = width - 1; x >= 0; x--, i--) {
      let depth = thirds[i]
      if (x < width - 1) depth = Math.min(depth, thirds[i + 1] + side)
      if (y < height - 1) {
        depth = Math.min(depth, thirds[i + width] + side)
        if (x < width - 1) depth = Math.min(depth, thirds[i + width + 1] + across)
        if (x > 0) depth = Math.min(depth, thirds[i + width - 1] + across)
      }
      thirds[i] = depth
    }
  return thirds.map((depth) => depth / side)
}
