/**
 * Learning rate of step `step` (from 1) of `totalSteps`: a linear warm-up, then half a cosine down to one hundredth
 * (Loshchilov and Hutter 2017, arXiv 1608.03983, without restarts).
 */
export function learningRateAt(
  step: number,
  totalSteps: number,
  { learningRate, warmupSteps }: { learningRate: number; warmupSteps: number },
): number {
  const floor = 0.01
  const warmup = Math.min(warmupSteps, Math.floor(totalSteps / 5))
  if (step <= warmup) return (learningRate * step) / (warmup + 1)
  const progress = Math.min(1, (step - warmup) / Math.max(1, totalSteps - warmup))
  return learningRate * (floor + (1 - floor) * 0.5 * (1 + Math.cos(Math.PI * progress)))
}
