// `npm run bench -- train|predict|io|slices|memory|soak`: builds if needed, then runs the benchmarks of tests/bench in this process
// with nothing between Node and the code but a TypeScript transpiler. See docs/benchmarks.md.
import { register } from 'node:module'
import { build } from './build.mjs'

build({ only: ['engine'] })
register('../tests/bench/typescript-hooks.mjs', import.meta.url)
const { runBenchmarks } = await import('../tests/bench/main.ts')
process.exitCode = await runBenchmarks(process.argv.slice(2))
