import { describe, expect, test } from 'vitest'
import type { PlaneAxis } from '../../../src/shared/annotation/edit.ts'
import { createDrawAhead } from '../../../src/renderer/annotate/draw-ahead.ts'
import { LabelSession } from '../../../src/renderer/annotate/label-session.ts'
import { planeCount } from '../../../src/renderer/annotate/plane-geometry.ts'
import { greyPlane, randomEdit, randomOf } from './support/model.ts'
import { settle, SimulatedLabels } from './support/simulation.ts'

const shape = [5, 9, 8] as const
const axes: readonly PlaneAxis[] = ['z', 'y', 'x']

interface Window {
  labels: SimulatedLabels
  session: LabelSession
  /** Index of the plane on show along each axis and the array that is drawn. */
  shown: Map<PlaneAxis, { index: number; labels: Uint8Array | null }>
  changes: number[]
}

async function openWindow(isAllowed: (label: number) => boolean): Promise<Window> {
  const labels = new SimulatedLabels(shape)
  const changes: number[] = []
  let lastId = 0
  const session: LabelSession = new LabelSession({
    shape,
    port: labels.port,
    draw: createDrawAhead({
      shape,
      allowed: () => Uint8Array.from({ length: 256 }, (_, label) => Number(isAllowed(label))),
      greyOf: (plane) => greyPlane(plane, shape),
    }),
    newId: () => `operation-${++lastId}`,
    now: () => 0,
    wait: () => Promise.resolve(),
    onOpened: () => undefined,
    onChange: (change) => changes.push(change.sequence),
    onQueue: () => undefined,
    onReadingFailed: (error) => {
      throw error
    },
  })
  const opened = session.open()
  labels.work()
  labels.deliver(0)
  await opened
  return { labels, session, shown: new Map(), changes }
}

function look({ session, shown }: Window, axis: PlaneAxis, index: number): void {
  const place = { index, labels: null as Uint8Array | null }
  shown.set(axis, place)
  session.planes.load({ axis, index }, { signal: new AbortController().signal }).then(
    (array) => (place.labels = array),
    () => undefined,
  )
}

/** Carries out and delivers until nothing happens any more. */
async function comeToRest(window: Window, random: () => number): Promise<void> {
  for (let turn = 0; turn < 3000; turn++) {
    await settle()
    if (window.labels.isQuiet && window.session.queue.state.waiting === 0) break
    window.labels.work()
    window.labels.deliver(random())
  }
  await settle()
}

async function reconnect(window: Window, random: () => number): Promise<void> {
  const progress = { isDone: false }
  void window.session.lineRestored().then(() => (progress.isDone = true))
  for (let turn = 0; turn < 200 && !progress.isDone; turn++) {
    window.labels.work()
    window.labels.deliver(random())
    await settle()
  }
  expect(progress.isDone).toBe(true)
}

function expectPlanesOfServer({ labels, session, shown }: Window, hint: string): void {
  expect(session.planes.isSettled, hint).toBe(true)
  for (const [axis, { index, labels: drawn }] of shown)
    expect(drawn, `${hint}, plane ${axis} ${index}`).toEqual(labels.model.read({ axis, index }, null).data)
}

describe('a session of labels', () => {
  test('whatever the latency, planes end up as the data process has them and no stroke is lost or doubled', async () => {
    for (let seed = 1; seed <= 60; seed++) {
      const random = randomOf(seed)
      // Another opinion on what is locked: what is drawn ahead is then more than what is changed.
      const window = await openWindow((label) => label !== 2 || seed % 2 === 0)
      if (seed % 3 === 0) window.labels.model.protectedLabels.add(1)
      const { labels, session } = window
      const strokes: string[] = []
      for (const axis of axes) look(window, axis, 1)
      for (let step = 0; step < 120; step++) {
        const dice = random()
        if (dice < 0.3) {
          const id = `stroke-${seed}-${step}`
          const edit = randomEdit(random, shape)
          strokes.push(id)
          session.drawAhead(id, edit)
          session.submit(edit, id)
        } else if (dice < 0.36) session.do({ kind: 'undo' })
        else if (dice < 0.4) session.do({ kind: 'redo' })
        else if (dice < 0.48) {
          const axis = axes[Math.floor(random() * 3)]
          look(window, axis, Math.floor(random() * planeCount(axis, shape)))
        } else if (dice < 0.5) {
          const edit = randomEdit(random, shape)
          labels.changeFromElsewhere((model) => model.apply(edit))
        } else if (dice < 0.75) labels.work()
        else labels.deliver(random())
        await settle()
      }
      await comeToRest(window, random)
      expectPlanesOfServer(window, `seed ${seed}`)
      expect([...labels.carriedOut.keys()]).toEqual(strokes)
      expect([...labels.carriedOut.values()].every((times) => times === 1)).toBe(true)
      session.close()
    }
  })

  test('a line that breaks at any moment loses no stroke and carries none out twice', async () => {
    for (let seed = 100; seed < 140; seed++) {
      const random = randomOf(seed)
      const window = await openWindow(() => true)
      const { labels, session } = window
      const strokes: string[] = []
      for (const axis of axes) look(window, axis, 2)
      await comeToRest(window, random)
      for (let step = 0; step < 100; step++) {
        const dice = random()
        if (dice < 0.3) {
          const id = `stroke-${seed}-${step}`
          const edit = randomEdit(random, shape)
          strokes.push(id)
          session.drawAhead(id, edit)
          session.submit(edit, id)
        } else if (dice < 0.36) session.do({ kind: 'undo' })
        else if (dice < 0.7) labels.work()
        else if (dice < 0.95) labels.deliver(random())
        else {
          labels.breakLine()
          session.lineLost()
          await settle()
          await reconnect(window, random)
        }
        await settle()
      }
      await comeToRest(window, random)
      expectPlanesOfServer(window, `seed ${seed}`)
      expect([...labels.carriedOut.keys()]).toEqual(strokes)
      expect([...labels.carriedOut.values()].every((times) => times === 1)).toBe(true)
      session.close()
    }
  })

  test('with a full disk strokes stay queued and drawn, and all are written when there is room', async () => {
    const random = randomOf(3)
    const window = await openWindow(() => true)
    const { labels, session } = window
    look(window, 'z', 1)
    await comeToRest(window, random)
    labels.isFull = true
    for (const id of ['first', 'second', 'third']) {
      const edit = { ...randomEdit(random, shape), greyRange: null }
      session.drawAhead(id, edit)
      session.submit(edit, id)
    }
    for (let turn = 0; turn < 20; turn++) {
      labels.work()
      labels.deliver(0)
      await settle()
    }
    expect(session.queue.state).toMatchObject({
      waiting: 3,
      unwrittenEdits: 3,
      trouble: { kind: 'paused', tag: 'NoSpace' },
    })
    expect(labels.carriedOut.size).toBe(0)
    labels.isFull = false
    session.queue.tryAgain()
    await comeToRest(window, random)
    expect([...labels.carriedOut.keys()]).toEqual(['first', 'second', 'third'])
    expectPlanesOfServer(window, 'after the disk was full')
    session.close()
  })

  test('a stroke that waits stays drawn, on top of whatever is read meanwhile', async () => {
    for (let seed = 200; seed < 220; seed++) {
      const random = randomOf(seed)
      const window = await openWindow(() => true)
      const { labels, session } = window
      for (const axis of axes) look(window, axis, 2)
      await comeToRest(window, random)
      labels.isFull = true
      const waiting = [0, 1, 2].map(() => randomEdit(random, shape))
      waiting.forEach((edit, at) => {
        session.drawAhead(`waiting-${at}`, edit)
        session.submit(edit, `waiting-${at}`)
      })
      for (let change = 0; change < 5; change++) {
        const edit = randomEdit(random, shape)
        labels.changeFromElsewhere((model) => {
          model.apply(edit)
        })
        for (let turn = 0; turn < 40; turn++) {
          labels.work()
          labels.deliver(random())
          await settle()
        }
      }
      expect(session.queue.state.waiting).toBe(3)
      // What the data process has, with what waits painted over it in its order.
      for (const edit of waiting) labels.model.apply(edit)
      for (const [axis, { index, labels: drawn }] of window.shown)
        expect(drawn, `seed ${seed}, plane ${axis}`).toEqual(labels.model.read({ axis, index }, null).data)
      session.close()
    }
  })

  test('each change is told once and in order, whether its event or its answer comes first', async () => {
    const random = randomOf(11)
    const window = await openWindow(() => true)
    const { session } = window
    for (let stroke = 0; stroke < 12; stroke++) {
      const edit = randomEdit(random, shape)
      session.drawAhead(`s${stroke}`, edit)
      session.submit(edit, `s${stroke}`)
    }
    await comeToRest(window, random)
    expect(window.changes).toEqual(Array.from({ length: 12 }, (_, at) => at + 1))
    session.close()
  })

  test('slices passed while scrubbing are not read to the end', async () => {
    const window = await openWindow(() => true)
    const passed = new AbortController()
    const loading = window.session.planes.load({ axis: 'z', index: 3 }, { signal: passed.signal })
    passed.abort()
    await expect(loading).rejects.toMatchObject({ _tag: 'Cancelled' })
    look(window, 'z', 4)
    await comeToRest(window, randomOf(1))
    expectPlanesOfServer(window, 'after scrubbing')
    window.session.close()
  })
})
