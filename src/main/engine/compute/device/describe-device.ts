import type { DeviceState } from '../../../../shared/contract/device.ts'
import type { RuntimeStatus, VariantStatus } from '../runtime/status.ts'

type Check = DeviceState['checks'][number]

/** What was looked for, in the order in which one depends on the other. */
export function deviceChecks(status: RuntimeStatus): Check[] {
  const { driver } = status
  return [
    { name: 'NVIDIA driver', ok: driver.present, detail: driver.present ? 'found' : driver.reason },
    variantCheck('Runtime for the graphics card', variantOf(status, 'gpu'), 'npm run setup -- --gpu'),
    variantCheck('Runtime for the CPU', variantOf(status, 'cpu'), 'npm run setup'),
  ]
}

function variantCheck(name: string, variant: VariantStatus, command: string): Check {
  if (variant.ready) {
    const size = variant.sizeBytes === 0 ? '' : `, ${(variant.sizeBytes / 1e9).toFixed(1)} GB`
    return { name, ok: true, detail: `ready${size}` }
  }
  return {
    name,
    ok: false,
    detail: variant.folder === null ? 'there is none for this platform' : `not set up (${command})`,
  }
}

/**
 * What to do to get a better device, as one sentence; `null` when there is nothing to do.
 *
 * @param device what computes now; `null` when nothing does
 */
export function deviceAdvice(status: RuntimeStatus, device: DeviceState['device']): string | null {
  if (device?.kind === 'gpu') return null
  const gpu = variantOf(status, 'gpu')
  if (gpu.folder === null) return null
  if (!status.driver.present) {
    return `A graphics card trains many times faster: with an NVIDIA card, install its driver, run npm run setup -- --gpu and start again (${status.driver.reason}).`
  }
  if (!gpu.ready) {
    return 'There is an NVIDIA graphics card: run npm run setup -- --gpu once and restart the compute process to use it.'
  }
  if (device === null) return null
  return `The graphics card is not used because ${device.reasonNotBetter ?? 'it could not be opened'}: run npm run setup -- --check to see what is wrong.`
}

function variantOf(status: RuntimeStatus, device: VariantStatus['device']): VariantStatus {
  const found = status.variants.find((variant) => variant.device === device)
  if (found === undefined) throw new Error(`runtime status: expected one for ${device}, found none`)
  return found
}
