import os from 'node:os'
import { PhasemarkError } from '../../../../shared/errors.ts'
import type { DeviceInfo } from '../../../../shared/device.ts'
import { registerBackend } from './backend.ts'
import type { RegisteredBackend, TensorFlow, TensorflowBackend } from './backend.ts'
import { chooseRuntime } from './choose.ts'
import type { DeviceWish, RuntimeChoice } from './choose.ts'
import { addonVersion, currentHost } from './host.ts'
import type { RuntimeHost } from './host.ts'
import { describeGpu } from './nvidia.ts'

export interface ComputeRuntimeOptions {
  /** `auto` takes the graphics card when there is one that works. Default: `auto`. */
  device?: DeviceWish
}

export interface ComputeRuntime {
  tf: TensorFlow
  backend: TensorflowBackend
  device: DeviceInfo
  versions: { tfjs: string; tensorflow: string; addon: string; node: string }
}

let loading: Promise<ComputeRuntime> | null = null

/**
 * Loads TensorFlow into this process and says what it runs on. TensorFlow exists once per process: later calls get the same
 * runtime, and asking for another device than the one that was loaded is an error.
 *
 * @throws `RuntimeUnavailable` when the runtime is not set up or does not load, or when `gpu` was asked for and there is
 *   none; the remedy is in the fields. `WrongUsage` when another device is loaded already.
 */
export async function loadComputeRuntime(options: ComputeRuntimeOptions = {}): Promise<ComputeRuntime> {
  const device = options.device ?? 'auto'
  if (loading === null) {
    loading = load(device, currentHost())
    // A failed attempt must not stand in the way of one after `npm run setup`.
    loading.catch(() => (loading = null))
    return loading
  }
  const runtime = await loading
  if (device !== 'auto' && runtime.device.kind !== device) {
    throw new PhasemarkError(
      'WrongUsage',
      `expected the compute device ${device}, but TensorFlow is already loaded on ${runtime.device.name}; start a new process`,
      { argument: 'device' },
    )
  }
  return runtime
}

async function load(wish: DeviceWish, host: RuntimeHost): Promise<ComputeRuntime> {
  const choice = await chooseRuntime(wish, host)
  prepareEnvironment(choice)
  const { tf, backend, tensorflowVersion } = await open(choice)
  const kind = backend.isUsingGpuDevice ? 'gpu' : 'cpu'
  if (wish === 'gpu' && kind === 'cpu') {
    throw new PhasemarkError('RuntimeUnavailable', `a graphics card was asked for, but ${gpuRefused}`, {
      remedy: 'npm run setup -- --check, then docs/compute-runtime.md',
    })
  }
  const addon = addonVersion(host)
  const described = kind === 'gpu' ? await describeGpu(host) : describeCpu()
  return {
    tf,
    backend,
    device: {
      kind,
      ...described,
      tensorflowVersion,
      addonVersion: addon,
      reasonNotBetter: kind === 'gpu' ? null : (choice.reasonNotBetter ?? gpuRefused),
      threads: threads(host),
    },
    versions: { tfjs: tf.version.tfjs, tensorflow: tensorflowVersion, addon, node: process.versions.node },
  }
}

const gpuRefused =
  'TensorFlow could not open it; with TF_CPP_MIN_LOG_LEVEL=0 TF_CPP_VMODULE=dso_loader=1 in the environment it says why'

/**
 * Sets what TensorFlow reads from the environment when it starts. Values that the user has set are kept. In a worker thread
 * `process.env` is a copy that native code does not see, so the runtime belongs into a process of its own.
 */
function prepareEnvironment(choice: RuntimeChoice): void {
  // 2 leaves errors and hides information and warnings, which TensorFlow prints by the dozen on every healthy start.
  process.env['TF_CPP_MIN_LOG_LEVEL'] ??= '2'
  // Take memory of the card as it is needed: other programs on a workstation use the card too.
  process.env['TF_FORCE_GPU_ALLOW_GROWTH'] ??= 'true'
  if (!choice.useGpu) process.env['CUDA_VISIBLE_DEVICES'] = '-1'
}

async function open(choice: RuntimeChoice): Promise<RegisteredBackend> {
  try {
    return await registerBackend(choice.addonFile)
  } catch (cause) {
    throw new PhasemarkError(
      'RuntimeUnavailable',
      `${choice.addonFile}: TensorFlow does not load: ${cause instanceof Error ? cause.message : String(cause)}. Remove its folder and run: npm run setup`,
      { remedy: 'npm run setup' },
      { cause },
    )
  }
}

function describeCpu(): { name: string; memoryBytes: number } {
  const total = os.totalmem()
  // A container's own limit; 0 or a huge number when there is none.
  const limit = process.constrainedMemory()
  return {
    name: os.cpus()[0]?.model.trim() || `${os.arch()} processor`,
    memoryBytes: limit > 0 && limit < total ? limit : total,
  }
}

/** TensorFlow takes all cores that the process may run on, unless its variable says otherwise. */
function threads(host: RuntimeHost): number {
  const wanted = Number(host.env['TF_NUM_INTRAOP_THREADS'])
  return Number.isInteger(wanted) && wanted > 0 ? wanted : os.availableParallelism()
}
