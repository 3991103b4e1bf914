import { mkdir, readdir, rename, stat } from 'node:fs/promises'
import path from 'node:path'
import { PhasemarkError } from '../../../../shared/errors.ts'
import type { JobOptions } from '../../job-options.ts'
import type { RuntimeHost } from './host.ts'
import { installCommand } from './install-hint.ts'
import { findProgram, lastLines, runTool } from './run-tool.ts'
import { wheelPython } from './wheels.ts'
import type { Wheel } from './wheels.ts'

/**
 * Runs pip, and ends with it when standard input closes, that is when the process that started it died. pip alone would
 * go on downloading for nobody.
 */
const launcher = [
  'import os, runpy, sys, threading',
  'def watch():',
  // Not sys.stdin: its lock would be held when the interpreter ends.
  '    while os.read(0, 4096): pass',
  '    os._exit(75)',
  'threading.Thread(target=watch, daemon=True).start()',
  'sys.argv[0] = "pip"',
  'runpy.run_module("pip", run_name="__main__")',
].join('\n')

/** How often the size of the growing download is looked at. */
const pollMs = 250

/**
 * Path of a Python that has pip.
 * @throws `RuntimeUnavailable` with the command that installs what is missing
 */
export async function findPip(host: RuntimeHost, signal?: AbortSignal): Promise<string> {
  const named = host.env['PYTHON']
  const python = findProgram(named === undefined || named === '' ? ['python3', 'python'] : [named], host.env)
  if (python === null) {
    const remedy = installCommand(host, 'python')
    throw new PhasemarkError(
      'RuntimeUnavailable',
      `pip, which downloads TensorFlow, needs Python, and there is none (looked for ${named ?? 'python3, python'}). Install it with: ${remedy}`,
      { remedy },
    )
  }
  const { code, stderr } = await runTool(python, ['-m', 'pip', '--version'], { env: host.env, signal })
  if (code === 0) return python
  const remedy = installCommand(host, 'pip')
  throw new PhasemarkError(
    'RuntimeUnavailable',
    `pip, which downloads TensorFlow, is missing (${python} -m pip: ${lastLines(stderr, 1)}). Install it with: ${remedy}`,
    { remedy },
  )
}

/** Arguments that make pip fetch exactly this wheel, whatever Python and machine pip itself runs on. */
export function downloadArguments(wheel: Wheel, folder: string): string[] {
  return [
    'download',
    '--no-deps',
    '--only-binary=:all:',
    '--no-input',
    '--disable-pip-version-check',
    // Setup keeps what it needs; a second copy in pip's own cache would only fill the disk.
    '--no-cache-dir',
    '--progress-bar=off',
    `--python-version=${wheelPython}`,
    '--implementation=cp',
    `--abi=cp${wheelPython}`,
    ...wheel.platforms.map((platform) => `--platform=${platform}`),
    `--dest=${folder}`,
    `${wheel.project}==${wheel.version}`,
  ]
}

/**
 * Downloads a wheel by name and version into `target`, which appears only when the download is whole. Index, mirrors,
 * proxies and certificates are pip's own configuration.
 *
 * @param work folder for the unfinished file, on the same disk as `target`
 * @throws `RuntimeUnavailable` with pip's own words; `NoSpace`; `Cancelled`
 */
export async function downloadWheel(
  python: string,
  wheel: Wheel,
  target: string,
  work: string,
  host: RuntimeHost,
  options: JobOptions = {},
): Promise<void> {
  const temporary = path.join(work, 'tmp')
  const arrived = path.join(work, 'wheels')
  await Promise.all([mkdir(temporary, { recursive: true }), mkdir(arrived, { recursive: true })])
  let reported = -1
  const report = (done: number) => {
    // pip moves the file at the end, and a look at the disk may answer late: never go backwards.
    if (done <= reported) return
    reported = done
    options.onProgress?.({ stage: 'downloading', done, total: wheel.sizeBytes, unit: 'bytes' })
  }
  report(0)
  // pip tells its progress in a different way with each version; the size of its temporary file tells the same.
  const timer = setInterval(() => {
    void largestFile(temporary).then((bytes) => report(Math.min(bytes, wheel.sizeBytes)))
  }, pollMs)
  const env = { ...host.env, TMPDIR: temporary, TEMP: temporary, TMP: temporary }
  try {
    const { code, stdout, stderr } = await runTool(
      python,
      ['-c', launcher, ...downloadArguments(wheel, arrived)],
      { env, signal: options.signal },
    )
    const file = path.join(arrived, wheel.fileName)
    const found = await stat(file).catch(() => null)
    if (code !== 0 || found === null) throw downloadFailed(wheel, work, `${stdout}\n${stderr}`)
    await rename(file, target)
    report(wheel.sizeBytes)
  } finally {
    clearInterval(timer)
  }
}

function downloadFailed(wheel: Wheel, work: string, output: string): PhasemarkError {
  if (/no space left on device|errno 28|disk quota exceeded/i.test(output)) {
    return new PhasemarkError('NoSpace', `${work}: the disk is full; ${wheel.fileName} does not fit`, {
      path: work,
    })
  }
  const remedy = `check the network, or pip's index and proxy (pip config list), then run: npm run setup`
  return new PhasemarkError(
    'RuntimeUnavailable',
    `pip could not download ${wheel.project} ${wheel.version} (${wheel.fileName}): ${remedy}. pip said:\n${lastLines(output)}`,
    { remedy },
  )
}

async function largestFile(folder: string): Promise<number> {
  try {
    let largest = 0
    for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
      if (!entry.isFile()) continue
      const found = await stat(path.join(entry.parentPath, entry.name))
      largest = Math.max(largest, found.size)
    }
    return largest
  } catch {
    // pip removed a file between listing and looking: the next poll sees the new state.
    return 0
  }
}
