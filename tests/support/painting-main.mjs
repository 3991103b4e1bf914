// Paints at random into a folder of labels until it is killed, in a process of its own: node painting-main.mjs FOLDER FIRST SEED.
// Prints the number of every step once it was answered, at once and unbuffered.
import { writeSync } from 'node:fs'
import process from 'node:process'
import { URL } from 'node:url'

const [folder, first, seed] = process.argv.slice(2)
const { LabelStore } = await import(
  new URL('../../dist/main/engine/annotation/label-store.js', import.meta.url)
)
const { carryOut, paintingOptions, paintingShape } = await import(
  new URL('./painting-steps.mjs', import.meta.url)
)

const store = await LabelStore.open(folder, paintingShape, paintingOptions)
if (store.journalState.state !== 'ok') throw new Error(store.journalState.message)
writeSync(1, 'open\n')
for (let step = Number(first); ; step++) {
  await carryOut(store, Number(seed), step)
  writeSync(1, `${step}\n`)
}
