import { currentHost } from './host.ts'
import type { RuntimeHost } from './host.ts'
import { detectNvidiaDriver } from './nvidia.ts'
import type { NvidiaDriver } from './nvidia.ts'
import { packageAddon, readMarker, runtimeRoute } from './variant.ts'

/** State of the runtime for one kind of device. */
export interface VariantStatus {
  device: 'gpu' | 'cpu'
  ready: boolean
  /** Where it is, or would be; `null` where there is none for this platform. */
  folder: string | null
  /** Total size of its files; 0 when it is not ready. */
  sizeBytes: number
  /** When it was made (ISO 8601), or `null`. */
  madeAt: string | null
}

export interface RuntimeStatus {
  driver: NvidiaDriver
  variants: readonly VariantStatus[]
}

/** What is ready on this machine. Changes nothing and loads nothing. */
export async function runtimeStatus(host: RuntimeHost = currentHost()): Promise<RuntimeStatus> {
  return {
    driver: detectNvidiaDriver(host),
    variants: await Promise.all((['gpu', 'cpu'] as const).map((device) => variantStatus(host, device))),
  }
}

async function variantStatus(host: RuntimeHost, device: 'gpu' | 'cpu'): Promise<VariantStatus> {
  const route = runtimeRoute(host, device)
  switch (route.kind) {
    case 'none':
      return { device, ready: false, folder: null, sizeBytes: 0, madeAt: null }
    case 'package-installer': {
      const ready = (await packageAddon(host)) !== null
      return { device, ready, folder: host.addonPackageFolder, sizeBytes: 0, madeAt: null }
    }
    case 'wheels': {
      const { folder } = route.variant
      const marker = await readMarker(folder)
      if (marker === null) return { device, ready: false, folder, sizeBytes: 0, madeAt: null }
      const sizeBytes = marker.files.reduce((total, file) => total + file.bytes, 0)
      return { device, ready: true, folder, sizeBytes, madeAt: marker.madeAt }
    }
  }
}
