import type { DeviceInfo } from '../../../../shared/device.ts'

/**
 * Memory for the activations of one tile. On the CPU this keeps the whole process below 4 GB at any slice size (measured:
 * the runtime itself takes 0.5 GB, and TensorFlow about twice the activations); a slice of 2048 × 2048 through a UNet of 16
 * base filters still goes in one piece. A graphics card gives a quarter of what it has; where the
 * system does not tell, little is taken.
 */
export function tileMemoryBytes({ kind, memoryBytes }: Pick<DeviceInfo, 'kind' | 'memoryBytes'>): number {
  if (memoryBytes === null) return 0.5e9
  if (kind === 'gpu') return memoryBytes / 4
  return Math.min(1.1e9, memoryBytes / 6)
}
