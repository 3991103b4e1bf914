// `npm run demo`: compute runtime and build if needed, then the demo in this process, so that signals and exit codes are its own.
import { build } from './build.mjs'

build({ only: ['engine'] })
const { runCli } = await import('../dist/main/hosts/cli/program.js')
const setup = await runCli(['setup'])
process.exitCode = setup === 0 ? await runCli(['demo', ...process.argv.slice(2)]) : setup
