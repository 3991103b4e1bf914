// `npm run phasemark -- <command>` in a checkout: build if needed, then run the command line in this process, so that
// signals and exit codes are its own.
import { build } from './build.mjs'

build({ only: ['engine'] })
await import('../dist/main/hosts/cli/main.js')
