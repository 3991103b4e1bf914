import { mkdir, readdir, rename, rm, stat, statfs, symlink, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { PhasemarkError, hasTag } from '../../../../shared/errors.ts'
import { syncFolder } from '../../files/atomic-file.ts'
import { systemErrorCode } from '../../files/system-error.ts'
import type { JobOptions } from '../../job-options.ts'
import { compileAddon, compilerVersion, findCompiler } from './compile-addon.ts'
import { addonVersion, runtimeFolder } from './host.ts'
import type { RuntimeHost } from './host.ts'
import { downloadWheel, findPip } from './pip.ts'
import { markerFile, readMarker } from './variant.ts'
import type { RuntimeMarker, RuntimeVariant } from './variant.ts'
import { extractWheel, sha256OfFile } from './wheel-archive.ts'
import { cudaLinks, tensorflowVersion } from './wheels.ts'
import type { Wheel } from './wheels.ts'

export interface BuildOptions extends JobOptions {
  /** Tries the finished folder and throws when it does not compute. */
  prove: (folder: string, compiler: string) => Promise<unknown>
}

/** The addon and the marker take less than this beyond what the wheels unpack to. */
const otherBytes = 16 * 1024 * 1024

/**
 * Makes a variant's folder, for the holder of the setup lock: download, verify, unpack, compile, prove, then rename into
 * place. All of it happens in `<variant>.partial-<pid>`, so that the variant's own folder is complete whenever it exists.
 * Whole downloads are kept until the variant is made: an interrupted setup that is repeated does not fetch them again.
 *
 * @throws `RuntimeUnavailable`, `NoSpace`, `NotWritable`, `Cancelled`. Nothing unfinished is left behind.
 */
export async function buildVariant(
  host: RuntimeHost,
  variant: RuntimeVariant,
  options: BuildOptions,
): Promise<RuntimeMarker> {
  const { signal, onProgress } = options
  const parent = runtimeFolder(host)
  const downloads = path.join(parent, 'downloads')
  const partial = `${variant.folder}.partial-${process.pid}`
  const compiler = findCompiler(host)
  try {
    await mkdir(downloads, { recursive: true })
    await removeLeftovers(parent)
    await demandSpace(variant, downloads)
    await mkdir(partial)
    const files = await obtainWheels(host, variant, downloads, partial, options)
    await unpackWheels(variant, files, partial, options)
    await linkLibraries(partial, variant.device)
    onProgress?.({ stage: 'compiling', done: 0, total: 1, unit: 'steps' })
    await compileAddon(partial, compiler, host, signal)
    onProgress?.({ stage: 'compiling', done: 1, total: 1, unit: 'steps' })
    await rm(path.join(partial, 'deps/include'), { recursive: true })
    onProgress?.({ stage: 'proving', done: 0, total: 1, unit: 'steps' })
    await options.prove(partial, compiler)
    onProgress?.({ stage: 'proving', done: 1, total: 1, unit: 'steps' })
    const marker = await writeMarker(host, variant, partial, await compilerVersion(compiler, host))
    await moveIntoPlace(partial, variant.folder)
    await Promise.all(files.map((file) => rm(file, { force: true })))
    return marker
  } catch (error) {
    throw asDiskError(error, parent)
  } finally {
    await rm(partial, { recursive: true, force: true })
  }
}

/** Downloads what is not there yet and verifies all of it. Returns one path per wheel. */
async function obtainWheels(
  host: RuntimeHost,
  variant: RuntimeVariant,
  downloads: string,
  partial: string,
  { signal, onProgress }: JobOptions,
): Promise<string[]> {
  const total = sum(variant.wheels.map((wheel) => wheel.sizeBytes))
  const files: string[] = []
  let before = 0
  let python: string | null = null
  for (const wheel of variant.wheels) {
    const file = path.join(downloads, wheel.fileName)
    const base = before
    const report = (done: number) =>
      onProgress?.({ stage: 'downloading', done: base + done, total, unit: 'bytes' })
    if (!(await isExactly(file, wheel, signal))) {
      await rm(file, { force: true })
      python ??= await findPip(host, signal)
      const work = path.join(partial, 'download')
      await downloadWheel(python, wheel, file, work, host, {
        ...(signal === undefined ? {} : { signal }),
        onProgress: ({ done }) => report(done),
      })
      await demandExact(file, wheel, signal)
      await rm(work, { recursive: true, force: true })
    }
    report(wheel.sizeBytes)
    before += wheel.sizeBytes
    files.push(file)
  }
  return files
}

async function isExactly(file: string, wheel: Wheel, signal?: AbortSignal): Promise<boolean> {
  const found = await stat(file).catch(() => null)
  return found?.size === wheel.sizeBytes && (await sha256OfFile(file, signal)) === wheel.sha256
}

/** Refuses, and removes, a wheel that is not the pinned one, whoever delivered it. */
async function demandExact(file: string, wheel: Wheel, signal?: AbortSignal): Promise<void> {
  const found = await sha256OfFile(file, signal)
  if (found === wheel.sha256) return
  await rm(file, { force: true })
  throw new PhasemarkError(
    'RuntimeUnavailable',
    `${wheel.fileName}: expected SHA-256 ${wheel.sha256}, found ${found}; the download is damaged or not the genuine file, and was removed`,
    { remedy: `check pip's index (pip config list), then run: npm run setup` },
  )
}

async function unpackWheels(
  variant: RuntimeVariant,
  files: readonly string[],
  partial: string,
  { signal, onProgress }: JobOptions,
): Promise<void> {
  const total = sum(variant.wheels.map((wheel) => wheel.unpackedBytes))
  let before = 0
  for (const [i, wheel] of variant.wheels.entries()) {
    const base = before
    await extractWheel(files[i], wheel, partial, {
      ...(signal === undefined ? {} : { signal }),
      onProgress: (progress) => onProgress?.({ ...progress, done: base + progress.done, total }),
    })
    before += wheel.unpackedBytes
  }
}

/**
 * The names under which the linker looks for TensorFlow. The C API that the addon wants lives in `libtensorflow_cc` in the
 * wheels; the stand-alone `libtensorflow` is not part of them. For a graphics card also the links that CUDA needs.
 */
async function linkLibraries(folder: string, device: 'gpu' | 'cpu'): Promise<void> {
  const libraries = path.join(folder, 'deps/lib')
  await symlink('libtensorflow_cc.so.2', path.join(libraries, 'libtensorflow.so'))
  await symlink('libtensorflow_framework.so.2', path.join(libraries, 'libtensorflow_framework.so'))
  if (device === 'cpu') return
  for (const link of cudaLinks) await symlink(link.target, path.join(folder, link.path))
}

async function writeMarker(
  host: RuntimeHost,
  variant: RuntimeVariant,
  partial: string,
  compiler: string,
): Promise<RuntimeMarker> {
  const names = (await readdir(partial, { recursive: true, withFileTypes: true }))
    // The size of a link says nothing; what it leads to is in the list.
    .filter((entry) => entry.isFile())
    .map((entry) => path.join(entry.parentPath, entry.name))
    .sort()
  const marker: RuntimeMarker = {
    schema: 1,
    variant: variant.name,
    device: variant.device,
    tensorflowVersion,
    addonVersion: addonVersion(host),
    compiler,
    madeAt: new Date().toISOString(),
    wheels: variant.wheels.map(({ fileName, sha256 }) => ({ file: fileName, sha256 })),
    files: await Promise.all(
      names.map(async (name) => ({
        path: path.relative(partial, name).split(path.sep).join('/'),
        bytes: (await stat(name)).size,
      })),
    ),
  }
  await writeFile(markerFile(partial), `${JSON.stringify(marker, null, 2)}\n`, { flush: true })
  return marker
}

/** Puts the finished folder into place. When another setup was faster, its folder is as good as ours and stays. */
async function moveIntoPlace(partial: string, folder: string): Promise<void> {
  if ((await readMarker(folder)) !== null) return
  const damaged = `${folder}.damaged-${process.pid}`
  if ((await stat(folder).catch(() => null)) !== null) await rename(folder, damaged)
  await rename(partial, folder)
  await syncFolder(path.dirname(folder))
  await rm(damaged, { recursive: true, force: true })
}

/** Removes what setups that were killed left behind. Only the holder of the lock calls this, so nobody works in them. */
async function removeLeftovers(parent: string): Promise<void> {
  for (const name of await readdir(parent)) {
    if (/\.(?:partial|damaged)-\d+$/.test(name)) {
      await rm(path.join(parent, name), { recursive: true, force: true })
    }
  }
}

async function demandSpace(variant: RuntimeVariant, downloads: string): Promise<void> {
  const missing = await Promise.all(
    variant.wheels.map(async (wheel) => {
      const found = await stat(path.join(downloads, wheel.fileName)).catch(() => null)
      return found === null ? wheel.sizeBytes : 0
    }),
  )
  const needed = sum(missing) + sum(variant.wheels.map((wheel) => wheel.unpackedBytes)) + otherBytes
  const { bavail, bsize } = await statfs(downloads)
  const free = bavail * bsize
  if (free >= needed) return
  throw new PhasemarkError(
    'NoSpace',
    `${path.dirname(downloads)}: expected ${gigabytes(needed)} of free disk space for setup, found ${gigabytes(free)}. Free some, or set PHASEMARK_CACHE to a folder on another disk`,
    { path: path.dirname(downloads) },
  )
}

/** Names the place when the disk is full or closed; other errors pass. */
function asDiskError(error: unknown, folder: string): unknown {
  const code = systemErrorCode(error)
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    return new PhasemarkError('NoSpace', `${folder}: the disk is full`, { path: folder }, { cause: error })
  }
  if (code === 'EACCES' || code === 'EPERM' || code === 'EROFS') {
    return new PhasemarkError(
      'NotWritable',
      `${folder}: expected a folder that can be written, found none. Set PHASEMARK_CACHE to another one`,
      { path: folder },
      { cause: error },
    )
  }
  if (hasTag(error, 'BadInput')) {
    // A wheel with the right checksum that does not unpack as its table says is a defect of the table, not of the user's files.
    return new PhasemarkError('Internal', error.message, {}, { cause: error })
  }
  return error
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0)
}

function gigabytes(bytes: number): string {
  return `${(bytes / 1e9).toFixed(1)} GB`
}
