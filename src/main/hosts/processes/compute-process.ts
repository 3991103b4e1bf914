import { createComputeServices } from './compute-services.ts'
import { currentPlaces } from './engine-services.ts'
import { runEngineProcess } from './run-process.ts'

// Entry of the compute process, in Electron's utility process and as a plain child process.
await runEngineProcess(() => createComputeServices(currentPlaces('compute')))
