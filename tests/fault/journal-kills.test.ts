import path from 'node:path'
import { expect, test } from 'vitest'
import { scratchFolder } from '../support/file-tree.ts'
import { killWhilePainting } from '../support/painting-process.ts'

const scratch = scratchFolder('journal-kills')

test('labels that were answered survive kill -9, and the stroke under way is there or not, never half', async () => {
  const seed = Math.floor(Math.random() * 4096)
  const kills = await killWhilePainting(path.join(scratch, 'kills'), 5, seed, Math.random).catch(
    (error: unknown) => {
      throw new Error(`with seed ${seed}`, { cause: error })
    },
  )
  expect(kills.length).toBe(5)
  // Something was painted, or nothing was tested.
  expect(kills.at(-1)?.answered).toBeGreaterThan(5)
}, 120_000)
