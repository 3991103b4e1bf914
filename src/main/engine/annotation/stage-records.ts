import type { History, RecordPlace } from './history.ts'
import type { RecordReader } from './journal-files.ts'
import type { StagedChanges } from './staged-changes.ts'

/** Records that are read and inflated while another is worked on; each holds some 4 MiB at most. */
const readAhead = 4

/** Stages the changes of records one after the other, or takes them back in reverse. Throws what reading and applying them throws. */
export async function stageRecords(
  staged: StagedChanges,
  places: readonly RecordPlace[],
  reader: RecordReader,
  direction: 'forward' | 'backward',
): Promise<void> {
  await stageSteps(staged, [places], reader, direction)
}

/**
 * Stages what makes the labels what they are when the first `target` steps of the history are in force.
 * Throws `BadInput` or `NotFound` for a record that is no longer there, and `MalformedChanges`.
 */
export async function stageMove(
  staged: StagedChanges,
  history: History,
  target: number,
  reader: RecordReader,
): Promise<void> {
  const { steps, inForce } = history
  const moved = steps.slice(Math.min(target, inForce), Math.max(target, inForce)).map(({ places }) => places)
  if (target < inForce) await stageSteps(staged, moved.reverse(), reader, 'backward')
  else await stageSteps(staged, moved, reader, 'forward')
}

async function stageSteps(
  staged: StagedChanges,
  steps: readonly (readonly RecordPlace[])[],
  reader: RecordReader,
  direction: 'forward' | 'backward',
): Promise<void> {
  const order = steps.flatMap((places, step) =>
    (direction === 'forward' ? places : [...places].reverse()).map((place) => ({ place, step })),
  )
  const reading: Promise<Uint8Array>[] = []
  let next = 0
  for (const [at, { step }] of order.entries()) {
    for (; next < Math.min(order.length, at + 1 + readAhead); next++) {
      const piece = readChanges(reader, order[next].place)
      // Told when its turn has come, which it has not when one before it is of no use.
      piece.catch(() => undefined)
      reading.push(piece)
    }
    if (at > 0 && step !== order[at - 1].step) staged.beginStep()
    await staged.apply(await reading.shift()!, direction)
  }
}

async function readChanges(reader: RecordReader, place: RecordPlace): Promise<Uint8Array> {
  const record = await reader.read(place)
  return await record.changes()
}
