import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { expect, test } from 'vitest'
import type { Shape3 } from '../../../src/shared/volume.ts'
import { scratchFolder } from '../../support/file-tree.ts'
import { allLabels, freshFolder, openStore } from './store-support.ts'

const scratch = scratchFolder('earlier-journal')
const shape: Shape3 = [3, 24, 150]

/**
 * Written on 2026-11-23 by the program as it was before whole steps were staged: a stroke of material 3 and radius 4 from (12, 20) to
 * (12, 140) in slice 1, an import that kept it, an erasing dab of radius 6 at (3, 3) in slice 2; undone twice, redone once, closed.
 */
const journal = `
  UE1KT1VSTjEBAAAAAwAAABgAAACWAAAAAQAAANkOK0lQTUpSAQAAAKYAAAAoAAAAKAAAAHsidHlwZSI6ImVkaXQiLCJlZGl0SWQi
  OiJhIiwia2luZCI6ImJydXNoIiwibWF0ZXJpYWwiOjMsImF0IjoiMjAyNi0xMS0yM1QwNDowMTo1NC44MzlaIiwiY2hhbmdlZCI6
  eyJzdGFydCI6WzEsOCwxNl0sInN0b3AiOlsyLDE3LDE0NV19LCJjaGFuZ2VkVm94ZWxzIjoxMTI5LCJwYXJ0cyI6MH0BCcQJeQAD
  G30AAxh/AAMXfwADFoEBAAMWfwADF38AAxh9AAMbeQADasFuc1BNSlICAAAAHAAAAF8AAICGAwAAeyJ0eXBlIjoicGFydCIsImVk
  aXRJZCI6ImIifWMIUFBgYGRQYGBSEGNgpAWbAWY+iBZjYBoAPhPMX2Igf0LdQy02o90A+AgSY7AQFWFgamIUYmBqYRRkYGqFEAIM
  TG1IXCEGpolMnLSJYaYAcPqhcrgix48Z1OzhmkYBCGRLslBNSlIDAAAAqQAAAAAAAAAAAAAAeyJ0eXBlIjoiZWRpdCIsImVkaXRJ
  ZCI6ImIiLCJraW5kIjoiaW1wb3J0IiwibWF0ZXJpYWwiOm51bGwsImF0IjoiMjAyNi0xMS0yM1QwNDowMTo1NC44NjFaIiwiY2hh
  bmdlZCI6eyJzdGFydCI6WzAsMCwwXSwic3RvcCI6WzMsMjQsMTUwXX0sImNoYW5nZWRWb3hlbHMiOjY0OTUsInBhcnRzIjoxfWyb
  /HhQTUpSBAAAAKIAAAApAAAAKQAAAHsidHlwZSI6ImVkaXQiLCJlZGl0SWQiOiJjIiwia2luZCI6ImVyYXNlciIsIm1hdGVyaWFs
  IjowLCJhdCI6IjIwMjYtMTEtMjNUMDQ6MDE6NTQuODY4WiIsImNoYW5nZWQiOnsic3RhcnQiOlsyLDAsMF0sInN0b3AiOlszLDgs
  MTBdfSwiY2hhbmdlZFZveGVscyI6NzIsInBhcnRzIjowfQIIAAkCAI0BCQIAjQEJAgCNAQoCAIwBCQIAjQEJAgCNAQkCAI0BCAIA
  9L67m1BNSlIFAAAANgAAAAAAAAAAAAAAeyJ0eXBlIjoibW92ZSIsInRvIjozLCJhdCI6IjIwMjYtMTEtMjNUMDQ6MDE6NTQuODc1
  WiJ9s6XcWFBNSlIGAAAANgAAAAAAAAAAAAAAeyJ0eXBlIjoibW92ZSIsInRvIjoxLCJhdCI6IjIwMjYtMTEtMjNUMDQ6MDE6NTQu
  ODg5WiJ9C2f0MlBNSlIHAAAANgAAAAAAAAAAAAAAeyJ0eXBlIjoibW92ZSIsInRvIjozLCJhdCI6IjIwMjYtMTEtMjNUMDQ6MDE6
  NTQuODk0WiJ9YQyc7VBNSlIIAAAAMQAAAAAAAAAAAAAAeyJ0eXBlIjoiY2xvc2VkIiwiYXQiOiIyMDI2LTExLTIzVDA0OjAxOjU0
  LjkwN1oifXuH/wc=
`

test('a journal of an earlier version is read, undone and redone', async () => {
  const folder = freshFolder(scratch)
  mkdirSync(folder, { recursive: true })
  writeFileSync(path.join(folder, 'journal-000001.pmj'), Buffer.from(journal, 'base64'))
  const stroked = new Uint8Array(3 * 24 * 150)
  const imported = stroked.slice()
  const dabbed = stroked.slice()
  for (let i = 0; i < stroked.length; i++) {
    const [z, y, x] = [Math.floor(i / 3600), Math.floor(i / 150) % 24, i % 150]
    const beside = Math.max(0, 20 - x, x - 140)
    if (z === 1 && (y - 12) ** 2 + beside ** 2 <= 16) stroked[i] = 3
    imported[i] = stroked[i] === 0 ? ((x >> 5) + (y >> 3) + z) % 3 : stroked[i]
    dabbed[i] = z === 2 && (y - 3) ** 2 + (x - 3) ** 2 <= 36 ? 0 : imported[i]
  }
  const store = await openStore(folder, shape)
  expect(store.state).toMatchObject({ sequence: 8, recovered: null, canUndo: true, canRedo: true })
  expect(await allLabels(store)).toEqual(imported)
  await store.redo()
  expect(await allLabels(store)).toEqual(dabbed)
  await store.goTo(1)
  expect(await allLabels(store)).toEqual(stroked)
  expect((await store.undo()).counts.every((count) => count === 0)).toBe(true)
  await store.goTo(4)
  expect(await allLabels(store)).toEqual(dabbed)
  await store.close()
})
