import type { DeviceInfo } from '../../../shared/device.ts'

/** One line: what computes, and why nothing better. */
export function describeDevice(device: DeviceInfo): string {
  const what = device.kind === 'gpu' ? 'graphics card' : `CPU, ${device.threads} threads`
  const why = device.reasonNotBetter === null ? '' : `; ${device.reasonNotBetter}`
  return `Device: ${device.name} (${what}), TensorFlow ${device.tensorflowVersion}${why}`
}
