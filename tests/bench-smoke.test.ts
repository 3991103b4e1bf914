import { execFile } from 'node:child_process'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { describe, expect, it, vi } from 'vitest'
import type { BenchmarkResult } from './bench/report.ts'
import { sharedData } from './support/shared-data.ts'

const script = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../scripts/bench.mjs')

/** Runs one benchmark in its tiny size and returns its result. */
async function smoke(name: string, ...options: string[]): Promise<BenchmarkResult> {
  const { stdout } = await promisify(execFile)(process.execPath, [script, name, '--smoke', ...options], {
    maxBuffer: 64 * 1024 * 1024,
  })
  const report = JSON.parse(stdout.trimEnd().split('\n').at(-1)!) as {
    smoke: boolean
    results: BenchmarkResult[]
  }
  expect(report.smoke).toBe(true)
  expect(report.results.map(({ benchmark }) => benchmark)).toEqual([name])
  for (const { what, value } of report.results[0].measurements) {
    expect(Number.isFinite(value), `${what}: ${value}`).toBe(true)
  }
  return report.results[0]
}

const benchmarks = [
  { name: 'train', peers: ['Keras', 'PyTorch'], ours: 'step with batch normalisation, Phasemark' },
  { name: 'predict', peers: ['Keras', 'PyTorch'], ours: 'network on 32 × 32, Phasemark' },
  { name: 'io', peers: ['tifffile'], ours: 'read plain, one strip, Phasemark' },
  { name: 'slices', peers: [], ours: 'slices from memory' },
  { name: 'journal', peers: [], ours: 'undo, median' },
  { name: 'bulk', peers: [], ours: 'undo of the import' },
  { name: 'memory', peers: [], ours: 'segment 3 × 96 × 96, as reported' },
  { name: 'soak', peers: [], ours: 'steps trained' },
]

vi.setConfig({ testTimeout: 180_000 })

describe.each(benchmarks)('benchmark $name in its tiny size', ({ name, peers, ours }) => {
  let result: Promise<BenchmarkResult> | undefined
  const run = () => (result ??= smoke(name, '--minutes', '0.02'))

  it('runs and measures', async () => {
    const { measurements } = await run()
    expect(measurements.map(({ what }) => what)).toContain(ours)
  })

  it.for(peers)(
    'is compared with %s (needs its packages in the Python of PHASEMARK_PYTHON)',
    async (peer, { skip }) => {
      const { measurements, skipped } = await run()
      if (peer in skipped) {
        expect(skipped[peer]).toMatch(/PHASEMARK_PYTHON/)
        skip(skipped[peer])
      }
      expect(measurements.map(({ what }) => what)).toContainEqual(
        expect.stringMatching(new RegExp(`Phasemark / ${peer}$`)),
      )
    },
  )
})

it('benchmark window in its tiny size (needs an Electron that tests can start)', async ({ skip }) => {
  const { measurements, skipped } = await smoke('window')
  if ('Electron' in skipped) skip(skipped['Electron'])
  const measured = new Map(measurements.map(({ what, value }) => [what, value]))
  // What no machine is too slow for.
  expect(measured.get('strokes lost')).toBe(0)
  expect(measured.get('strokes lost with a long history')).toBe(0)
  expect(measured.get('uploads beyond what changed and where the brush was before')).toBe(0)
})

it('benchmark scores in its tiny size (needs soc-niysz-figures in the shared data)', async ({ skip }) => {
  skip(sharedData('soc-niysz-figures') === null, 'no soc-niysz-figures in the shared data (PHASEMARK_SHARED)')
  const { measurements } = await smoke('scores', '--splits', 'soc-top-bottom', '--steps', '1')
  expect(measurements.map(({ what }) => what)).toEqual(['soc-top-bottom, Phasemark'])
})
