import { spawn } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { findProgram } from '../../src/main/engine/compute/runtime/run-tool.ts'
import { readMarker } from '../../src/main/engine/compute/runtime/variant.ts'
import type { Wheel } from '../../src/main/engine/compute/runtime/wheels.ts'
import { createFakeMachine, tensorflowMembers } from '../unit/runtime/fake-machine.ts'
import type { FakeMachine } from '../unit/runtime/fake-machine.ts'
import { lastJson, run, testFolder } from './processes.ts'

let machine: FakeMachine
let wheel: Wheel
beforeEach(() => {
  machine = createFakeMachine()
  wheel = machine.addWheel('tensorflow-cpu', {
    ...tensorflowMembers,
    // Large enough that unpacking takes a while.
    'tensorflow/libtensorflow_cc.so.2': 'C'.repeat(60_000_000),
  })
})
afterEach(() => machine.remove())

const script = path.join(testFolder, 'setup-main.mjs')
const description = () =>
  JSON.stringify({
    host: machine.host,
    wheel: { ...wheel, take: wheel.take.map(({ pattern, target }) => ({ pattern: pattern.source, target })) },
  })

/** Starts setup, kills it with the first line of its progress that matches, and returns that line. */
async function killAt(moment: RegExp): Promise<string> {
  const child = spawn(process.execPath, [script, description()], { stdio: ['ignore', 'pipe', 'ignore'] })
  let caught = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    const line = text.split('\n').find((candidate) => moment.test(candidate))
    if (line === undefined || caught !== '') return
    caught = line
    child.kill('SIGKILL')
  })
  await new Promise((resolve) => child.on('close', resolve))
  return caught
}

it.each([
  ['the download begins', /^downloading 0$/],
  ['the download is whole', /^downloading \d{3,}$/],
  ['unpacking has begun', /^unpacking \d+$/],
  ['half is unpacked', /^unpacking [3-5]\d{7}$/],
  ['the compiler starts', /^compiling 0$/],
  ['the compiler is done', /^compiling 1$/],
  ['it is proven', /^proving 1$/],
])('survives kill -9 when %s, and the next setup finishes the work', async (_moment, pattern) => {
  const { folder } = machine.route('cpu', [wheel]).variant
  expect(await killAt(pattern)).not.toBe('')
  if (existsSync(folder)) expect(await readMarker(folder)).not.toBeNull()
  const { code, stdout, stderr } = await run(process.execPath, [script, description()])
  expect(code, stderr).toBe(0)
  expect(lastJson(stdout)).toMatchObject({ device: 'cpu', folder })
  expect(await readMarker(folder)).not.toBeNull()
  expect(readdirSync(path.dirname(folder)).toSorted()).toEqual(['downloads', path.basename(folder)])
})

it('takes pip along when it is killed', async () => {
  // A Python with a pip of its own, so that the real launcher runs.
  const python = findProgram(['python3'], process.env)
  if (python === null) throw new Error('expected python3, which setup needs anyway, found none')
  const modules = path.join(machine.folder, 'modules')
  mkdirSync(modules)
  const pidFile = path.join(machine.folder, 'pip.pid')
  writeFileSync(
    path.join(modules, 'pip.py'),
    `import os, sys, time\nif '--version' in sys.argv: sys.exit(0)\nopen(${JSON.stringify(pidFile)}, 'w').write(str(os.getpid()))\ntime.sleep(60)\n`,
  )
  const wrapper = path.join(machine.folder, 'bin', 'python3')
  writeFileSync(
    wrapper,
    `#!/bin/bash\nPATH='${process.env['PATH'] ?? ''}' PYTHONPATH='${modules}' exec '${python}' "$@"\n`,
  )
  chmodSync(wrapper, 0o755)

  const child = spawn(process.execPath, [script, description()], { stdio: ['ignore', 'ignore', 'inherit'] })
  const ended = new Promise((resolve) => child.on('close', resolve))
  while ((child.exitCode === null && !existsSync(pidFile)) || readFileSync(pidFile, 'utf8') === '')
    await delay(20)
  const pid = Number(readFileSync(pidFile, 'utf8'))
  const isAlive = () => {
    try {
      process.kill(pid, 0)
      return true
    } catch {
      return false
    }
  }
  expect(isAlive()).toBe(true)
  child.kill('SIGKILL')
  await ended
  for (let waited = 0; isAlive() && waited < 5_000; waited += 50) await delay(50)
  expect(isAlive()).toBe(false)
})
