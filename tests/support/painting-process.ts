import { spawn, type ChildProcess } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { LabelStore, openLabelStoreForReading } from '../../src/main/engine/annotation/label-store.ts'
import { carryOut, paintingOptions, paintingShape } from './painting-steps.mjs'

const program = fileURLToPath(new URL('./painting-main.mjs', import.meta.url))

/** A process that paints, with the number of the last step it answered (`first` − 1: none). */
export interface PaintingProcess {
  readonly child: ChildProcess
  answered: () => number
  /** Resolves when the labels are open in it. */
  readonly opened: Promise<void>
  readonly ended: Promise<{ signal: string | null; stderr: string }>
}

export function startPainting(folder: string, first: number, seed: number): PaintingProcess {
  const child = spawn(process.execPath, [program, folder, first.toString(), seed.toString()], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let stdout = ''
  let stderr = ''
  let told: () => void
  const opened = new Promise<void>((resolve) => (told = resolve))
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text
    if (stdout.includes('open\n')) told()
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
  const ended = new Promise<{ signal: string | null; stderr: string }>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (_, signal) => {
      told()
      resolve({ signal, stderr })
    })
  })
  const answered = () => {
    // What has no end of line yet was not told.
    const lines = stdout.split('\n').slice(1, -1)
    return lines.length === 0 ? first - 1 : Number(lines.at(-1))
  }
  return { child, answered, opened, ended }
}

/** What was found after a kill. */
export interface Kill {
  /** Steps answered before it. */
  answered: number
  /** Whether the step under way was carried out as well. */
  oneMore: boolean
  lostBytes: number
  openedInMs: number
}

/**
 * Kills a painting process again and again in the middle of its work. After each kill the labels must be exactly what all answered steps
 * make of them, or what they and the one step under way do: that is found by carrying out the same steps beside it.
 *
 * @param folder for the labels (made here) and for those carried out beside them; must not exist
 * @param random numbers in [0, 1), for the moments of the kills
 * Throws when a step is lost or anything else is different.
 */
export async function killWhilePainting(
  folder: string,
  kills: number,
  seed: number,
  random: () => number,
  onKill: (kill: Kill) => void = () => undefined,
): Promise<Kill[]> {
  const labels = `${folder}/killed`
  const twin = await LabelStore.open(`${folder}/twin`, paintingShape, paintingOptions)
  const found: Kill[] = []
  let next = 0
  try {
    for (let i = 0; i < kills; i++) {
      const painting = startPainting(labels, next, seed)
      await painting.opened
      await new Promise((resolve) => setTimeout(resolve, random() * 400))
      painting.child.kill('SIGKILL')
      const { signal, stderr } = await painting.ended
      if (signal !== 'SIGKILL') throw new Error(`the painting process ended by itself: ${stderr}`)
      const answered = painting.answered()
      for (; next <= answered; next++) await carryOut(twin, seed, next)
      const start = performance.now()
      const store = await LabelStore.open(labels, paintingShape, paintingOptions)
      const openedInMs = performance.now() - start
      try {
        const { recovered } = store.state
        const same = await isSame(store, twin)
        if (!same) {
          await carryOut(twin, seed, next)
          next++
          if (!(await isSame(store, twin)))
            throw new Error(
              `after kill ${i + 1}, with step ${answered} answered, the labels are neither those of that step nor of the next`,
            )
        }
        found.push({ answered, oneMore: !same, lostBytes: recovered?.lostBytes ?? 0, openedInMs })
        onKill(found.at(-1)!)
      } finally {
        await store.close()
      }
      const reader = await openLabelStoreForReading(labels, paintingShape)
      if (!(await isSame(reader, twin))) throw new Error('a second reading differs from the first')
    }
    return found
  } finally {
    await twin.close()
  }
}

interface Labels {
  counts: readonly number[]
  readSlice: (z: number) => Promise<Uint8Array>
}

/** Same labels and, where both can say it, the same history. */
async function isSame(a: Labels, b: Labels): Promise<boolean> {
  if (a.counts.some((count, material) => count !== b.counts[material])) return false
  for (let z = 0; z < paintingShape[0]; z++)
    if (Buffer.compare(await a.readSlice(z), await b.readSlice(z)) !== 0) return false
  if (!(a instanceof LabelStore) || !(b instanceof LabelStore)) return true
  const steps = (store: LabelStore) =>
    JSON.stringify(
      store
        .history(null, 500)
        .entries.map(({ kind, material, slices, changedVoxels, undone }) => [
          kind,
          material,
          slices,
          changedVoxels,
          undone,
        ]),
    )
  return steps(a) === steps(b)
}
