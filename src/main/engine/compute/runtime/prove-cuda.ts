import { rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { PhasemarkError } from '../../../../shared/errors.ts'
import type { RuntimeHost } from './host.ts'
import { lastLines, runTool } from './run-tool.ts'

/**
 * Asks TensorFlow itself whether it finds every CUDA library: the function with which it decides, before it
 * registers a graphics card, whether it can (tsl::internal::DsoLoader::TryDlopenCUDALibraries, exported by the pinned
 * version). It needs neither a card nor a driver. A status of 1 is absl's representation of "OK".
 */
const source = `
#include <cstdint>

struct Status {
  std::uintptr_t representation;
  // Makes it a class that is returned in memory, as the real one is.
  ~Status() {}
};

Status TryDlopenCudaLibraries()
    __asm__("_ZN3tsl8internal9DsoLoader22TryDlopenCUDALibrariesEv");

int main() { return TryDlopenCudaLibraries().representation == 1 ? 0 : 1; }
`

/**
 * Checks the layout of a runtime for graphics cards, on any machine, with the libraries in its folder alone.
 *
 * @throws `RuntimeUnavailable` with what TensorFlow says of the library that it misses; `Cancelled`
 */
export async function proveCudaLayout(
  folder: string,
  compiler: string,
  host: RuntimeHost,
  signal?: AbortSignal,
): Promise<void> {
  const sourceFile = path.join(folder, 'prove-cuda.cc')
  const program = path.join(folder, 'prove-cuda')
  const libraries = path.join(folder, 'deps/lib')
  // A system CUDA must not hide that ours is incomplete.
  const env = {
    ...host.env,
    LD_LIBRARY_PATH: undefined,
    // Makes TensorFlow name each library that it opens or misses.
    TF_CPP_MIN_LOG_LEVEL: '0',
    TF_CPP_VMODULE: 'dso_loader=1',
  }
  try {
    await writeFile(sourceFile, source)
    const args = [
      sourceFile,
      '-o',
      program,
      `-L${libraries}`,
      '-ltensorflow_framework',
      `-Wl,-rpath,${libraries}`,
    ]
    const compiled = await runTool(compiler, args, { env, signal })
    if (compiled.code !== 0) throw incomplete(folder, compiled.stderr)
    const { code, stderr } = await runTool(program, [], { env, signal })
    if (code !== 0) throw incomplete(folder, stderr)
  } finally {
    await Promise.all([sourceFile, program].map((file) => rm(file, { force: true })))
  }
}

function incomplete(folder: string, output: string): PhasemarkError {
  return new PhasemarkError(
    'RuntimeUnavailable',
    `${folder}: expected TensorFlow to find all CUDA libraries, found that it does not. It said:\n${lastLines(output)}`,
    { remedy: 'npm run setup -- --cpu' },
  )
}
