import { parentPort } from 'node:worker_threads'
import type { MessagePort } from 'node:worker_threads'
import { createPortChannel } from '../../../src/shared/contract/transport/message-port.ts'
import { createTestServer } from './test-server.ts'

// A worker thread that serves the test contract on every port that it is sent.
const server = createTestServer()
parentPort!.on('message', (port: MessagePort) => {
  server.connect(createPortChannel(port))
})
