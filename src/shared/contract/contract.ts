import { deviceService } from './device.ts'
import { filesService, settingsService, systemService } from './files.ts'
import { hostService } from './host.ts'
import { jobsService } from './jobs.ts'
import { labelsService } from './labels.ts'
import { projectsService } from './projects.ts'
import { volumesService } from './volumes.ts'

/** The contract: which process offers which services. Everything that crosses a process boundary is in here. */
export const hostContract = { host: hostService } as const

export const dataContract = {
  files: filesService,
  jobs: jobsService,
  labels: labelsService,
  projects: projectsService,
  settings: settingsService,
  system: systemService,
  volumes: volumesService,
} as const

export const computeContract = { device: deviceService, jobs: jobsService } as const
