// A host that is killed: starts an engine process, prints its pid and waits.
import process from 'node:process'
import { forkEngineProcess } from '../../../dist/main/hosts/processes/forked-child.js'

const child = forkEngineProcess(process.argv[2], { log: () => undefined })
child.onReady(() => {
  process.stdout.write(`${child.pid}\n`)
})
