import { createDataServices } from './data-services.ts'
import { currentPlaces } from './engine-services.ts'
import { runEngineProcess } from './run-process.ts'

// Entry of the data process, in Electron's utility process and as a plain child process.
await runEngineProcess(() => createDataServices(currentPlaces('data')))
