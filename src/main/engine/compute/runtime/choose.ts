import path from 'node:path'
import { PhasemarkError } from '../../../../shared/errors.ts'
import type { RuntimeHost } from './host.ts'
import { detectNvidiaDriver } from './nvidia.ts'
import { addonPath, packageAddon, readMarker, runtimeRoute } from './variant.ts'

export type DeviceWish = 'auto' | 'gpu' | 'cpu'

/** Which addon to load and whether it may use the graphics card. */
export interface RuntimeChoice {
  addonFile: string
  /** `false` hides the graphics cards from TensorFlow. */
  useGpu: boolean
  /** Why not the graphics card, when that is known before loading. */
  reasonNotBetter: string | null
}

/**
 * Picks among the runtimes that are set up, without loading anything. The graphics card comes first, then the CPU; a
 * CUDA build also computes on the CPU when it is the only one there.
 *
 * @throws `RuntimeUnavailable` naming the command that sets the missing one up.
 */
export async function chooseRuntime(wish: DeviceWish, host: RuntimeHost): Promise<RuntimeChoice> {
  const driver = detectNvidiaDriver(host)
  const gpuRoute = runtimeRoute(host, 'gpu')
  if (wish === 'gpu' && !driver.present) {
    throw new PhasemarkError('RuntimeUnavailable', `a graphics card was asked for, but ${driver.reason}`, {
      remedy: 'install the NVIDIA driver, or compute on the CPU',
    })
  }
  const gpu = await readyAddon(host, 'gpu')
  if (wish !== 'cpu' && driver.present && gpu !== null) {
    return { addonFile: gpu, useGpu: true, reasonNotBetter: null }
  }
  if (wish === 'gpu') {
    throw gpuRoute.kind === 'none'
      ? new PhasemarkError('RuntimeUnavailable', gpuRoute.reason, { remedy: 'compute on the CPU' })
      : notSetUp('npm run setup -- --gpu')
  }
  const reasonNotBetter =
    wish === 'cpu'
      ? 'the CPU was asked for'
      : !driver.present
        ? driver.reason
        : gpuRoute.kind === 'none'
          ? gpuRoute.reason
          : 'the runtime for the graphics card is not set up (npm run setup -- --gpu)'
  const cpu = (await readyAddon(host, 'cpu')) ?? gpu
  if (cpu === null) throw notSetUp('npm run setup')
  return { addonFile: cpu, useGpu: false, reasonNotBetter }
}

function notSetUp(command: string): PhasemarkError {
  return new PhasemarkError(
    'RuntimeUnavailable',
    `the compute runtime (TensorFlow) is not set up. Run: ${command}`,
    { remedy: command },
  )
}

/** The addon for a device, or `null` when it is not set up. */
async function readyAddon(host: RuntimeHost, device: 'gpu' | 'cpu'): Promise<string | null> {
  const route = runtimeRoute(host, device)
  switch (route.kind) {
    case 'wheels': {
      const { folder } = route.variant
      return (await readMarker(folder)) === null ? null : path.join(folder, addonPath)
    }
    case 'package-installer':
      return packageAddon(host)
    case 'none':
      return null
  }
}
