// `npm run bench -- <name>…`: builds if needed, then runs the benchmarks of tests/bench in this process
// with nothing between Node and the code but a TypeScript transpiler. See docs/benchmarks.md.
import { register } from 'node:module'
import { build } from './build.mjs'

// Two of them start the app; the others need no window.
const startsApp = process.argv.some((name) => name === 'window' || name === 'kills')
build(startsApp ? {} : { only: ['engine'] })
register('../tests/bench/typescript-hooks.mjs', import.meta.url)
const { runBenchmarks } = await import('../tests/bench/main.ts')
process.exitCode = await runBenchmarks(process.argv.slice(2))
