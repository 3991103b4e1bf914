import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, test } from 'vitest'
import { checkOutput, partialPathOf } from '../../../src/main/engine/output/output-guard.ts'
import { temporaryFolder } from '../volume/temporary-folder.ts'

const scratch = temporaryFolder('output-guard')
const at = (...parts: string[]) => path.join(scratch, ...parts)
mkdirSync(at('data', 'images'), { recursive: true })
writeFileSync(at('data', 'images', 's_1.tif'), 'x')
writeFileSync(at('data', 'volume.tif'), 'x')
symlinkSync(at('data'), at('link-to-data'))

const check = (output: string, inputs: string[], resume = false) =>
  checkOutput({ output, inputs, resume, kind: 'streamed' })

describe('an output', () => {
  test.each([
    ['is the input', 'data/images', 'data/images'],
    ['is the input, written otherwise', 'data/../data/images/', 'data/images'],
    ['is the input through a link', 'link-to-data/images', 'data/images'],
    ['lies in the input', 'data/images/out', 'data/images'],
    [
      'would lie in the input through a link and folders to be made',
      'link-to-data/images/new/out',
      'data/images',
    ],
    ['contains the input', 'data', 'data/images'],
    ['is the input file', 'data/volume.tif', 'data/volume.tif'],
    ['has a partial name that is the input', 'data/other', 'data/other.partial'],
  ])('that %s is wrong usage', async (_, output, input) => {
    await expect(check(at(output), [at('elsewhere'), at(input)])).rejects.toMatchObject({
      _tag: 'WrongUsage',
      fields: { argument: '--out' },
    })
  })

  test.each([
    ['beside the input', 'data/out'],
    ['with a name that only begins like the input', 'data/images-segmented'],
    ['whose name begins with two dots', 'data/images/../..out'],
  ])('%s is fine', async (_, output) => {
    await expect(check(at(output), [at('data/images'), at('data/volume.tif')])).resolves.toBeUndefined()
  })

  test('that exists is refused unless it is resumed; an empty folder is no output', async () => {
    mkdirSync(at('full'))
    writeFileSync(at('full', 's_1.tif'), 'x')
    mkdirSync(at('empty'))
    await expect(check(at('full'), [])).rejects.toMatchObject({ _tag: 'OutputExists' })
    await expect(check(at('full'), [], true)).resolves.toBeUndefined()
    await expect(check(at('empty'), [])).resolves.toBeUndefined()
    await expect(check(at('data', 'volume.tif'), [])).rejects.toMatchObject({ _tag: 'OutputExists' })
  })

  test('that was interrupted is refused unless it is resumed', async () => {
    mkdirSync(at('broken-off.partial'))
    writeFileSync(at('broken-off.partial', 's_1.tif'), 'x')
    await expect(check(at('broken-off'), [])).rejects.toThrow(/broken-off\.partial.*--resume/)
    await expect(check(at('broken-off'), [], true)).resolves.toBeUndefined()
  })

  test('grows beside its name, also when that was given with a slash', () => {
    expect(partialPathOf('a/b/')).toBe('a/b.partial')
    expect(partialPathOf('a/b.tif')).toBe('a/b.tif.partial')
  })
})
