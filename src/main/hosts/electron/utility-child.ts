import { utilityProcess } from 'electron'
import type { MessagePortMain } from 'electron'
import type { EngineProcess } from '../../../shared/contract/host.ts'
import { engineProcessModule } from '../processes/forked-child.ts'
import { isReadyMessage } from '../processes/process-messages.ts'
import type { ProcessRequest } from '../processes/process-messages.ts'
import type { EngineChild } from '../processes/supervisor.ts'

/** An engine process as a utility process of Electron. It ends when this process does, however that ends. */
export interface UtilityChild extends EngineChild {
  /** Makes it serve a client on `port`. */
  connect(port: MessagePortMain): void
}

export function startUtilityProcess(name: EngineProcess): UtilityChild {
  const child = utilityProcess.fork(engineProcessModule(name), [], {
    serviceName: `phasemark-${name}`,
    stdio: 'inherit',
  })
  // Messages to a process that has ended throw.
  let ended = false
  child.once('exit', () => (ended = true))
  return {
    get pid() {
      return child.pid ?? null
    },
    send(request: ProcessRequest) {
      if (!ended) child.postMessage(request)
    },
    connect(port) {
      const request: ProcessRequest = { phasemark: 'connect' }
      if (ended) port.close()
      else child.postMessage(request, [port])
    },
    onReady(listener) {
      child.on('message', (message: unknown) => {
        if (isReadyMessage(message)) listener()
      })
    },
    onEnd(listener) {
      child.once('exit', (code) => {
        listener({ code, signal: null })
      })
    },
    kill() {
      // `UtilityProcess.kill` asks; what has to go now is told so.
      if (!ended && child.pid !== undefined) process.kill(child.pid, 'SIGKILL')
    },
  }
}
