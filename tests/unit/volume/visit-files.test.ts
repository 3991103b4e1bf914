import { afterEach, describe, expect, test, vi } from 'vitest'
import { visitFiles } from '../../../src/main/engine/volume/visit-files.ts'

afterEach(() => {
  vi.restoreAllMocks()
})

/** Lets visits take time without waiting for it; they are the only ones that look at the clock. */
function fakeClock(): { passMs: (ms: number) => void } {
  let now = 0
  vi.spyOn(performance, 'now').mockImplementation(() => now)
  return { passMs: (ms) => (now += ms) }
}

/** Runs of visits of one kind, as `[blocking, count]`. */
async function runsOf(count: number, msOf: (index: number) => number): Promise<[boolean, number][]> {
  const clock = fakeClock()
  const visited: number[] = []
  const runs: [boolean, number][] = []
  const visit = (index: number, blocking: boolean): Promise<void> => {
    visited.push(index)
    clock.passMs(msOf(index))
    if (runs.at(-1)?.[0] !== blocking) runs.push([blocking, 0])
    runs.at(-1)![1]++
    return Promise.resolve()
  }
  await visitFiles(count, visit, { mayBlock: true })
  expect(visited).toEqual(Array.from({ length: count }, (_, index) => index))
  return runs
}

describe('visiting files', () => {
  test('blocks as long as that is quick', async () => {
    expect(await runsOf(100, () => 0.05)).toEqual([[true, 100]])
  })

  test('goes on side by side when the disk is slow, and tries again ever more rarely', async () => {
    // Turns of 16; the first is not judged, so that two pass before the disk counts as slow.
    expect(await runsOf(400, () => 2)).toEqual([
      [true, 32],
      [false, 64],
      [true, 16],
      [false, 128],
      [true, 16],
      [false, 144],
    ])
    expect(await runsOf(400, (index) => (index < 50 ? 2 : 0.1))).toEqual([
      [true, 32],
      [false, 64],
      [true, 304],
    ])
  })

  test('never blocks where it must not', async () => {
    const kinds = new Set<boolean>()
    await visitFiles(
      50,
      (_index, blocking) => {
        kinds.add(blocking)
        return Promise.resolve()
      },
      { mayBlock: false },
    )
    expect(kinds).toEqual(new Set([false]))
  })

  test.each([true, false])('reports the first failure in order (blocking: %s)', async (mayBlock) => {
    const visit = async (index: number): Promise<void> => {
      // The later one fails sooner.
      if (index === 3) await new Promise((resolve) => setTimeout(resolve, 20))
      if (index === 3 || index === 9) throw new Error(`file ${index}`)
    }
    await expect(visitFiles(40, visit, { mayBlock })).rejects.toThrow('file 3')
  })

  test.each([true, false])('stops through the signal (blocking: %s)', async (mayBlock) => {
    const controller = new AbortController()
    let visited = 0
    const visit = (): Promise<void> => {
      if (++visited === 20) controller.abort()
      return Promise.resolve()
    }
    const { signal } = controller
    await expect(visitFiles(1000, visit, { mayBlock, signal })).rejects.toMatchObject({ _tag: 'Cancelled' })
    expect(visited).toBeLessThan(100)
  })
})
