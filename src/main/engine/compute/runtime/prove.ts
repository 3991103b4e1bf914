import { fileURLToPath } from 'node:url'
import { z } from 'zod'
import { PhasemarkError } from '../../../../shared/errors.ts'
import { workerUrl } from '../../worker-url.ts'
import type { RuntimeHost } from './host.ts'
import { lastLines, runTool } from './run-tool.ts'

/** A picture of 3 × 3 pixels (y, x), a kernel of 2 × 2, and what comes out without padding, worked by hand: 1·1 + 2·2 + 4·3 + 5·4 = 37, … */
export const proofPicture = [1, 2, 3, 4, 5, 6, 7, 8, 9] as const
export const proofKernel = [1, 2, 3, 4] as const
const proofResult = [37, 47, 67, 77] as const

const proofSchema = z.object({
  values: z.array(z.number()),
  tensorflowVersion: z.string(),
  usesGpu: z.boolean(),
})
export type Proof = z.infer<typeof proofSchema>

/**
 * Runs a real convolution through an addon in a child process and compares it with numbers worked by hand.
 *
 * @param addonFile absolute path of `tfjs_binding.node`
 * @param expectGpu whether the convolution has to run on the graphics card
 * @throws `RuntimeUnavailable` when the addon does not load, computes something else, or computes elsewhere; `Cancelled`
 */
export async function proveAddon(
  addonFile: string,
  expectGpu: boolean,
  host: RuntimeHost,
  signal?: AbortSignal,
): Promise<Proof> {
  const script = fileURLToPath(workerUrl(import.meta.url, 'proof-worker'))
  const { code, endedBy, stdout, stderr } = await runTool(process.execPath, [script, addonFile], {
    env: {
      ...host.env,
      // Everything TensorFlow has to say is kept for the case that it fails.
      TF_CPP_MIN_LOG_LEVEL: '0',
      TF_CPP_VMODULE: 'dso_loader=1',
      TF_FORCE_GPU_ALLOW_GROWTH: 'true',
      // Within Electron the executable is Electron; this makes it behave as Node.
      ELECTRON_RUN_AS_NODE: '1',
      ...(expectGpu ? {} : { CUDA_VISIBLE_DEVICES: '-1' }),
    },
    signal,
  })
  if (endedBy === 'SIGILL') {
    throw unusable(addonFile, 'the processor lacks instructions that TensorFlow is built for (AVX)')
  }
  if (code !== 0) {
    throw unusable(
      addonFile,
      `TensorFlow does not load (${endedBy ?? `exit code ${code}`}):\n${lastLines(stderr, 12)}`,
    )
  }
  const proof = proofSchema.safeParse(JSON.parse(stdout.trim().split('\n').at(-1) ?? 'null'))
  if (!proof.success)
    throw unusable(addonFile, `expected the values of a convolution, found: ${lastLines(stdout)}`)
  const { values, usesGpu } = proof.data
  if (values.length !== proofResult.length || values.some((value, i) => value !== proofResult[i])) {
    throw unusable(
      addonFile,
      `expected a convolution to give ${proofResult.join(', ')}, found ${values.join(', ')}`,
    )
  }
  if (expectGpu && !usesGpu) {
    throw unusable(addonFile, `TensorFlow does not use the graphics card. It said:\n${lastLines(stderr, 12)}`)
  }
  return proof.data
}

function unusable(addonFile: string, finding: string): PhasemarkError {
  return new PhasemarkError('RuntimeUnavailable', `${addonFile}: ${finding}`, {
    remedy: 'see docs/compute-runtime.md, "When something goes wrong"',
  })
}
