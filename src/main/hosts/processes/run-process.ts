import type { EngineServices } from './engine-services.ts'
import { openProcessLine } from './process-line.ts'

/** Runs an engine process: makes its services, then serves whoever the host connects, until the host ends it. */
export async function runEngineProcess(create: () => Promise<EngineServices>): Promise<void> {
  const services = await create()
  openProcessLine({
    connect: (channel) => {
      services.connect(channel)
    },
    shutdown: () => services.close(),
  })
}
