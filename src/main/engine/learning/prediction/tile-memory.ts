import type { DeviceInfo } from '../../../../shared/device.ts'

/** What the whole process shall stay well below on the CPU, and what the runtime takes of it before any tile. */
const processBytes = 3.4e9
const runtimeBytes = 0.5e9
/** TensorFlow takes about twice the activations that are counted. */
const tensorflowShare = 2
/** With less, tiles would be mostly halo. */
const leastTileBytes = 0.15e9

/**
 * Memory for the activations of one tile. On the CPU this keeps the whole process below 4 GB (measured: `npm run bench -- memory`);
 * a slice of 2048 × 2048 through a UNet of 16 base filters still goes in one piece. A graphics card gives a quarter of what it has;
 * where the system does not tell, little is taken.
 *
 * @param sliceBytes what slices on their way through the process take beside the tile: input, results, what is being written
 */
export function tileMemoryBytes(
  { kind, memoryBytes }: Pick<DeviceInfo, 'kind' | 'memoryBytes'>,
  sliceBytes = 0,
): number {
  if (memoryBytes === null) return 0.5e9
  if (kind === 'gpu') return memoryBytes / 4
  const left = (processBytes - runtimeBytes - sliceBytes) / tensorflowShare
  return Math.min(1.1e9, memoryBytes / 6, Math.max(leastTileBytes, left))
}
