import { expect, test } from 'vitest'
import { startThread } from '../../../src/main/engine/view/thread-calls.ts'

/** A thread in plain JavaScript that speaks the protocol by hand: answers, fails, waits to be cancelled, or breaks down. */
const script = `
  import { parentPort } from 'node:worker_threads'
  parentPort.postMessage({ event: 'started' })
  parentPort.on('message', ({ id, name, request, cancel }) => {
    if (cancel) parentPort.postMessage({ id, error: { _tag: 'Cancelled', message: 'stopped', fields: {} } })
    else if (name === 'double') parentPort.postMessage({ id, answer: 2 * request })
    else if (name === 'fail') {
      const fields = { path: 'a.tif', expected: 'more', found: 'less' }
      parentPort.postMessage({ id, error: { _tag: 'BadInput', message: 'a.tif is short', fields } })
    } else if (name === 'breakDown') throw new Error('out of everything')
  })
`

interface Doubling {
  calls: Record<'double' | 'fail' | 'wait' | 'breakDown', { request: number; answer: number }>
  event: string
}

test('answers, errors with their fields, events, cancelling, and a thread that breaks down', async () => {
  const events: string[] = []
  const thread = startThread<Doubling>(new URL(`data:text/javascript,${encodeURIComponent(script)}`), {
    onEvent: (event) => events.push(event),
  })
  expect(await Promise.all([thread.ask('double', 4), thread.ask('double', 5)])).toEqual([8, 10])
  expect(events).toEqual(['started'])
  await expect(thread.ask('fail', 0)).rejects.toMatchObject({ _tag: 'BadInput', fields: { path: 'a.tif' } })
  const controller = new AbortController()
  const waiting = thread.ask('wait', 0, controller.signal)
  controller.abort()
  await expect(waiting).rejects.toMatchObject({ _tag: 'Cancelled' })

  const left = thread.ask('wait', 0)
  const broken = thread.ask('breakDown', 0)
  const ends = await Promise.allSettled([left, broken])
  for (const end of ends) {
    expect(end).toMatchObject({ status: 'rejected', reason: { _tag: 'Internal' } })
    expect(String((end as PromiseRejectedResult).reason)).toContain('out of everything')
  }
  expect(thread.hasEnded()).toBe(true)
  await expect(thread.ask('double', 1)).rejects.toMatchObject({ _tag: 'Internal' })
  await thread.end()
})
