// Ridge regression of targets on features, and its gradient.

/** Penalty as a share of the mean variance of the features: does not change when all features grow alike. */
const penalty = 1e-3

/**
 * Best linear map (with an offset) from features to targets.
 *
 * @param features `[pixel, feature]`
 * @param targets `[pixel, column]`, every column with mean 0; their mean squares are the shares of the loss
 * @returns `unexplained`: squared error over the squares of the targets, 0…1; `gradient`: of that, with respect to the features,
 *   with the map held fixed, which is exact where it is the minimum
 */
export function ridge({ tf }, features, targets) {
  const [pixels, count] = features.shape
  const centred = features.sub(features.mean(0, true))
  const gram = tf.matMul(centred, centred, true, false).div(pixels).dataSync()
  const products = tf.matMul(centred, targets, true, false).div(pixels).dataSync()
  let trace = 0
  for (let i = 0; i < count; i++) trace += gram[i * count + i]
  const map = solve(
    Float64Array.from(gram),
    Float64Array.from(products),
    count,
    (penalty * trace) / count + 1e-9,
  )
  const weights = tf.tensor2d(Float32Array.from(map), [count, targets.shape[1]])
  const rest = tf.matMul(centred, weights).sub(targets)
  const power = targets.square().sum()
  return {
    unexplained: rest.square().sum().div(power).dataSync()[0],
    gradient: tf.matMul(rest, weights, false, true).mul(tf.div(2, power)),
  }
}

/**
 * Solves (A + penalty I) X = B by Cholesky decomposition. `matrix` (count × count, symmetric) and `right` (count × columns),
 * both C order, are overwritten; the solution is `right`.
 */
function solve(matrix, right, count, ridgePenalty) {
  const columns = right.length / count
  for (let i = 0; i < count; i++) matrix[i * count + i] += ridgePenalty
  for (let j = 0; j < count; j++) {
    for (let i = j; i < count; i++) {
      let sum = matrix[i * count + j]
      for (let k = 0; k < j; k++) sum -= matrix[i * count + k] * matrix[j * count + k]
      matrix[i * count + j] = i === j ? Math.sqrt(Math.max(sum, 1e-12)) : sum / matrix[j * count + j]
    }
  }
  for (let column = 0; column < columns; column++) {
    for (let i = 0; i < count; i++) {
      let sum = right[i * columns + column]
      for (let k = 0; k < i; k++) sum -= matrix[i * count + k] * right[k * columns + column]
      right[i * columns + column] = sum / matrix[i * count + i]
    }
    for (let i = count - 1; i >= 0; i--) {
      let sum = right[i * columns + column]
      for (let k = i + 1; k < count; k++) sum -= matrix[k * count + i] * right[k * columns + column]
      right[i * columns + column] = sum / matrix[i * count + i]
    }
  }
  return right
}
