import { readdir, readFile } from 'node:fs/promises'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { z } from 'zod'
import { badInput } from '../../../shared/errors.ts'
import { systemErrorCode } from '../files/system-error.ts'
import { readError } from '../volume/positioned-file.ts'

const sha256 = z.string().regex(/^[0-9a-f]{64}$/)
const md5 = z.string().regex(/^[0-9a-f]{32}$/)
/** Names join folders of weights, so they may not lead out of them. */
const fileName = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]*$/)

const tensorSchema = z
  .object({
    /** Kernels [y, x, input channel, output channel], biases [output channel]. */
    shape: z.array(z.number().int().positive()).min(1).max(4),
    /** Of the values as float32, little endian, C order. */
    sha256: sha256.optional(),
    /** Of the same values as a .npy file of numpy before 1.14. */
    sha256Npy: sha256.optional(),
    /** A copy that is not exact but accepted: its hash, and by how much a value is off at most. */
    rounded: z.object({ sha256, maxError: z.number().positive() }).optional(),
  })
  .refine((tensor) => tensor.sha256 !== undefined || tensor.sha256Npy !== undefined, {
    message: 'expected sha256 or sha256Npy',
  })
export type CatalogueTensor = z.infer<typeof tensorSchema>

const preprocessingSchema = z.object({
  /** Order of the three input channels. */
  channelOrder: z.enum(['BGR', 'RGB']),
  /** Range of grey values before the mean is subtracted. */
  inputRange: z.tuple([z.number(), z.number()]),
  /** Per input channel, in the order of `channelOrder`. */
  subtractMean: z.tuple([z.number(), z.number(), z.number()]),
})
export type Preprocessing = z.infer<typeof preprocessingSchema>

const selfTestSchema = z.object({
  /** value[y][x][c] = (y·`y` + x·`x` + c·`channel`) mod `modulus`, with c = 0 for red, 1 for green, 2 for blue. */
  input: z.object({
    height: z.number().int().min(2).max(64),
    width: z.number().int().min(2).max(64),
    y: z.number().int(),
    x: z.number().int(),
    channel: z.number().int(),
    modulus: z.number().int().positive(),
  }),
  /** Relative to the value, or absolute below 1. */
  tolerance: z.number().positive(),
  values: z.array(
    z.object({
      layer: z.string(),
      y: z.number().int().nonnegative(),
      x: z.number().int().nonnegative(),
      firstChannel: z.number().int().nonnegative(),
      values: z.array(z.number()),
    }),
  ),
  sums: z.array(z.object({ layer: z.string(), sum: z.number() })),
})
export type SelfTest = z.infer<typeof selfTestSchema>

const downloadSchema = z.object({
  title: z.string(),
  fileName,
  url: z.url(),
  bytes: z.number().int().positive(),
  md5,
})
export type CatalogueDownload = z.infer<typeof downloadSchema>

const weightSetSchema = z.object({
  id: z.string().regex(/^[a-z0-9][a-z0-9-]*$/),
  kind: z.literal('weights'),
  title: z.string(),
  description: z.string(),
  /** The set with the lowest number is used when it is found anywhere. */
  preference: z.number().int(),
  network: z.literal('vgg16'),
  /** In the order in which they are computed. */
  layers: z.array(z.string()).min(1),
  licence: z.string(),
  licenceStatement: z.string(),
  citation: z.string().optional(),
  source: z.string(),
  preprocessing: preprocessingSchema,
  /** The set in our own form. With a hash, the whole file is checked too. */
  file: z.object({
    name: fileName,
    bytes: z.number().int().positive().optional(),
    sha256: sha256.optional(),
  }),
  /** What the publisher offers; the first is what `weights fetch` gets. */
  downloads: z.array(downloadSchema).default([]),
  /** By name: `block1_conv1/kernel`. */
  tensors: z.record(z.string(), tensorSchema),
  selfTest: selfTestSchema.optional(),
})
/** A pretrained set of weights as the catalogue describes it: what it is, where it comes from, how it is recognised. */
export type WeightSet = z.infer<typeof weightSetSchema>

const kindSchema = z.object({ kind: z.string() })

/**
 * The folder `models/` of the package, which holds the catalogue and the bundled weights. `PHASEMARK_BUNDLED_MODELS` replaces it,
 * for packagers who keep data elsewhere.
 */
export function bundledFolder(environment: NodeJS.ProcessEnv): string {
  const override = environment['PHASEMARK_BUNDLED_MODELS']
  if (override !== undefined && override !== '') return path.resolve(override)
  // Four folders up both in src/ and in dist/.
  return fileURLToPath(new URL('../../../../models', import.meta.url))
}

/**
 * Reads the weight sets of the catalogue, the preferred one first.
 * Throws `BadInput` for a file that is no catalogue entry, `NotFound` when the folder is not there.
 */
export async function readCatalogue(folder: string): Promise<readonly WeightSet[]> {
  let names: string[]
  try {
    names = await readdir(folder)
  } catch (error) {
    throw systemErrorCode(error) === undefined ? error : readError(folder, error)
  }
  const sets: WeightSet[] = []
  for (const name of names.filter((entry) => entry.endsWith('.json')).sort()) {
    const file = path.join(folder, name)
    const content = await readJson(file)
    const { success, data } = kindSchema.safeParse(content)
    // Architectures stand in the same folder.
    if (success && data.kind !== 'weights') continue
    sets.push(parseSet(content, file))
  }
  return sets.sort((a, b) => a.preference - b.preference || (a.id < b.id ? -1 : 1))
}

async function readJson(file: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(file, 'utf8'))
  } catch (error) {
    if (systemErrorCode(error) !== undefined) throw readError(file, error)
    throw badInput(file, 'JSON', error instanceof Error ? error.message : 'something else', { cause: error })
  }
}

function parseSet(content: unknown, file: string): WeightSet {
  const parsed = weightSetSchema.safeParse(content)
  if (parsed.success) return parsed.data
  throw badInput(file, 'a set of weights of the catalogue', z.prettifyError(parsed.error), {
    cause: parsed.error,
  })
}
