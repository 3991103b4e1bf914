import { existsSync, readdirSync } from 'node:fs'
import path from 'node:path'
import { beforeAll, expect, test } from 'vitest'
import { scratchFolder } from '../support/file-tree.ts'
import { failureIn, resultIn, resultOf, startCli, type CliOutcome } from '../support/run-cli.ts'
import { writeTomogram } from '../support/sample-tomogram.ts'

const scratch = scratchFolder('rivals')
const volume = writeTomogram(path.join(scratch, 'volume'), { slices: 6 })
const model = path.join(scratch, 'model')

const train = (out: string) => [
  ...['train', volume.images, '--labels', volume.labels, '--model', 'unet', '--max-steps', '2', '--out', out],
  '--json',
]
const segment = (out: string) => ['segment', volume.images, '--model', model, '--out', out, '--json']

beforeAll(async () => {
  await resultOf(train(model).slice(0, -1))
}, 120_000)

/** Starts the same command three times at once, each with its own full intention. */
async function race(args: readonly string[]): Promise<{ winner: CliOutcome; losers: CliOutcome[] }> {
  const outcomes = await Promise.all([1, 2, 3].map(() => startCli(args).ended))
  const winners = outcomes.filter(({ code }) => code === 0)
  expect(winners, JSON.stringify(outcomes)).toHaveLength(1)
  return { winner: winners[0], losers: outcomes.filter(({ code }) => code !== 0) }
}

// Each pair of processes finds the place empty when it starts.
test.each([
  ['train', train],
  ['segment', segment],
])(
  'three processes that %s into the same new place: one does, the others are told',
  async (name, command) => {
    const out = path.join(scratch, `same-${name}`)
    const { winner, losers } = await race(command(out))
    for (const loser of losers) {
      const { exitCode, _tag, message } = failureIn(loser)
      expect(exitCode).toBe(6)
      expect(['Locked', 'OutputExists']).toContain(_tag)
      expect(message).toContain(out)
    }
    const result = resultIn(winner)
    if (name === 'train') expect(existsSync(path.join(result['model'] as string, 'card.json'))).toBe(true)
    else expect(readdirSync(out).filter((file) => file.endsWith('.tif'))).toHaveLength(6)
    // What the losers began is gone.
    const left = readdirSync(scratch).filter((file) => /partial|lock/.test(file))
    expect(left).toEqual([])
  },
  120_000,
)
