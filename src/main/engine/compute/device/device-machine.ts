import { loadComputeRuntime } from '../runtime/load.ts'
import { runtimeStatus } from '../runtime/status.ts'
import type { DeviceMachine } from './device-service.ts'
import { testDevice } from './device-test.ts'

/** The machine that this process runs on. */
export const thisMachine: DeviceMachine = {
  status: () => runtimeStatus(),
  load: () => loadComputeRuntime(),
  test: testDevice,
}
