import { Command, Option } from 'commander'
import { PhasemarkError } from '../../../../shared/errors.ts'
import type { Progress } from '../../../../shared/job.ts'
import type { DeviceWish } from '../../../engine/compute/runtime/choose.ts'
import { planSetup, setUpRuntime } from '../../../engine/compute/runtime/setup.ts'
import type { SetupPlan, SetupResult } from '../../../engine/compute/runtime/setup.ts'
import { runtimeStatus } from '../../../engine/compute/runtime/status.ts'
import type { RuntimeStatus } from '../../../engine/compute/runtime/status.ts'
import type { Wheel } from '../../../engine/compute/runtime/wheels.ts'
import { printJson } from '../progress-display.ts'
import { runCommand, withCommonOptions } from '../reporting.ts'

interface SetupFlags {
  gpu?: true
  cpu?: true
  check?: true
  dryRun?: true
  json?: true
}

const megabyte = 1e6
const deviceNames = { gpu: 'graphics card', cpu: 'CPU' } as const

/** `phasemark setup`: prepares TensorFlow, says what is ready, or says what it would do. */
export function setupCommand(): Command {
  const command = new Command('setup')
    .description(
      'prepare the compute runtime (TensorFlow); quick when it is ready, safe to repeat and to interrupt',
    )
    .addOption(new Option('--gpu', 'prepare for an NVIDIA graphics card, CUDA included').conflicts('cpu'))
    .addOption(new Option('--cpu', 'prepare for the CPU, even when there is a graphics card'))
    .addOption(new Option('--check', 'say what is ready and change nothing').conflicts('dryRun'))
    .addOption(new Option('--dry-run', 'list what would be downloaded and where it would go'))
    .action(async (flags: SetupFlags) => {
      const device: DeviceWish = flags.gpu ? 'gpu' : flags.cpu ? 'cpu' : 'auto'
      if (flags.check) await check(device, flags.json === true)
      else if (flags.dryRun) await dryRun(device, flags.json === true)
      else await prepare(device, flags)
    })
  return withCommonOptions(command)
}

async function prepare(device: DeviceWish, flags: SetupFlags): Promise<void> {
  await runCommand(
    'setup',
    flags,
    (context) => {
      const estimate = timeLeft()
      return setUpRuntime({
        device,
        signal: context.signal,
        onProgress: (progress) =>
          context.onProgress(flags.json ? estimate(progress) : forPeople(estimate(progress))),
        onNote: (sentence) => context.note(sentence),
      })
    },
    summary,
  )
}

/** Adds the time left in a stage, from its own speed so far. */
function timeLeft(): (progress: Progress) => Progress {
  let stage = ''
  let startedMs = 0
  let startedAt = 0
  return (progress) => {
    if (progress.stage !== stage) {
      stage = progress.stage
      startedMs = performance.now()
      startedAt = progress.done
    }
    const advance = progress.done - startedAt
    if (progress.unit !== 'bytes' || advance <= 0) return progress
    const seconds = (performance.now() - startedMs) / 1000
    return { ...progress, etaSeconds: (seconds / advance) * (progress.total - progress.done) }
  }
}

/** Nobody reads nine digits of bytes. */
function forPeople(progress: Progress): Progress {
  if (progress.unit !== 'bytes') return progress
  return {
    ...progress,
    done: inMegabytes(progress.done),
    total: inMegabytes(progress.total),
    unit: 'MB',
  }
}

function summary(result: SetupResult): string {
  const state = result.outcome === 'ready' ? 'is ready' : 'is set up'
  const what = result.device === 'gpu' ? 'not tried on one' : 'not the graphics card'
  const why = result.reasonNotBetter === null ? '' : ` (${what}: ${result.reasonNotBetter})`
  return `Compute runtime for the ${deviceNames[result.device]} ${state}: TensorFlow ${result.tensorflowVersion}${why}`
}

async function check(wish: DeviceWish, json: boolean): Promise<void> {
  const [status, plan] = await Promise.all([runtimeStatus(), planSetup({ device: wish })])
  if (json) printJson({ type: 'result', command: 'setup', device: plan.device, ready: plan.ready, ...status })
  else for (const line of statusLines(status)) console.log(line)
  if (plan.ready) return
  const remedy = wish === 'auto' ? 'npm run setup' : `npm run setup -- --${wish}`
  throw new PhasemarkError(
    'RuntimeUnavailable',
    `the compute runtime for the ${deviceNames[plan.device]} is not set up. Run: ${remedy}`,
    { remedy },
  )
}

function statusLines(status: RuntimeStatus): string[] {
  const driver = status.driver.present ? 'found' : `none (${status.driver.reason})`
  return [
    `NVIDIA driver: ${driver}`,
    ...status.variants.map(({ device, ready, folder, sizeBytes, madeAt }) => {
      if (folder === null) return `${deviceNames[device]}: not available on this platform`
      if (!ready) return `${deviceNames[device]}: not set up`
      const details = madeAt === null ? '' : `, ${megabytes(sizeBytes)}, made ${madeAt.slice(0, 10)}`
      return `${deviceNames[device]}: ready in ${folder}${details}`
    }),
  ]
}

async function dryRun(device: DeviceWish, json: boolean): Promise<void> {
  const plan = await planSetup({ device })
  if (plan.route.kind === 'none') {
    throw new PhasemarkError('RuntimeUnavailable', plan.route.reason, { remedy: 'npm run setup -- --cpu' })
  }
  if (json) printJson({ type: 'result', command: 'setup', dryRun: true, ...planData(plan) })
  else for (const line of planLines(plan)) console.log(line)
}

function planData(plan: SetupPlan): object {
  const common = { device: plan.device, ready: plan.ready, reasonNotBetter: plan.reasonNotBetter }
  if (plan.route.kind !== 'wheels') return { ...common, route: plan.route.kind }
  const { folder, wheels } = plan.route.variant
  return {
    ...common,
    route: plan.route.kind,
    folder,
    downloadBytes: sum(wheels.map((wheel) => wheel.sizeBytes)),
    unpackedBytes: sum(wheels.map((wheel) => wheel.unpackedBytes)),
    wheels: wheels.map(({ project, version, fileName, sha256, sizeBytes, unpackedBytes, take }) => ({
      project,
      version,
      fileName,
      sha256,
      sizeBytes,
      unpackedBytes,
      members: take.map(({ pattern, target }) => ({ pattern: pattern.source, target })),
    })),
  }
}

function planLines(plan: SetupPlan): string[] {
  const why = plan.reasonNotBetter === null ? '' : ` (no graphics card: ${plan.reasonNotBetter})`
  const heading = `Device: ${deviceNames[plan.device]}${why}`
  if (plan.route.kind !== 'wheels') {
    return [
      heading,
      'TensorFlow comes from the installer of @tensorflow/tfjs-node-gpu, into the package itself',
    ]
  }
  const { folder, wheels } = plan.route.variant
  return [
    heading,
    `Folder: ${folder}${plan.ready ? ' (ready, nothing to do)' : ''}`,
    ...wheels.map(wheelLine),
    `In all: ${megabytes(sum(wheels.map((wheel) => wheel.sizeBytes)))} to download, ${megabytes(sum(wheels.map((wheel) => wheel.unpackedBytes)))} unpacked`,
  ]
}

function wheelLine(wheel: Wheel): string {
  const isCuda = wheel.project.startsWith('nvidia-')
  const target = isCuda ? 'deps/nvidia' : 'deps/lib'
  return `  ${`${wheel.project} ${wheel.version}`.padEnd(34)} ${megabytes(wheel.sizeBytes).padStart(8)} → ${target}  sha256 ${wheel.sha256}`
}

function inMegabytes(bytes: number): number {
  return Math.round(bytes / megabyte)
}

function megabytes(bytes: number): string {
  return `${inMegabytes(bytes)} MB`
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0)
}
