import path from 'node:path'
import { PhasemarkError } from '../../../../shared/errors.ts'
import { makeFolder } from '../../files/atomic-file.ts'
import type { FolderLock } from '../../files/lock.ts'
import type { JobOptions } from '../../job-options.ts'
import { buildVariant } from './build-variant.ts'
import type { DeviceWish } from './choose.ts'
import { currentHost, runtimeFolder } from './host.ts'
import type { RuntimeHost } from './host.ts'
import { detectNvidiaDriver } from './nvidia.ts'
import { removePackageAddon, runPackageInstaller } from './package-installer.ts'
import { proveCudaLayout } from './prove-cuda.ts'
import { proveAddon } from './prove.ts'
import { acquireSetupLock } from './setup-lock.ts'
import { addonPath, packageAddon, readMarker, runtimeRoute } from './variant.ts'
import type { RuntimeRoute, RuntimeVariant } from './variant.ts'
import { oldestGlibc, tensorflowVersion } from './wheels.ts'

export interface SetupOptions extends JobOptions {
  /** `auto` prepares for the graphics card when the machine has an NVIDIA driver, else for the CPU. */
  device?: DeviceWish
  host?: RuntimeHost
  /** Told of things worth knowing that are no progress, one sentence each. */
  onNote?: (sentence: string) => void
  /** Replaces the route that the platform decides; for tests. */
  route?: RuntimeRoute
  /** Replaces the proof in a child process; for tests with libraries that are none. */
  prove?: typeof proveAddon
}

export interface SetupResult {
  /** `ready`: there was nothing to do. */
  outcome: 'ready' | 'made'
  device: 'gpu' | 'cpu'
  /** Folder of the runtime, or the addon's package where its own installer is used. */
  folder: string
  tensorflowVersion: string
  /** Why not the graphics card; `null` when it is used. */
  reasonNotBetter: string | null
}

/**
 * Prepares the compute runtime. Quick when nothing is to be done, safe to repeat, and safe to interrupt at any moment. Two
 * setups at once wait for each other.
 *
 * @throws `RuntimeUnavailable` with a remedy when a tool, the network or a fitting TensorFlow is missing; `NoSpace`;
 *   `NotWritable`; `Cancelled`
 */
export async function setUpRuntime(options: SetupOptions = {}): Promise<SetupResult> {
  const host = options.host ?? currentHost()
  const { device, route, reasonNotBetter } = decide(host, options)
  switch (route.kind) {
    case 'none':
      throw new PhasemarkError('RuntimeUnavailable', route.reason, { remedy: 'npm run setup -- --cpu' })
    case 'package-installer': {
      const outcome = await installPackage(host, device, options)
      return {
        outcome,
        device,
        folder: host.addonPackageFolder,
        tensorflowVersion: 'package',
        reasonNotBetter,
      }
    }
    case 'wheels': {
      const outcome = await makeVariant(host, route.variant, options)
      return { outcome, device, folder: route.variant.folder, tensorflowVersion, reasonNotBetter }
    }
  }
}

/** What setup would do, without doing it. */
export interface SetupPlan {
  device: 'gpu' | 'cpu'
  reasonNotBetter: string | null
  route: RuntimeRoute
  /** Whether there is nothing left to do. */
  ready: boolean
}

/** Decides as {@link setUpRuntime} does and changes nothing. */
export async function planSetup(options: SetupOptions = {}): Promise<SetupPlan> {
  const host = options.host ?? currentHost()
  const decision = decide(host, options)
  return { ...decision, ready: await isReady(host, decision.route) }
}

async function isReady(host: RuntimeHost, route: RuntimeRoute): Promise<boolean> {
  switch (route.kind) {
    case 'wheels':
      return (await readMarker(route.variant.folder)) !== null
    case 'package-installer':
      return (await packageAddon(host)) !== null
    case 'none':
      return false
  }
}

interface Decision {
  device: 'gpu' | 'cpu'
  route: RuntimeRoute
  reasonNotBetter: string | null
}

function decide(host: RuntimeHost, { device: wish = 'auto', route }: SetupOptions): Decision {
  const driver = detectNvidiaDriver(host)
  const gpuRoute = route ?? runtimeRoute(host, 'gpu')
  if (wish === 'gpu') {
    return { device: 'gpu', route: gpuRoute, reasonNotBetter: driver.present ? null : driver.reason }
  }
  if (wish === 'auto' && driver.present && gpuRoute.kind !== 'none') {
    return { device: 'gpu', route: gpuRoute, reasonNotBetter: null }
  }
  const reasonNotBetter =
    wish === 'cpu'
      ? 'the CPU was asked for'
      : !driver.present
        ? driver.reason
        : gpuRoute.kind === 'none'
          ? gpuRoute.reason
          : null
  return { device: 'cpu', route: route ?? runtimeRoute(host, 'cpu'), reasonNotBetter }
}

async function makeVariant(
  host: RuntimeHost,
  variant: RuntimeVariant,
  options: SetupOptions,
): Promise<'ready' | 'made'> {
  if ((await readMarker(variant.folder)) !== null) return 'ready'
  demandGlibc(host)
  const lock = await lockFolder(host, options)
  try {
    // Whoever held the lock before may have made it.
    if ((await readMarker(variant.folder)) !== null) return 'ready'
    const driver = detectNvidiaDriver(host)
    const expectGpu = variant.device === 'gpu' && driver.present
    if (variant.device === 'gpu' && !driver.present) {
      options.onNote?.(
        `The graphics card cannot be tried here (${driver.reason}): the convolution runs on the CPU, and TensorFlow is asked whether it finds all CUDA libraries.`,
      )
    }
    await buildVariant(host, variant, {
      ...jobOptions(options),
      prove: async (folder, compiler) => {
        const addonFile = path.join(folder, addonPath)
        if (options.prove) return options.prove(addonFile, expectGpu, host, options.signal)
        if (variant.device === 'gpu') await proveCudaLayout(folder, compiler, host, options.signal)
        return proveAddon(addonFile, expectGpu, host, options.signal)
      },
    })
    return 'made'
  } finally {
    await lock.release()
  }
}

async function installPackage(
  host: RuntimeHost,
  device: 'gpu' | 'cpu',
  options: SetupOptions,
): Promise<'ready' | 'made'> {
  if ((await packageAddon(host)) !== null) return 'ready'
  const lock = await lockFolder(host, options)
  try {
    if ((await packageAddon(host)) !== null) return 'ready'
    options.onProgress?.({ stage: 'installing', done: 0, total: 1, unit: 'steps' })
    const addonFile = await runPackageInstaller(host, device, options.signal)
    // Its TensorFlow decides by itself whether the card will do, so the proof does not insist on it.
    await (options.prove ?? proveAddon)(addonFile, false, host, options.signal)
    options.onProgress?.({ stage: 'installing', done: 1, total: 1, unit: 'steps' })
    return 'made'
  } catch (error) {
    await removePackageAddon(host)
    throw error
  } finally {
    await lock.release()
  }
}

async function lockFolder(host: RuntimeHost, options: SetupOptions): Promise<FolderLock> {
  const folder = runtimeFolder(host)
  await makeFolder(folder)
  return acquireSetupLock(folder, {
    signal: options.signal,
    onWait: (owner) => options.onNote?.(`Another setup is at work: ${owner}. Waiting for it.`),
  })
}

/** The wheels are built for glibc of a certain age; musl and older systems cannot load them. */
function demandGlibc(host: RuntimeHost): void {
  const found = host.glibcVersion()
  if (found !== null && isAtLeast(found, oldestGlibc)) return
  throw new PhasemarkError(
    'RuntimeUnavailable',
    `TensorFlow needs the C library glibc ${oldestGlibc} or newer, found ${found ?? 'another C library'}`,
    { remedy: 'use a distribution with glibc, such as Debian 10, Ubuntu 18.04, RHEL 8 or newer' },
  )
}

function isAtLeast(version: string, oldest: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  const [oldestMajor = 0, oldestMinor = 0] = oldest.split('.').map(Number)
  return major > oldestMajor || (major === oldestMajor && minor >= oldestMinor)
}

function jobOptions({ signal, onProgress }: JobOptions): JobOptions {
  return {
    ...(signal === undefined ? {} : { signal }),
    ...(onProgress === undefined ? {} : { onProgress }),
  }
}
