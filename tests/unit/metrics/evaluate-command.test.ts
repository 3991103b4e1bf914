import path from 'node:path'
import { Command } from 'commander'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { evaluateCommand } from '../../../src/main/hosts/cli/commands/evaluate.ts'
import { temporaryFolder, writeSlices } from '../labels/label-files.ts'

const folder = temporaryFolder()
const truth = writeSlices(path.join(folder, 'truth'), 4, {
  s_0: [1, 1, 2, 3],
  s_1: [1, 1, 2, 255],
  s_2: [1, 2, 2, 3],
})
const predicted = writeSlices(path.join(folder, 'predicted'), 4, {
  s_0: [1, 1, 2, 2],
  s_1: [1, 2, 2, 2],
  s_2: [1, 2, 2, 3],
})

let printed: string[] = []
beforeEach(() => {
  printed = []
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    printed.push(String(text))
    return true
  })
  vi.spyOn(console, 'log').mockImplementation((text) => {
    printed.push(`${String(text)}\n`)
  })
  vi.spyOn(console, 'error').mockImplementation(() => undefined)
})
afterEach(() => {
  vi.restoreAllMocks()
})

async function run(...flags: string[]): Promise<string> {
  const command = evaluateCommand()
    .exitOverride()
    .configureOutput({ writeErr: () => undefined })
  const program = new Command().exitOverride().addCommand(command)
  await program.parseAsync(['evaluate', ...flags], { from: 'user' })
  return printed.join('')
}

describe('evaluate command', () => {
  it('ends with one JSON line that holds the result', async () => {
    const flags = ['--unlabelled', '255', '--slices', '0-1', '--tolerance', '1.5', '--json']
    const lines = (await run('--truth', truth, '--predicted', predicted, ...flags)).trim().split('\n')
    const result = JSON.parse(lines.at(-1)!) as Record<string, unknown>
    expect(
      lines.slice(0, -1).every((line) => (JSON.parse(line) as { type: string }).type === 'progress'),
    ).toBe(true)
    // 7 labelled voxels, 5 right; material 1: 4 true, 3 hit, 3 predicted; 2: 2 true, 2 hit, 4 predicted; 3: missed.
    expect(result).toMatchObject({
      type: 'result',
      command: 'evaluate',
      accuracy: 5 / 7,
      tolerance: 1.5,
      labelledVoxels: 7,
      unlabelled: { value: 255, from: 'option' },
      perMaterial: [
        { id: 1, name: 'material 1', precision: 1, recall: 3 / 4, f1: 6 / 7, iou: 3 / 4, support: 4 },
        { id: 2, precision: 1 / 2, recall: 1, f1: 2 / 3, iou: 1 / 2, support: 2 },
        { id: 3, precision: null, recall: 0, f1: 0, iou: 0, support: 1 },
      ],
      confusion: [
        [3, 1, 0],
        [0, 2, 0],
        [0, 1, 0],
      ],
    })
    for (const field of [
      'macroF1',
      'weightedF1',
      'meanIoU',
      'macroBoundaryF1',
      'confidence',
      'pairs',
      'warnings',
    ])
      expect(result, field).toHaveProperty(field)
  })

  it('shows the worst material first and what the numbers rest on', async () => {
    const text = await run('--truth', truth, '--predicted', predicted, '--unlabelled', '255')
    // F1 worked by hand: 2/3, 8/10, 8/9.
    const rows = ['material 3 [3]', 'material 2 [2]', 'material 1 [1]'].map((name) => text.indexOf(name))
    expect(rows).toEqual([...rows].sort((a, b) => a - b))
    expect(Math.min(...rows)).toBeGreaterThan(-1)
    expect(text).toContain('slices 0–2, paired by file name')
    expect(text).toContain('Unlabelled value: 255 (as given)')
    expect(text).toContain('Boundary F1 % @ 2')
    expect(text).toMatch(/Macro F1 +\d+\.\d\d %/)
    expect(text).toContain('Note: the truth is partly unlabelled')
  })

  it('pools several pairs, in order', async () => {
    const text = await run('--truth', truth, truth, '--predicted', predicted, truth, '--json')
    const result = JSON.parse(text.trim().split('\n').at(-1)!) as { pairs: { predicted: string }[] }
    expect(result.pairs.map((pair) => pair.predicted)).toEqual([predicted, truth])
  })

  it.each([
    ['another number of truths and segmentations', ['--predicted', predicted, predicted], '_tag'],
    ['a slice range that is none', ['--predicted', predicted, '--slices', '3-1'], 'code'],
    ['a negative tolerance', ['--predicted', predicted, '--tolerance', '-1'], 'code'],
    ['an unlabelled value that is no number', ['--predicted', predicted, '--unlabelled', 'x'], 'code'],
  ])('refuses %s', async (_, flags, key) => {
    const expected = key === '_tag' ? { _tag: 'WrongUsage' } : { code: 'commander.invalidArgument' }
    await expect(run('--truth', truth, ...flags)).rejects.toMatchObject(expected)
  })
})
