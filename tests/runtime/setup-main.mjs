// Runs the compiled setup on a machine described on the command line; killed by the tests at any moment.
import process from 'node:process'
import { URL } from 'node:url'

const folder = new URL('../../dist/main/engine/compute/runtime/', import.meta.url)
const { setUpRuntime } = await import(new URL('setup.js', folder))
const { variantOf } = await import(new URL('variant.js', folder))

const { host, wheel } = JSON.parse(process.argv[2])
const machine = { ...host, glibcVersion: () => '2.36' }
const take = wheel.take.map(({ pattern, target }) => ({ pattern: new RegExp(pattern), target }))
const route = { kind: 'wheels', variant: variantOf(machine, 'cpu', [{ ...wheel, take }]) }
const result = await setUpRuntime({
  device: 'cpu',
  host: machine,
  route,
  onProgress: ({ stage, done }) => process.stdout.write(`${stage} ${done}\n`),
  prove: () => Promise.resolve({}),
})
process.stdout.write(`${JSON.stringify(result)}\n`)
