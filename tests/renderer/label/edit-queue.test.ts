import { beforeEach, describe, expect, test } from 'vitest'
import type { LabelChange } from '../../../src/shared/contract/labels.ts'
import { PhasemarkError } from '../../../src/shared/errors.ts'
import { EditQueue, type QueueEntry, type QueueState } from '../../../src/renderer/annotate/edit-queue.ts'
import { settle } from './support/simulation.ts'

const clear = (z: number) => ({ kind: 'edit' as const, edit: { kind: 'clear-slice' as const, z } })

function changeAt(sequence: number): LabelChange {
  return {
    volumeId: 'volume',
    sequence,
    editId: null,
    changed: null,
    changedVoxels: 0,
    counts: [],
    canUndo: true,
    canRedo: false,
    newest: null,
    historyLength: 0,
  }
}
const disconnected = () => new PhasemarkError('Disconnected', 'the data process ended', { process: 'data' })

describe('the queue of edits', () => {
  let sent: { entry: QueueEntry; answer: () => void; fail: (error: unknown) => void }[]
  let answered: string[]
  let discarded: string[]
  let states: QueueState[]
  let sequence: number
  let queue: EditQueue

  beforeEach(() => {
    sent = []
    answered = []
    discarded = []
    states = []
    sequence = 10
    let ids = 0
    queue = new EditQueue({
      send: (entry) =>
        new Promise((resolve, reject) => {
          sent.push({ entry, answer: () => resolve(changeAt(++sequence)), fail: reject })
        }),
      knownSequence: () => sequence,
      onAnswered: (entry) => answered.push(entry.id),
      onDiscarded: (entry) => discarded.push(entry.id),
      onStateChanged: (state) => states.push(state),
      now: () => 1000,
      newId: () => `id-${++ids}`,
    })
  })

  test('sends one after the other, in order', async () => {
    for (const z of [1, 2, 3]) queue.add(clear(z))
    expect(sent.map(({ entry }) => entry.id)).toEqual(['id-1'])
    expect(queue.state).toMatchObject({ waiting: 3, unwrittenEdits: 3, oldestQueuedAtMs: 1000 })
    sent[0].answer()
    await settle()
    sent[1].answer()
    await settle()
    sent[2].answer()
    await settle()
    expect(answered).toEqual(['id-1', 'id-2', 'id-3'])
    expect(queue.state).toEqual({ waiting: 0, unwrittenEdits: 0, oldestQueuedAtMs: null, trouble: null })
  })

  test('sends an edit again under its id when the line broke, and not before it is back', async () => {
    queue.add(clear(1), 'stroke')
    sent[0].fail(disconnected())
    await settle()
    queue.add(clear(2))
    expect(sent).toHaveLength(1)
    expect(queue.state.trouble?.kind).toBe('disconnected')
    queue.reconnected(11)
    expect(sent).toHaveLength(2)
    expect(sent[1].entry.id).toBe('stroke')
  })

  test('does not repeat an undo that was carried out before the line broke', async () => {
    queue.add({ kind: 'undo' })
    queue.add(clear(2), 'next')
    sent[0].fail(disconnected())
    await settle()
    queue.reconnected(11)
    expect(sent.map(({ entry }) => entry.operation.kind)).toEqual(['undo', 'edit'])
    expect(sent[1].entry.id).toBe('next')
  })

  test('repeats an undo that was not carried out', async () => {
    queue.add({ kind: 'undo' })
    sent[0].fail(disconnected())
    await settle()
    queue.reconnected(10)
    expect(sent.map(({ entry }) => entry.operation.kind)).toEqual(['undo', 'undo'])
  })

  test('goes on when the line was restored before the broken call was heard of', async () => {
    queue.add(clear(1), 'stroke')
    queue.disconnected()
    queue.reconnected(10)
    sent[0].fail(disconnected())
    await settle()
    expect(sent.map(({ entry }) => entry.id)).toEqual(['stroke', 'stroke'])
    expect(queue.state.trouble).toBeNull()
  })

  test.each([
    ['NoSpace', new PhasemarkError('NoSpace', 'no space left in labels/', { path: 'labels' })],
    ['NotWritable', new PhasemarkError('NotWritable', 'labels/ cannot be written', { path: 'labels' })],
  ] as const)(
    'pauses on %s with its message, keeps everything, and goes on when asked',
    async (tag, error) => {
      queue.add(clear(1), 'first')
      queue.add(clear(2), 'second')
      sent[0].fail(error)
      await settle()
      expect(queue.state).toMatchObject({
        waiting: 2,
        trouble: { kind: 'paused', tag, message: error.message },
      })
      // A line that comes back mends no disk.
      queue.reconnected(10)
      expect(sent).toHaveLength(1)
      queue.tryAgain()
      sent[1].answer()
      await settle()
      sent[2].answer()
      await settle()
      expect(answered).toEqual(['first', 'second'])
    },
  )

  test('gives an edit up only on a person’s word', async () => {
    queue.discardFirst()
    queue.add(clear(1), 'bad')
    queue.add(clear(2), 'good')
    queue.discardFirst()
    expect(discarded).toEqual([])
    sent[0].fail(new PhasemarkError('BadInput', 'no such slice', { path: '', expected: '', found: '' }))
    await settle()
    expect(queue.state.trouble).toMatchObject({ kind: 'refused', tag: 'BadInput' })
    expect(discarded).toEqual([])
    queue.discardFirst()
    expect(discarded).toEqual(['bad'])
    sent[1].answer()
    await settle()
    expect(answered).toEqual(['good'])
  })

  test('tells when everything is written', async () => {
    await queue.whenEmpty()
    queue.add(clear(1))
    let isEmpty = false
    void queue.whenEmpty().then(() => (isEmpty = true))
    await settle()
    expect(isEmpty).toBe(false)
    sent[0].answer()
    await settle()
    expect(isEmpty).toBe(true)
    // Whoever waited acts on labels that have the answer already.
    expect(answered).toEqual(['id-1'])
  })
})
