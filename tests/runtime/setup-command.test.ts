import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterAll, beforeEach, describe, expect, it } from 'vitest'
import { wheelsFor } from '../../src/main/engine/compute/runtime/wheels.ts'
import { commandLine, lastJson, run } from './processes.ts'

const folder = mkdtempSync(path.join(os.tmpdir(), 'phasemark-setup-'))
afterAll(() => rmSync(folder, { recursive: true }))
let empty: string
let count = 0
beforeEach(() => (empty = path.join(folder, `cache-${count++}`)))

const setup = (args: readonly string[], env: Record<string, string | undefined> = {}) =>
  run(process.execPath, [commandLine, 'setup', ...args], env)

describe('when the runtime is ready', () => {
  it('takes less than a second of work, build check and start of npm included', async () => {
    // Processor time of the whole process tree, as the shell counts it: other programs on the machine cannot add to it.
    // The first run may have to build.
    const totals: number[] = []
    for (let attempt = 0; attempt < 3; attempt++) {
      const { code, stdout } = await run('bash', ['-c', 'npm run --silent setup -- --cpu && times'])
      expect(code).toBe(0)
      expect(stdout).toContain('is ready')
      const ofChildren = stdout.trim().split('\n').at(-1) ?? ''
      const seconds = [...ofChildren.matchAll(/(\d+)m([\d.]+)s/g)].map(
        ([, minutes, rest]) => Number(minutes) * 60 + Number(rest),
      )
      expect(seconds).toHaveLength(2)
      totals.push(seconds.reduce((total, part) => total + part, 0))
    }
    expect(Math.min(...totals)).toBeLessThan(1)
  })

  it('--check says so and exits 0', async () => {
    const { code, stdout } = await setup(['--check', '--cpu'])
    expect(code).toBe(0)
    expect(stdout).toMatch(/^CPU: ready in .*tf-2\.21\.0-cpu-/m)
  })

  it('--json ends with the result', async () => {
    const { code, stdout } = await setup(['--cpu', '--json'])
    expect(code).toBe(0)
    expect(lastJson(stdout)).toMatchObject({
      type: 'result',
      command: 'setup',
      outcome: 'ready',
      device: 'cpu',
      tensorflowVersion: '2.21.0',
      reasonNotBetter: 'the CPU was asked for',
    })
  })
})

describe('when nothing is set up', () => {
  it('--check exits 4, names the command and changes nothing', async () => {
    const { code, stdout, stderr } = await setup(['--check', '--cpu'], { PHASEMARK_CACHE: empty })
    expect(code).toBe(4)
    expect(stdout).toContain('CPU: not set up')
    expect(stderr).toContain('npm run setup -- --cpu')
    expect(existsSync(empty)).toBe(false)
  })

  it('exits 4 with the command that installs a compiler, before downloading anything', async () => {
    const { code, stderr } = await setup(['--cpu'], { PHASEMARK_CACHE: empty, CXX: 'no-such-compiler' })
    expect(code).toBe(4)
    expect(stderr).toContain('no-such-compiler')
    expect(stderr).toMatch(/install/)
  })

  it('exits 4 when pip reaches no index, in its own words', async () => {
    const { code, stderr } = await setup(['--cpu'], {
      PHASEMARK_CACHE: empty,
      PIP_CONFIG_FILE: os.devNull,
      PIP_NO_INDEX: '1',
      PIP_FIND_LINKS: os.tmpdir(),
    })
    expect(code).toBe(4)
    expect(stderr).toContain('No matching distribution found for tensorflow')
    expect(stderr).toContain('npm run setup')
  })

  it('exits 6 when the cache cannot be made', async () => {
    const { code, stderr } = await setup(['--cpu'], {
      PHASEMARK_CACHE: path.join(commandLine, 'below-a-file'),
    })
    expect(code).toBe(6)
    expect(stderr).toContain('below-a-file')
  })
})

describe('--dry-run', () => {
  it('lists the wheels for a graphics card with sizes and targets, and changes nothing', async () => {
    const { code, stdout } = await setup(['--gpu', '--dry-run'], { PHASEMARK_CACHE: empty })
    expect(code).toBe(0)
    for (const wheel of wheelsFor('gpu', 'linux', 'x64')!) {
      expect(stdout).toContain(`${wheel.project} ${wheel.version}`)
      expect(stdout).toContain(wheel.sha256)
    }
    expect(stdout).toMatch(/nvidia-cudnn-cu12.* 707 MB → deps\/nvidia/)
    expect(stdout).toContain('In all: 3187 MB to download')
    expect(existsSync(empty)).toBe(false)
  })

  it('prints the same as JSON', async () => {
    const { stdout } = await setup(['--gpu', '--dry-run', '--json'], { PHASEMARK_CACHE: empty })
    const plan = lastJson(stdout)
    expect(plan).toMatchObject({ type: 'result', dryRun: true, device: 'gpu', ready: false, route: 'wheels' })
    expect(plan['wheels']).toHaveLength(13)
    expect(plan['downloadBytes']).toBe(
      wheelsFor('gpu', 'linux', 'x64')!.reduce((total, wheel) => total + wheel.sizeBytes, 0),
    )
  })
})

it.each([
  ['--gpu', '--cpu'],
  ['--check', '--dry-run'],
])('refuses %s together with %s', async (...flags) => {
  const { code, stderr } = await setup(flags)
  expect(code).not.toBe(0)
  expect(stderr).toContain('cannot be used with')
})
