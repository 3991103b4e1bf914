import { mkdir, open, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import path from 'node:path'
import { PhasemarkError } from '../../../../shared/errors.ts'
import type { RuntimeHost } from './host.ts'
import { installCommand } from './install-hint.ts'
import { quietLibrary, quietSource } from './quiet-start.ts'
import { findProgram, lastLines, runTool } from './run-tool.ts'
import { addonPath, addonSources, compilerFlags } from './variant.ts'

/**
 * Path of a C++ compiler; the variable `CXX` names another one.
 * @throws `RuntimeUnavailable` with the command that installs one
 */
export function findCompiler(host: RuntimeHost): string {
  const named = host.env['CXX']
  const candidates = named === undefined || named === '' ? ['g++', 'c++', 'clang++'] : [named]
  const compiler = findProgram(candidates, host.env)
  if (compiler !== null) return compiler
  const remedy = installCommand(host, 'compiler')
  throw new PhasemarkError(
    'RuntimeUnavailable',
    `a C++ compiler is needed to build the TensorFlow addon, and there is none (looked for ${candidates.join(', ')}). Install it with: ${remedy}`,
    { remedy },
  )
}

/** First line of what the compiler says of its version, for the record. */
export async function compilerVersion(compiler: string, host: RuntimeHost): Promise<string> {
  const { stdout } = await runTool(compiler, ['--version'], { env: host.env })
  return stdout.split('\n')[0]?.trim() || compiler
}

/**
 * Compiles the addon of `@tensorflow/tfjs-node-gpu` against the libraries and headers in `folder`. The headers of
 * Node-API come from the npm package `node-api-headers`: node-gyp would download them, and Node-API is the same in every
 * Node and Electron.
 *
 * @param folder a runtime folder that holds `deps/lib` and `deps/include`
 * @throws `RuntimeUnavailable` with the compiler's own words; `NoSpace`; `Cancelled`
 */
export async function compileAddon(
  folder: string,
  compiler: string,
  host: RuntimeHost,
  signal?: AbortSignal,
): Promise<void> {
  await mkdir(path.dirname(path.join(folder, addonPath)), { recursive: true })
  const quietFile = path.join(folder, 'quiet-start.cc')
  await writeFile(quietFile, quietSource)
  await compile(compiler, quietArguments(folder, quietFile), folder, host, signal)
  await rm(quietFile)
  await compile(compiler, compilerArguments(folder, host), folder, host, signal)
  await Promise.all([addonPath, quietPath].map((name) => sync(path.join(folder, name))))
}

async function compile(
  compiler: string,
  args: readonly string[],
  folder: string,
  host: RuntimeHost,
  signal: AbortSignal | undefined,
): Promise<void> {
  const { code, endedBy, stderr } = await runTool(compiler, args, { env: host.env, signal })
  if (code === 0) return
  if (/no space left on device/i.test(stderr)) {
    throw new PhasemarkError('NoSpace', `${folder}: the disk is full; the addon does not fit`, {
      path: folder,
    })
  }
  const remedy = installCommand(host, 'compiler')
  throw new PhasemarkError(
    'RuntimeUnavailable',
    `${compiler} could not build the TensorFlow addon (${endedBy ?? `exit code ${code}`}). If a part of the compiler is missing: ${remedy}. It said:\n${lastLines(stderr, 12)}`,
    { remedy },
  )
}

async function sync(file: string): Promise<void> {
  const handle = await open(file, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

const quietPath = `deps/lib/lib${quietLibrary}.so`

function quietArguments(folder: string, source: string): string[] {
  return [
    ...compilerFlags,
    '-Wl,-z,initfirst',
    source,
    '-o',
    path.join(folder, quietPath),
    `-L${path.join(folder, 'deps/lib')}`,
    '-ltensorflow_framework',
  ]
}

/** The whole command line, without the compiler itself. */
export function compilerArguments(folder: string, host: RuntimeHost): string[] {
  const require = createRequire(import.meta.url)
  const nodeApiHeaders = path.join(path.dirname(require.resolve('node-api-headers')), 'include')
  return [
    ...compilerFlags,
    `-I${nodeApiHeaders}`,
    `-I${path.join(folder, 'deps/include')}`,
    ...addonSources(host).filter((file) => file.endsWith('.cc')),
    '-o',
    path.join(folder, addonPath),
    `-L${path.join(folder, 'deps/lib')}`,
    // The addon calls nothing in it; without this the linker would leave it out.
    '-Wl,--no-as-needed',
    `-l${quietLibrary}`,
    '-ltensorflow',
    '-ltensorflow_framework',
  ]
}
