import os from 'node:os'

/** One measured number, with what it is compared to. */
export interface Measurement {
  what: string
  value: number
  unit: string
  /** What it must reach; absent where the number only informs. */
  bar?: { relation: '≤' | '≥' | '<'; limit: number }
  note?: string
}

export interface BenchmarkResult {
  benchmark: string
  measurements: readonly Measurement[]
  /** Peers that could not run here, by name, with the reason. */
  skipped: Readonly<Record<string, string>>
  /** Versions, device, sizes, raw samples: whatever one needs to judge or repeat the numbers. */
  details: Readonly<Record<string, unknown>>
}

/** Whether the bar is reached; `null` where there is none. */
export function meets({ value, bar }: Measurement): boolean | null {
  if (bar === undefined) return null
  switch (bar.relation) {
    case '≤':
      return value <= bar.limit
    case '≥':
      return value >= bar.limit
    case '<':
      return value < bar.limit
  }
}

/** The machine on which a result was measured. */
export function describeMachine(): Record<string, unknown> {
  const processors = os.cpus()
  return {
    date: new Date().toISOString(),
    node: process.version,
    platform: `${os.platform()} ${os.release()} ${os.arch()}`,
    processor: processors[0]?.model ?? 'unknown',
    processors: processors.length,
    memoryBytes: os.totalmem(),
    loadAverage: os.loadavg()[0],
  }
}

/** The result as text for people. */
export function formatTable(result: BenchmarkResult): string {
  const rows = result.measurements.map((measurement) => [
    measurement.what,
    `${formatNumber(measurement.value)} ${measurement.unit}`.trim(),
    measurement.bar === undefined ? '' : `${measurement.bar.relation} ${formatNumber(measurement.bar.limit)}`,
    verdict(measurement),
    measurement.note ?? '',
  ])
  const table = [['what', 'measured', 'bar', '', ''], ...rows]
  const widths = table[0].map((_, column) => Math.max(...table.map((row) => row[column].length)))
  const lines = table.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column]))
      .join('  ')
      .trimEnd(),
  )
  const skipped = Object.entries(result.skipped).map(([name, reason]) => `skipped ${name}: ${reason}`)
  return [result.benchmark.toUpperCase(), ...lines, ...skipped].join('\n')
}

function verdict(measurement: Measurement): string {
  const met = meets(measurement)
  if (met === null) return ''
  return met ? 'reached' : 'MISSED'
}

function formatNumber(value: number): string {
  if (Number.isInteger(value) && Math.abs(value) < 1e6) return value.toString()
  if (Math.abs(value) >= 1e6) return `${(value / 1e6).toPrecision(4)}e6`
  return value.toPrecision(4)
}
